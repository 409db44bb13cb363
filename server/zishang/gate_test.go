//go:build zishang

package zishang

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/socketio"
)

// A countingGate admits everybody, or answers with what refusal says.
type countingGate struct {
	refusal            *socketio.Refusal
	admission          socketio.Admission
	admitted, released atomic.Int32
	wrong              atomic.Int32
}

func (g *countingGate) Admit(*http.Request) (socketio.Admission, *socketio.Refusal) {
	if g.refusal != nil {
		return socketio.Admission{}, g.refusal
	}
	g.admitted.Add(1)
	return g.admission, nil
}

func (g *countingGate) Release(a socketio.Admission) {
	if a != g.admission {
		g.wrong.Add(1)
	}
	g.released.Add(1)
}

func TestAdmission(t *testing.T) {
	gate := &countingGate{admission: socketio.Admission{Info: "info"}}
	opts := defaults()
	opts.Gate = gate
	opts.ConnectTimeout = 100 * time.Millisecond
	s := serve(t, opts)

	c, r := s.join()
	if r.Info() != "info" {
		t.Errorf("info %v", r.Info())
	}
	idle := s.dial()
	idle.expectClose(1000) // it does not connect
	eventually(t, "one released", func() bool { return gate.released.Load() == 1 })
	c.conn.Close()
	eventually(t, "both released", func() bool { return gate.released.Load() == 2 })

	gate.refusal = &socketio.Refusal{
		Status: 429, Header: http.Header{"Retry-After": {"7"}}, Code: "too_many", Message: `too "many"`,
	}
	resp, body := s.get("GET", "EIO=4&transport=websocket", http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	})
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || body != `{"error":"too \"many\"","code":"too_many"}` {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
	if n := gate.wrong.Load(); n != 0 || gate.admitted.Load() != 2 {
		t.Errorf("%d wrong calls, %d admitted", n, gate.admitted.Load())
	}
}

// A hijackedWriter hands out a connection of its own.
type hijackedWriter struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

func (w *hijackedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}

// An upgrade that fails releases its admission.
func TestFailedUpgrade(t *testing.T) {
	request := func(key string) *http.Request {
		r := httptest.NewRequest("GET", handshakePath, nil)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", key)
		return r
	}
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	closed, peer := net.Pipe()
	peer.Close()
	for _, test := range []struct {
		name string
		key  string
		w    http.ResponseWriter
	}{
		{"bad key", "x", httptest.NewRecorder()},
		{"no hijacking", key, httptest.NewRecorder()},
		{"broken connection", key, &hijackedWriter{httptest.NewRecorder(), closed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			gate := &countingGate{}
			opts := defaults()
			opts.Gate = gate
			s := serve(t, opts)
			s.engine.ServeHTTP(test.w, request(test.key))
			if gate.admitted.Load() != 1 || gate.released.Load() != 1 {
				t.Errorf("admitted %d, released %d", gate.admitted.Load(), gate.released.Load())
			}
			if n, _ := s.engine.Connections(); n != 0 {
				t.Errorf("%d sessions", n)
			}
			if w, ok := test.w.(*httptest.ResponseRecorder); ok && w.Code != 400 {
				t.Errorf("status %d", w.Code)
			}
		})
	}
}

// Each admission is released once, however its session ends.
func TestReleaseOnce(t *testing.T) {
	gate := &countingGate{}
	opts := defaults()
	opts.Gate = gate
	s := serve(t, opts)
	ends := []func(*client, *receiver){
		func(c *client, _ *receiver) { c.conn.Close() },
		func(c *client, _ *receiver) { c.send("44") },
		func(_ *client, r *receiver) { r.Disconnect() },
		func(c *client, r *receiver) { c.conn.Close(); r.Disconnect() },
		func(c *client, r *receiver) { go c.conn.Close(); r.Disconnect() },
		func(c *client, r *receiver) { go r.Disconnect(); c.send("41") },
		func(c *client, r *receiver) { go r.Emit(make([]byte, 2*testMaxOutbox), nil, nil); c.conn.Close() },
	}
	const each = 20
	var all sync.WaitGroup
	for _, end := range ends {
		for range each {
			c, r := s.join()
			all.Go(func() {
				end(c, r)
				r.waitClosed()
				c.conn.Close()
			})
		}
	}
	all.Wait()
	want := int32(each * len(ends))
	eventually(t, "all released", func() bool { return gate.released.Load() >= want })
	if n, _ := s.engine.Connections(); n != 0 || gate.released.Load() != want || gate.wrong.Load() != 0 {
		t.Errorf("%d sessions, %d released, want %d", n, gate.released.Load(), want)
	}
}

// A write by ServeHTTP itself cannot wait for ServeHTTP to return.
func TestGateDoesNotDeadlock(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	c := newGatedConn(a, 10*time.Millisecond)
	go func() { _, _ = b.Read(make([]byte, 10)) }()
	if _, err := c.Write([]byte("101")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
	c.abort()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write: %v", err)
	}
	if _, err := c.Read(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

// A connection that the library closes with bytes unread is closed so that the
// client still gets what was sent.
func TestLinger(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := newGatedConn(conn, time.Second)
	close(c.opened)
	c.upgraded = true

	unread := make([]byte, 100_000)
	if _, err := peer.Write(unread); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("wrote to a closed connection")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.finish(patience)
	}()
	_ = peer.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(peer); string(b) != "last" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := peer.Write(unread); err != nil {
		t.Errorf("write: %v", err)
	}
	select {
	case <-done:
		t.Error("finished before the client")
	default:
	}
	peer.Close()
	waitFor(t, done, "the end")
}
