//go:build zishang

package zishang

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		children[name]()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m,
		// A heartbeat reply that meets the end of its session makes the library
		// start the session's timer again; it expires after one more interval
		// and does nothing.
		goleak.IgnoreTopFunction("github.com/zishang520/engine.io/v2/utils.SetTimeout.func1"),
	)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

const (
	testMaxPayload = 10_000
	testMaxOutbox  = 1 << 20
)

func defaults() socketio.Options {
	return socketio.Options{
		PingInterval: time.Second,
		PingTimeout:  5 * time.Second,
		MaxPayload:   testMaxPayload,
		MaxOutbox:    testMaxOutbox,
		WebSocket:    true,
	}
}

// A namespace is a Namespace that keeps a record of its sockets.
type namespace struct {
	t       testing.TB
	refuse  func(auth []byte) error
	handle  func(*receiver, *socketio.Event) error
	opened  func(*receiver)
	closed  func(*receiver)
	large   func(*receiver)
	sockets chan *receiver
}

func newNamespace(t testing.TB) *namespace {
	return &namespace{t: t, sockets: make(chan *receiver, 10_000)}
}

func (n *namespace) Connect(s socketio.Socket, auth []byte, answer func(socketio.Receiver, error)) wire.Hold {
	if n.refuse != nil {
		if err := n.refuse(auth); err != nil {
			answer(nil, err)
			return nil
		}
	}
	r := &receiver{ns: n, Socket: s, auth: bytes.Clone(auth), end: make(chan struct{})}
	n.sockets <- r
	answer(r, nil)
	return nil
}

// next is the next socket that connected.
func (n *namespace) next() *receiver {
	n.t.Helper()
	select {
	case r := <-n.sockets:
		return r
	case <-time.After(patience):
		n.t.Fatal("no socket connected")
		return nil
	}
}

// A receiver is a Receiver that keeps a record of its calls. It echoes events
// called "echo", and acknowledges what wants to be.
type receiver struct {
	socketio.Socket
	ns   *namespace
	auth []byte
	busy sync.Mutex
	end  chan struct{}

	mu     sync.Mutex
	calls  []string
	reason string
}

func (r *receiver) call(name string) func() {
	if !r.busy.TryLock() {
		r.ns.t.Errorf("%s called while another call runs", name)
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.calls); n == 0 && name != "opened" || n > 0 && r.calls[n-1] == "closed" {
		r.ns.t.Errorf("%s called after %v", name, r.calls)
	}
	r.calls = append(r.calls, name)
	return r.busy.Unlock
}

func (r *receiver) Opened() {
	defer r.call("opened")()
	if r.ns.opened != nil {
		r.ns.opened(r)
	}
}

func (r *receiver) Event(e *socketio.Event) (wire.Hold, error) {
	defer r.call("event")()
	if r.ns.handle != nil {
		return nil, r.ns.handle(r, e)
	}
	if string(e.Name) == "echo" {
		if err := r.Emit(e.Args, e.Attachments, e.Batch); err != nil {
			return nil, err
		}
	}
	if e.Ack != socketio.NoAck {
		return nil, r.Ack(e.Ack, append([]byte("["), bytes.TrimPrefix(e.Rest, []byte(","))...), e.Attachments, e.Batch)
	}
	return nil, nil
}

func (r *receiver) TooLarge() {
	defer r.call("too large")()
	if r.ns.large != nil {
		r.ns.large(r)
	}
}

func (r *receiver) Limited(*socketio.Event) { defer r.call("limited")() }

func (r *receiver) OverRate() { defer r.call("over rate")() }

func (r *receiver) Closed(reason string) {
	defer r.call("closed")()
	r.mu.Lock()
	r.reason = reason
	r.mu.Unlock()
	close(r.end)
	if r.ns.closed != nil {
		r.ns.closed(r)
	}
}

// waitClosed waits for Closed and returns its reason.
func (r *receiver) waitClosed() string {
	r.ns.t.Helper()
	waitFor(r.ns.t, r.end, "Closed")
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reason
}

func (r *receiver) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.calls, " ")
}

func waitFor(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

// A server is an engine behind an HTTP server, with two namespaces.
type server struct {
	t      testing.TB
	engine *engine
	http   *httptest.Server
	main   *namespace
	other  *namespace
}

// serve starts a server, which must have no session left at the end of the test
// but those that a Shutdown ends.
func serve(t testing.TB, opts socketio.Options, adjust ...func(*engine)) *server {
	t.Helper()
	s := &server{t: t, main: newNamespace(t), other: newNamespace(t)}
	opts.Namespaces = map[string]socketio.Namespace{"/": s.main, "/other": s.other}
	if err := validate(&opts); err != nil {
		t.Fatal(err)
	}
	s.engine = newEngine(opts)
	for _, f := range adjust {
		f(s.engine)
	}
	s.http = httptest.NewServer(s.engine)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.engine.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		s.http.Close()
		if n, _ := s.engine.Connections(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
		for _, name := range []string{"/", "/other"} {
			// The library may not have been through with the last one.
			eventually(t, "the library has let go of its sockets", func() bool {
				return s.engine.client.Of(name, nil).Sockets().Len() == 0
			})
		}
	})
	return s
}

const handshakePath = "/socket.io/?EIO=4&transport=websocket"

func (s *server) addr() string { return s.http.Listener.Addr().String() }

// A client is a Socket.IO client, packet by packet.
type client struct {
	t    testing.TB
	conn *websocket.Conn
}

// dial opens a session.
func (s *server) dial() *client {
	s.t.Helper()
	c := s.dialRaw()
	c.expectPrefix(`0{"maxPayload":`)
	return c
}

func (s *server) dialRaw() *client {
	s.t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial("ws://"+s.addr()+handshakePath, nil)
	if err != nil {
		s.t.Fatalf("dial: %v %v", err, resp)
	}
	s.t.Cleanup(func() { conn.Close() })
	return &client{t: s.t, conn: conn}
}

// join opens a session and connects to the main namespace.
func (s *server) join() (*client, *receiver) {
	s.t.Helper()
	c := s.dial()
	c.send("40")
	c.expectPrefix(`40{"sid":"`)
	return c, s.main.next()
}

func (c *client) send(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		if err := c.conn.WriteMessage(websocket.TextMessage, []byte(p)); err != nil {
			c.t.Fatalf("send %.100q: %v", p, err)
		}
	}
}

func (c *client) sendBinary(attachments ...[]byte) {
	c.t.Helper()
	for _, a := range attachments {
		if err := c.conn.WriteMessage(websocket.BinaryMessage, a); err != nil {
			c.t.Fatalf("send: %v", err)
		}
	}
}

// read returns the next packet that is no ping; it answers pings.
func (c *client) read() (kind int, p []byte, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		kind, p, err = c.conn.ReadMessage()
		if err != nil || kind != websocket.TextMessage || string(p) != "2" {
			return kind, p, err
		}
		_ = c.conn.WriteMessage(websocket.TextMessage, []byte("3"))
	}
}

func (c *client) expectPrefix(prefix string) string {
	c.t.Helper()
	kind, p, err := c.read()
	if err != nil {
		c.t.Fatalf("read: %v, want %q", err, prefix)
	}
	if kind != websocket.TextMessage || !strings.HasPrefix(string(p), prefix) {
		c.t.Fatalf("read %.200q, want %q", p, prefix)
	}
	return string(p)
}

func (c *client) expect(packets ...string) {
	c.t.Helper()
	for _, want := range packets {
		if got := c.expectPrefix(""); got != want {
			c.t.Fatalf("read %.200q, want %.200q", got, want)
		}
	}
}

func (c *client) expectBinary(attachments ...[]byte) {
	c.t.Helper()
	for _, want := range attachments {
		kind, p, err := c.read()
		if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(p, want) {
			c.t.Fatalf("read %d %.100q %v, want %.100q", kind, p, err, want)
		}
	}
}

// expectClose reads up to the end of the connection, and checks its code.
func (c *client) expectClose(code int) {
	c.t.Helper()
	_, p, err := c.read()
	if err == nil {
		c.t.Fatalf("read %.200q, want the end", p)
	}
	if code != 0 && !websocket.IsCloseError(err, code) {
		c.t.Fatalf("end: %v, want code %d", err, code)
	}
	c.conn.Close()
}

// A rawClient writes and reads what it likes.
type rawClient struct {
	t testing.TB
	net.Conn
}

func (s *server) dialTCP() *rawClient {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return &rawClient{s.t, conn}
}

const upgradeRequest = "GET " + handshakePath + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// frame is a client's text frame, masked with zeros.
func frame(payload string) string {
	if len(payload) > 125 {
		panic("too long")
	}
	return string([]byte{0x81, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
}

// get asks the engine by plain HTTP, and returns status and body.
func (s *server) get(method, query string, header http.Header) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.http.URL+"/socket.io/?"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	return resp, body.String()
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
