package middleware

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func TestRecover(t *testing.T) {
	tests := []struct {
		name    string
		value   any
		handler http.HandlerFunc
		text    string
	}{
		{name: "text", value: "boom", text: "boom"},
		{name: "error", value: errors.New("boom"), text: "boom"},
		{name: "not comparable", value: []int{1}, text: "[1]"},
		{name: "nil", value: nil, text: "panic called with nil argument"},
		{name: "runtime error", text: "index out of range", handler: func(http.ResponseWriter, *http.Request) {
			var none []int
			none[len(none)]++
		}},
		{name: "headers set before", text: "boom", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Content-Length", "5000")
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("ETag", "x")
			w.Header().Set("Cache-Control", "max-age=60")
			panic("boom")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, lines := logTo(slog.LevelInfo)
			handler := tt.handler
			if handler == nil {
				handler = func(http.ResponseWriter, *http.Request) { panic(tt.value) }
			}
			rec := httptest.NewRecorder()
			Headers()(Recover(log)(handler)).ServeHTTP(rec, request("192.0.2.1:5000"))

			if rec.Code != 500 || rec.Body.String() != `{"error":"Internal server error","code":"internal"}` {
				t.Errorf("answer = %d %s", rec.Code, rec.Body)
			}
			want := helmet()
			want.Set("Content-Type", "application/json; charset=utf-8")
			want.Set("Content-Length", strconv.Itoa(rec.Body.Len()))
			for name := range rec.Header() {
				if rec.Header().Get(name) != want.Get(name) {
					t.Errorf("%s: %q", name, rec.Header().Get(name))
				}
			}
			got := lines(t)
			if len(got) != 1 || got[0]["level"] != "ERROR" || got[0]["msg"] != "panic recovered" || got[0]["path"] != "/" {
				t.Fatalf("logged %v", got)
			}
			if s := got[0]["panic"].(string); !strings.Contains(s, tt.text) {
				t.Errorf("panic = %q, want %q in it", s, tt.text)
			}
			if s := got[0]["stack"].(string); !strings.Contains(s, "recover_test.go") {
				t.Errorf("the stack does not show where: %s", s)
			}
		})
	}
}

func TestRecoverLetsAbortThrough(t *testing.T) {
	log, lines := logTo(slog.LevelDebug)
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v", v)
		}
		if got := lines(t); len(got) != 0 {
			t.Errorf("logged %v", got)
		}
	}()
	Recover(log)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler)
	})).ServeHTTP(httptest.NewRecorder(), request("192.0.2.1:5000"))
}

func TestRecoverBreaksOffHalfAnAnswer(t *testing.T) {
	log, lines := logTo(slog.LevelInfo)
	srv := serve(t, Recover(log)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			_, _ = io.WriteString(w, `{"connectedUsers":`)
			_ = http.NewResponseController(w).Flush()
			panic("boom")
		}
	})))
	res, err := srv.Client().Get(srv.URL + "/panic")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("half an answer came as a whole one: %q", body)
	}
	_ = res.Body.Close()
	if got := lines(t); len(got) != 1 || got[0]["msg"] != "panic recovered" {
		t.Errorf("logged %v", got)
	}
	res, err = srv.Client().Get(srv.URL)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("the server did not go on: %v, %v", res, err)
	}
	_ = res.Body.Close()
}

func TestRecoverLeavesHijackedConnections(t *testing.T) {
	log, lines := logTo(slog.LevelInfo)
	owned := make(chan net.Conn, 1)
	returned := make(chan struct{})
	h := Recover(log)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		owned <- conn
		panic("boom")
	}))
	srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		h.ServeHTTP(w, r)
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-returned
		conn := <-owned
		_, _ = io.WriteString(conn, switching)
		_ = conn.Close()
	}()
	conn := upgrade(t, srv, switching) // nothing else was written before
	<-done
	if rest, err := io.ReadAll(conn); len(rest) != 0 || err != nil {
		t.Errorf("after it: %q, %v", rest, err)
	}
	if got := lines(t); len(got) != 1 || got[0]["panic"] != "boom" {
		t.Errorf("logged %v", got)
	}
}

// hijackable is a recorder that shows what would be written after a Hijack.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, nil }

func TestRecoverWritesNothingAfterHijack(t *testing.T) {
	w := hijackable{httptest.NewRecorder()}
	Recover(slog.New(slog.DiscardHandler))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _, _ = w.(http.Hijacker).Hijack()
		panic("boom")
	})).ServeHTTP(w, request("192.0.2.1:5000"))
	if w.Body.Len() != 0 || len(w.Header()) != 0 {
		t.Errorf("wrote %v %s", w.Header(), w.Body)
	}
}
