package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/test/rig/engineio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// What options say.
const (
	pingInterval   = 300 * time.Millisecond
	pingTimeout    = 200 * time.Millisecond
	connectTimeout = time.Second
	maxPayload     = 1_000_000
)

// A suite is a server and a client of one of its two engines.
type suite struct {
	*engineio.Client
	handler *handler
}

// engineIO and socketIO have a heartbeat and a deadline for CONNECT that no test sees,
// however slow the machine is.
func engineIO(t *testing.T) *suite { return newSuite(t, "/engine.io/", unhurried()) }
func socketIO(t *testing.T) *suite { return newSuite(t, "/socket.io/", unhurried()) }

func unhurried() socketio.Options {
	opts := options()
	opts.PingInterval, opts.ConnectTimeout = time.Hour, time.Hour
	return opts
}

func newSuite(t *testing.T, path string, opts socketio.Options) *suite {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newSuiteOn(t, l, dialTCP(l.Addr().String()), path, opts)
}

// A dialer connects to a server.
type dialer func(context.Context) (net.Conn, error)

func dialTCP(addr string) dialer {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", addr)
	}
}

func newSuiteOn(t *testing.T, l net.Listener, dial dialer, path string, opts socketio.Options) *suite {
	s := &suite{newClient(t, dial, path), newHandler(opts)}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: s.Watch(s.handler)}}
	srv.Start()
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.handler.shutdown(now) // it cuts who is left
		srv.Close()
	})
	return s
}

func newClient(t *testing.T, dial dialer, path string) *engineio.Client {
	return engineio.New(t, engineio.Options{
		Dial:        dial,
		Path:        path,
		Patience:    patience,
		AnswerPings: true,
	})
}

// gone waits until no session is left.
func (s *suite) gone() {
	s.T.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w1, p1 := s.handler.engineIO.Connections()
		w2, p2 := s.handler.socketIO.Connections()
		if w1+p1+w2+p2 == 0 {
			return
		}
		if time.Now().After(end) {
			s.T.Fatal("the session goes on")
		}
	}
}

// run starts on a free port, serves both engines, and stops in good order.
func TestRun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := run(t.Context(), addr); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("run on a port that is taken: %v", err)
	}
	l.Close()

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, addr) }()
	for end := time.Now().Add(patience); ; {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			nc.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not listen")
		}
		select {
		case err := <-done:
			t.Fatalf("run: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	bare := newClient(t, dialTCP(addr), "/engine.io/").OpenWebSocket()
	s := newClient(t, dialTCP(addr), "/socket.io/")
	ws, p := s.OpenWebSocket(), s.OpenPolling()
	ws.Send("40")
	p.Send("40")
	ws.Next()
	ws.Expect(`42["auth",{}]`)
	p.Next()
	p.Next()

	stop()
	if code := bare.Closed(); code != websocket.CloseGoingAway {
		t.Errorf("the bare WebSocket: closed with %d", code)
	}
	if code := ws.Closed(); code != websocket.CloseGoingAway {
		t.Errorf("the WebSocket: closed with %d", code)
	}
	if got := p.Next(); got != "1" {
		t.Errorf("the last poll: got %q", got)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("run: %v", err)
		}
	case <-time.After(patience):
		t.Fatal("run does not return")
	}
}
