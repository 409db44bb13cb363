package middleware

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"
	"weak"
)

// upgrade asks srv for a hijacked connection and returns it after the greeting
// that the handler sends on it.
func upgrade(t *testing.T, srv *httptest.Server, greeting string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET /ws?token=secret HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(greeting))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != greeting {
		t.Fatalf("read %q, %v; want %q", got, err, greeting)
	}
	return conn
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"

func TestHijackThroughAll(t *testing.T) {
	ways := map[string]func(http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error){
		"assertion": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) { return w.(http.Hijacker).Hijack() },
		"controller": func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
			return http.NewResponseController(w).Hijack()
		},
	}
	for name, hijack := range ways {
		t.Run(name, func(t *testing.T) {
			log, lines := logTo(slog.LevelInfo)
			owned := make(chan net.Conn, 1)
			wrapper := make(chan weak.Pointer[recorder], 1)
			returned := make(chan struct{})
			h := RequestLog(log, nil)(Recover(log)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := hijack(w)
				if err != nil {
					t.Errorf("hijack: %v", err)
					return
				}
				wrapper <- weak.Make(w.(*recorder))
				owned <- conn
			})))
			srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				h.ServeHTTP(w, r)
			}))

			greeted := make(chan struct{})
			go func() {
				defer close(greeted)
				conn := <-owned
				_, _ = io.WriteString(conn, switching)
				owned <- conn
			}()
			upgrade(t, srv, switching)
			<-greeted
			<-returned
			conn := <-owned

			got := lines(t)
			if len(got) != 1 || got[0]["msg"] != "connection upgraded" || got[0]["status"] != 101.0 || got[0]["path"] != "/ws" {
				t.Errorf("logged %v", got)
			}
			// The connection lives on; what wrapped the answer must not.
			pointer := <-wrapper
			for tries := 0; pointer.Value() != nil; tries++ {
				if tries == 100 {
					t.Fatal("the hijacked connection keeps the recorder alive")
				}
				runtime.GC()
				runtime.Gosched()
			}
			_ = conn.Close()
		})
	}
}

func TestRecorderReachesTheServer(t *testing.T) {
	srv := serve(t, RequestLog(slog.New(slog.DiscardHandler), nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
		rc := http.NewResponseController(w)
		if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("SetWriteDeadline: %v", err)
		}
		_, _ = io.WriteString(w, "a")
		if err := rc.Flush(); err != nil {
			t.Errorf("Flush: %v", err)
		}
		<-r.Context().Done() // the client leaves once it has read the flushed byte
	})))
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	_ = res.Body.Close()
}

// bare is a ResponseWriter that can do nothing more, as for Hijack in HTTP/2.
type bare struct{ http.ResponseWriter }

func TestRecorderOfBareWriter(t *testing.T) {
	rec := record(bare{httptest.NewRecorder()})
	if _, _, err := rec.Hijack(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Hijack: %v", err)
	}
	rec.Flush()
	if rec.hijacked || rec.status != 0 {
		t.Errorf("hijacked %v, status %d", rec.hijacked, rec.status)
	}
	if record(rec) != rec {
		t.Error("wrapped twice")
	}
	flushed := record(httptest.NewRecorder())
	flushed.Flush()
	if flushed.status != http.StatusOK {
		t.Errorf("status %d after Flush", flushed.status)
	}
}
