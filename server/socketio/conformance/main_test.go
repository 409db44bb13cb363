package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/socketio"
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
	t       *testing.T
	handler *handler
	addr    string
	path    string
	client  *http.Client
	waiting chan struct{} // a poll waits
}

// A watched context tells when somebody begins to wait for its end, as a poll
// does that has nothing to fetch.
type watched struct {
	context.Context
	waiting chan struct{}
}

func (w watched) Done() <-chan struct{} {
	select {
	case w.waiting <- struct{}{}:
	default:
	}
	return w.Context.Done()
}

// drain forgets the polls that waited.
func (s *suite) drain() {
	for len(s.waiting) > 0 {
		<-s.waiting
	}
}

// engineIO and socketIO have a heartbeat that no test sees, however slow the
// machine is.
func engineIO(t *testing.T) *suite { return newSuite(t, "/engine.io/", unhurried()) }
func socketIO(t *testing.T) *suite { return newSuite(t, "/socket.io/", unhurried()) }

func unhurried() socketio.Options {
	opts := options()
	opts.PingInterval = time.Hour
	return opts
}

func newSuite(t *testing.T, path string, opts socketio.Options) *suite {
	h := newHandler(opts)
	waiting := make(chan struct{}, 1000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(watched{r.Context(), waiting}))
	}))
	s := &suite{
		t: t, handler: h, path: path,
		addr:    srv.Listener.Addr().String(),
		client:  &http.Client{Transport: &http.Transport{}, Timeout: patience},
		waiting: waiting,
	}
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.shutdown(now) // it cuts who is left
		s.client.CloseIdleConnections()
		srv.Close()
	})
	return s
}

// An answer is one to an HTTP request.
type answer struct {
	status int
	header http.Header
	body   string
}

// request makes a request with a query.
func (s *suite) request(method, query, body string, header ...string) answer {
	s.t.Helper()
	a, err := s.try(context.Background(), method, query, body, header...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, query, err)
	}
	return a
}

func (s *suite) try(ctx context.Context, method, query, body string, header ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+s.path+"?"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(b)}, err
}

// gone waits until no session is left.
func (s *suite) gone() {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w1, p1 := s.handler.engineIO.Connections()
		w2, p2 := s.handler.socketIO.Connections()
		if w1+p1+w2+p2 == 0 {
			return
		}
		if time.Now().After(end) {
			s.t.Fatal("the session goes on")
		}
	}
}

// open is the content of an open packet.
type open struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

func parseOpen(t *testing.T, packet string) (o open) {
	t.Helper()
	if !strings.HasPrefix(packet, "0") {
		t.Fatalf("%q is no open packet", packet)
	}
	d := json.NewDecoder(strings.NewReader(packet[1:]))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		t.Fatalf("open packet %q: %v", packet, err)
	}
	return o
}

// A polling client.
type polling struct {
	*suite
	sid   string
	query string
	got   []string // packets that were polled and not asked for yet
}

func (s *suite) poll() *polling {
	s.t.Helper()
	a := s.request("GET", "EIO=4&transport=polling", "")
	if a.status != http.StatusOK {
		s.t.Fatalf("handshake: %d %q", a.status, a.body)
	}
	sid := parseOpen(s.t, a.body).SID
	return &polling{suite: s, sid: sid, query: "EIO=4&transport=polling&sid=" + url.QueryEscape(sid)}
}

func (p *polling) get() answer { p.t.Helper(); return p.request("GET", p.query, "") }

// later polls in the background.
func (p *polling) later() <-chan answer {
	got := make(chan answer, 1)
	go func() {
		a, err := p.try(context.Background(), "GET", p.query, "")
		if err != nil {
			p.t.Errorf("poll: %v", err)
		}
		got <- a
	}()
	return got
}

// waits is later that returns once the poll waits.
func (p *polling) waits() <-chan answer {
	p.drain()
	got := p.later()
	<-p.waiting
	return got
}

// next is the next packet that is no ping; pings are answered.
func (p *polling) next() string {
	p.t.Helper()
	for {
		for len(p.got) > 0 {
			packet := p.got[0]
			p.got = p.got[1:]
			if packet != "2" {
				return packet
			}
			p.post("3")
		}
		a := p.get()
		if a.status != http.StatusOK {
			p.t.Fatalf("poll: %d %q", a.status, a.body)
		}
		p.got = strings.Split(a.body, "\x1e")
	}
}

// post sends a payload that is taken.
func (p *polling) post(payload string) {
	p.t.Helper()
	if a := p.request("POST", p.query, payload); a.status != http.StatusOK || a.body != "ok" {
		p.t.Fatalf("POST %.60q: %d %q", payload, a.status, a.body)
	}
}

// refused sends a payload that is not taken.
func (p *polling) refused(payload string) {
	p.t.Helper()
	if a := p.request("POST", p.query, payload); a.status != http.StatusBadRequest {
		p.t.Fatalf("POST %.60q: %d %q, want 400", payload, a.status, a.body)
	}
}

// isGone expects the session to have ended, told or not.
func (p *polling) isGone() {
	p.t.Helper()
	a := p.get()
	if a.status == http.StatusOK && a.body == "1" {
		a = p.get()
	}
	if a.status != http.StatusBadRequest {
		p.t.Fatalf("poll of a closed session: %d %q, want 400", a.status, a.body)
	}
}

// A socket is a WebSocket client.
type socket struct {
	*websocket.Conn
	t *testing.T
}

func (s *suite) dial(query string) *socket {
	s.t.Helper()
	c, response, err := websocket.DefaultDialer.Dial("ws://"+s.addr+s.path+"?"+query, nil)
	if err != nil {
		if response != nil {
			s.t.Fatalf("dial %s: %v, %s", query, err, response.Status)
		}
		s.t.Fatalf("dial %s: %v", query, err)
	}
	s.t.Cleanup(func() { c.Close() })
	return &socket{c, s.t}
}

// websocket opens a session over WebSocket.
func (s *suite) websocket() *socket {
	s.t.Helper()
	c := s.dial("EIO=4&transport=websocket")
	parseOpen(s.t, c.next())
	return c
}

func (c *socket) send(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		if err := c.WriteMessage(websocket.TextMessage, []byte(p)); err != nil {
			c.t.Fatalf("send %.60q: %v", p, err)
		}
	}
}

func (c *socket) sendBinary(b string) {
	c.t.Helper()
	if err := c.WriteMessage(websocket.BinaryMessage, []byte(b)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// read returns the next message, pings included; binary ones begin with "b:".
func (c *socket) read() (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	kind, b, err := c.ReadMessage()
	if kind == websocket.BinaryMessage {
		return "b:" + string(b), err
	}
	return string(b), err
}

// next is the next message that is no ping; pings are answered.
func (c *socket) next() string {
	c.t.Helper()
	for {
		m, err := c.read()
		if err != nil {
			c.t.Fatalf("read: %v", err)
		}
		if m != "2" {
			return m
		}
		c.send("3")
	}
}

func (c *socket) expect(messages ...string) {
	c.t.Helper()
	for _, want := range messages {
		if got := c.next(); got != want {
			c.t.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

// closed expects the server to close the connection, with nothing but pings
// before, which are answered, and returns the code.
func (c *socket) closed() int {
	c.t.Helper()
	for {
		m, err := c.read()
		var end *websocket.CloseError
		switch {
		case errors.As(err, &end):
			return end.Code
		case err != nil:
			c.t.Fatalf("the connection is not closed: %v", err)
		case m != "2":
			c.t.Fatalf("got %.80q, want the end", m)
		}
		_ = c.WriteMessage(websocket.TextMessage, []byte("3"))
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
	client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer client.CloseIdleConnections()
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
	s := &suite{t: t, addr: addr, client: client, path: "/engine.io/"}
	bare := s.websocket()
	s.path = "/socket.io/"
	ws, p := s.websocket(), s.poll()
	ws.send("40")
	p.post("40")
	ws.next()
	ws.expect(`42["auth",{}]`)
	p.next()
	p.next()

	stop()
	if code := bare.closed(); code != websocket.CloseGoingAway {
		t.Errorf("the bare WebSocket: closed with %d", code)
	}
	ws.expect("41")
	if code := ws.closed(); code != websocket.CloseGoingAway {
		t.Errorf("the WebSocket: closed with %d", code)
	}
	if got := p.next(); got != "41" {
		t.Errorf("the poll: got %q", got)
	}
	if got := p.next(); got != "1" {
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

// rawRequest is the text of a request whose body is written by the caller.
func (s *suite) rawRequest(method, query string, length int, header string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(nc, "%s %s?%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n%s\r\n", method, s.path, query, s.addr, length, header)
	return nc, bufio.NewReader(nc)
}
