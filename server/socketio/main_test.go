package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// loops read the WebSockets over loopback.
var loops wire.Loops

// A suite closes the loops when the tests are done.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer loops.Close()
	return s.M.Run()
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

const (
	testMaxPayload = 10_000
	testMaxOutbox  = 1 << 20
)

func defaults() Options {
	return Options{
		PingInterval:   25 * time.Second,
		PingTimeout:    20 * time.Second,
		ConnectTimeout: time.Minute,
		MaxPayload:     testMaxPayload,
		MaxOutbox:      testMaxOutbox,
		Loops:          &loops,
		WebSocket:      true,
		Polling:        true,
	}
}

// A network is where a test's server listens.
type network interface {
	// patience is how long to wait for an answer.
	patience() time.Duration
	listen(t testing.TB) net.Listener
	dial(ctx context.Context, l net.Listener) (net.Conn, error)
}

// loopback is real TCP.
type loopback struct{}

func (loopback) patience() time.Duration { return patience }

func (loopback) listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (loopback) dial(ctx context.Context, l net.Listener) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
}

// pipes connect within the process, so that a synctest bubble's clock runs.
type pipes struct{}

// patience has no bound: the bubble tells when everybody waits.
func (pipes) patience() time.Duration { return 1000 * time.Hour }

func (pipes) listen(testing.TB) net.Listener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (pipes) dial(ctx context.Context, l net.Listener) (net.Conn, error) {
	p := l.(*pipeListener)
	server, client := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// A site is an engine that is served, and its clients.
type site struct {
	t        testing.TB
	network  network
	listener net.Listener
	client   *http.Client
	waiting  chan struct{} // a poll waits
}

// serve serves an engine until the end of the test. end is called first then.
func serve(t testing.TB, n network, h http.Handler, end func()) *site {
	t.Helper()
	s := &site{t: t, network: n, listener: n.listen(t), waiting: make(chan struct{}, 10_000)}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return n.dial(ctx, s.listener) }
	s.client = &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 100}, Timeout: n.patience()}
	var conns sync.WaitGroup
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r.WithContext(watched{r.Context(), s.waiting}))
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateHijacked, http.StateClosed:
				conns.Done()
			}
		},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(s.listener)
	}()
	t.Cleanup(func() {
		end()
		s.client.CloseIdleConnections()
		srv.Close()
		<-served
		conns.Wait() // net/http does not
	})
	return s
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

// cutNow is a context to shut down with that lets nobody finish.
func cutNow() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// inTime is a context to shut down with that must not end before that is done.
func inTime(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// A gateSpy is a Gate that admits whom it likes, and checks the releases.
type gateSpy struct {
	t       testing.TB
	refusal *Refusal
	timeout time.Duration // ConnectTimeout of the admissions

	mu       sync.Mutex
	admitted int
	out      map[int]bool // admitted and not released
}

func newGate(t testing.TB) *gateSpy { return &gateSpy{t: t, out: make(map[int]bool)} }

func (g *gateSpy) Admit(r *http.Request, transport string) (Admission, *Refusal) {
	if got := r.URL.Query().Get("transport"); got != transport {
		g.t.Errorf("Admit is told %s, the request says %s", transport, got)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != nil {
		return Admission{}, g.refusal
	}
	g.admitted++
	g.out[g.admitted] = true
	return Admission{Info: g.admitted, ConnectTimeout: g.timeout}, nil
}

func (g *gateSpy) Release(a Admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := a.Info.(int)
	if !g.out[id] {
		g.t.Errorf("admission %d released, which is not out", id)
	}
	delete(g.out, id)
}

// balanced expects every admission to have been released.
func (g *gateSpy) balanced() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.out) > 0 {
		g.t.Errorf("%d of %d admissions are not released: %v", len(g.out), g.admitted, g.out)
	}
}

// within waits, for at most patience, until ok. It is for what nothing tells.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

// A turns checks that calls come one at a time, and none after the last.
type turns struct {
	t    testing.TB
	busy atomic.Bool
	over atomic.Bool
}

// take begins a call; the caller must call the result at its end.
func (c *turns) take(name string) func() {
	if c.busy.Swap(true) {
		c.t.Errorf("%s while another call runs", name)
	}
	if c.over.Load() {
		c.t.Errorf("%s after Closed", name)
	}
	return func() { c.busy.Store(false) }
}

// A bareSite is a bare Engine.IO server.
type bareSite struct {
	*site
	*EngineIO
	gate     *gateSpy
	sessions chan *bareSession

	mu  sync.Mutex
	all []*bareSession
}

// bare serves an EngineIO whose sessions handle nothing by themselves.
func bare(t testing.TB, n network, change func(*Options), handle func(*bareSession, string) error) *bareSite {
	t.Helper()
	opts := defaults()
	b := &bareSite{gate: newGate(t), sessions: make(chan *bareSession, 10_000)}
	opts.Gate = b.gate
	if change != nil {
		change(&opts)
	}
	b.EngineIO = NewEngineIO(opts, func(s *Session) MessageHandler {
		m := &bareSession{Session: s, turns: turns{t: t}, handle: handle, got: make(chan string, 100_000), large: make(chan struct{}, 10), end: make(chan string, 10)}
		b.mu.Lock()
		b.all = append(b.all, m)
		b.mu.Unlock()
		b.sessions <- m
		return m
	})
	b.site = serve(t, n, b.EngineIO, func() {
		_ = b.EngineIO.Shutdown(cutNow())
		b.gate.balanced()
		b.mu.Lock()
		defer b.mu.Unlock()
		for i, m := range b.all {
			if !m.over.Load() {
				t.Errorf("session %d was not told of its end", i)
			}
		}
	})
	return b
}

// A bareSession is a MessageHandler that keeps a record of its calls.
type bareSession struct {
	*Session
	turns
	handle func(*bareSession, string) error // may be nil
	got    chan string
	large  chan struct{}
	end    chan string
}

func (m *bareSession) Message(p []byte, binary bool, batch *wire.Batch) error {
	defer m.take("Message")()
	message := string(p)
	if binary {
		message = "b:" + message
	}
	m.got <- message
	if m.handle != nil {
		return m.handle(m, message)
	}
	return nil
}

func (m *bareSession) TooLarge() {
	defer m.take("TooLarge")()
	m.large <- struct{}{}
}

func (m *bareSession) Closed(reason string) {
	defer m.take("Closed")()
	m.over.Store(true)
	m.end <- reason
}

// text sends a text message.
func (m *bareSession) text(s string) error {
	return m.Send(nil, wire.Message{Prefix: []byte(MessagePrefix), Payload: []byte(s)})
}

func receive[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	return v
}

// next is the session that was opened next.
func (b *bareSite) next() *bareSession { b.t.Helper(); return receive(b.t, "session", b.sessions) }

// polled opens a session over long-polling.
func (b *bareSite) polled() (*poller, *bareSession) {
	b.t.Helper()
	p := b.poll()
	return p, b.next()
}

// upgraded waits until a session is on its WebSocket.
func (b *bareSite) upgraded(m *bareSession) {
	b.t.Helper()
	within(b.t, "the upgrade", func() bool { return m.conn.Load() != nil })
}

// dialled opens a session over WebSocket.
func (b *bareSite) dialled() (*socketClient, *bareSession) {
	b.t.Helper()
	c := b.websocket()
	return c, b.next()
}

// A socketSite is a Socket.IO server.
type socketSite struct {
	*site
	*Server
	gate *gateSpy
	room *room
}

// sockets serves a Server with the namespaces / and /other.
func sockets(t testing.TB, n network, change func(*Options)) *socketSite {
	t.Helper()
	opts := defaults()
	s := &socketSite{gate: newGate(t), room: &room{t: t, sockets: make(chan *member, 10_000)}}
	opts.Gate = s.gate
	opts.Namespaces = map[string]Namespace{"/": s.room, "/other": s.room}
	if change != nil {
		change(&opts)
	}
	s.Server = New(opts)
	s.site = serve(t, n, s.Server, func() {
		_ = s.Server.Shutdown(cutNow())
		s.gate.balanced()
		s.room.empty()
		s.Server.mu.Lock()
		defer s.Server.mu.Unlock()
		if n := len(s.Server.sockets); n > 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
	return s
}

// A room is a Namespace that keeps a record of its sockets.
type room struct {
	t       testing.TB
	connect func(m *member, auth []byte) error // these may be nil
	opened  func(m *member)
	event   func(m *member, e *Event) error
	large   func(m *member)
	sockets chan *member

	mu  sync.Mutex
	all []*member
}

func (r *room) Connect(s Socket, auth []byte) (Receiver, error) {
	m := &member{Socket: s, room: r, turns: turns{t: r.t}, events: make(chan string, 100_000), large: make(chan struct{}, 10), end: make(chan string, 10)}
	if r.connect != nil {
		if err := r.connect(m, auth); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.all = append(r.all, m)
	r.mu.Unlock()
	r.sockets <- m
	return m, nil
}

// empty expects every socket to have been told of its end.
func (r *room) empty() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, m := range r.all {
		if !m.over.Load() {
			r.t.Errorf("socket %d was not told of its end", i)
		}
	}
}

// A member is a Receiver that keeps a record of its calls.
type member struct {
	Socket
	turns
	room   *room
	isOpen bool
	events chan string
	large  chan struct{}
	end    chan string
}

func (m *member) Opened() {
	defer m.take("Opened")()
	m.isOpen = true
	if m.room.opened != nil {
		m.room.opened(m)
	}
}

func (m *member) Event(e *Event) error {
	defer m.take("Event")()
	if !m.isOpen {
		m.t.Error("Event before Opened")
	}
	record := string(e.Args)
	for _, a := range e.Attachments {
		record += " b:" + string(a)
	}
	if e.Ack != NoAck {
		record = fmt.Sprint(e.Ack, " ", record)
	}
	m.events <- record
	if m.room.event != nil {
		return m.room.event(m, e)
	}
	return nil
}

func (m *member) TooLarge() {
	defer m.take("TooLarge")()
	m.large <- struct{}{}
	if m.room.large != nil {
		m.room.large(m)
	}
}

func (m *member) Closed(reason string) {
	defer m.take("Closed")()
	m.over.Store(true)
	m.end <- reason
}

func (m *member) emit(args string) error { return m.Emit([]byte(args), nil, nil) }

// next is the socket that connected next.
func (s *socketSite) next() *member { s.t.Helper(); return receive(s.t, "socket", s.room.sockets) }

// ended waits for a reason to close.
func ended(t testing.TB, end <-chan string, want string) {
	t.Helper()
	if got := receive(t, "end", end); got != want {
		t.Errorf("closed by %q, want %q", got, want)
	}
}

// An answer is one to an HTTP request.
type answer struct {
	status int
	body   string
	header http.Header
}

func (s *site) request(ctx context.Context, method, query, body string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://server/?EIO=4&"+query, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	response, err := s.client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(b), response.Header}, err
}

// do makes a request that is answered.
func (s *site) do(method, query, body string) answer {
	s.t.Helper()
	a, err := s.request(context.Background(), method, query, body)
	if err != nil {
		s.t.Fatalf("%s: %v", method, err)
	}
	return a
}

// raw sends the text of a request on a connection of its own.
func (s *site) raw(request string) net.Conn {
	s.t.Helper()
	nc, err := s.network.dial(context.Background(), s.listener)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(s.network.patience()))
	if _, err := io.WriteString(nc, request); err != nil {
		s.t.Fatal(err)
	}
	return nc
}

func sessionID(t testing.TB, packet string) string {
	t.Helper()
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packet, "0")), &open); err != nil || open.SID == "" {
		t.Fatalf("%q is no open packet", packet)
	}
	return open.SID
}

// A poller is a long-polling client.
type poller struct {
	*site
	query string
	got   []string // packets that were polled and not asked for yet
}

func (s *site) poll() *poller {
	s.t.Helper()
	a := s.do("GET", "transport=polling", "")
	if a.status != http.StatusOK {
		s.t.Fatalf("handshake: %d %q", a.status, a.body)
	}
	return &poller{site: s, query: "transport=polling&sid=" + sessionID(s.t, a.body)}
}

func (p *poller) get() answer                { p.t.Helper(); return p.do("GET", p.query, "") }
func (p *poller) post(payload string) answer { p.t.Helper(); return p.do("POST", p.query, payload) }

// send sends a payload that is taken.
func (p *poller) send(payload string) {
	p.t.Helper()
	if a := p.post(payload); a.status != http.StatusOK || a.body != "ok" {
		p.t.Fatalf("POST %.60q: %d %q", payload, a.status, a.body)
	}
}

// later polls in the background.
func (p *poller) later() <-chan answer {
	got := make(chan answer, 1)
	go func() {
		a, err := p.request(context.Background(), "GET", p.query, "")
		if err != nil {
			p.t.Errorf("poll: %v", err)
		}
		got <- a
	}()
	return got
}

// waits is later that returns once the poll waits.
func (p *poller) waits() <-chan answer {
	for len(p.waiting) > 0 {
		<-p.waiting
	}
	got := p.later()
	<-p.waiting
	return got
}

// next is the next packet.
func (p *poller) next() string {
	p.t.Helper()
	if len(p.got) == 0 {
		a := p.get()
		if a.status != http.StatusOK {
			p.t.Fatalf("poll: %d %q", a.status, a.body)
		}
		p.got = strings.Split(a.body, "\x1e")
	}
	packet := p.got[0]
	p.got = p.got[1:]
	return packet
}

func (p *poller) expect(packets ...string) {
	p.t.Helper()
	for _, want := range packets {
		if got := p.next(); got != want {
			p.t.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

// isGone expects the session to be unknown.
func (p *poller) isGone() {
	p.t.Helper()
	if a := p.get(); a.status != http.StatusBadRequest {
		p.t.Errorf("poll of a closed session: %d %q", a.status, a.body)
	}
}

// A socketClient is a WebSocket client.
type socketClient struct {
	*websocket.Conn
	site    *site
	writing *sync.Mutex
}

func (s *site) tryDial(query string) (*socketClient, error) {
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return s.network.dial(ctx, s.listener)
	}}
	c, _, err := d.Dial("ws://server/?EIO=4&transport=websocket&"+query, nil)
	if err != nil {
		return nil, err
	}
	return &socketClient{c, s, new(sync.Mutex)}, nil
}

func (s *site) dialQuery(query string) *socketClient {
	s.t.Helper()
	c, err := s.tryDial(query)
	if err != nil {
		s.t.Fatalf("dial: %v", err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// websocket opens a session over WebSocket.
func (s *site) websocket() *socketClient {
	s.t.Helper()
	c := s.dialQuery("")
	sessionID(s.t, c.next())
	return c
}

// probe connects a WebSocket that may take p's session over.
func (p *poller) probe() *socketClient {
	p.t.Helper()
	return p.dialQuery(strings.TrimPrefix(p.query, "transport=polling&"))
}

// upgrade moves p's session to a WebSocket.
func (p *poller) upgrade() *socketClient {
	p.t.Helper()
	c := p.probe()
	c.send("2probe")
	c.expect("3probe")
	c.send("5")
	return c
}

func (c *socketClient) send(packets ...string) {
	c.site.t.Helper()
	for _, p := range packets {
		if err := c.trySend(p); err != nil {
			c.site.t.Fatalf("send %.60q: %v", p, err)
		}
	}
}

// trySend sends a message, which is binary if it begins with "b:".
func (c *socketClient) trySend(message string) error {
	kind := websocket.TextMessage
	b, ok := strings.CutPrefix(message, "b:")
	if ok {
		kind = websocket.BinaryMessage
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.WriteMessage(kind, []byte(b))
}

// read returns the next message; binary ones begin with "b:".
func (c *socketClient) read() (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(c.site.network.patience()))
	kind, b, err := c.ReadMessage()
	if kind == websocket.BinaryMessage {
		b = append([]byte("b:"), b...)
	}
	return string(bytes.Clone(b)), err
}

func (c *socketClient) next() string {
	c.site.t.Helper()
	m, err := c.read()
	if err != nil {
		c.site.t.Fatalf("read: %v", err)
	}
	return m
}

func (c *socketClient) expect(messages ...string) {
	c.site.t.Helper()
	for _, want := range messages {
		if got := c.next(); got != want {
			c.site.t.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

// closed expects the server to close the connection with a code.
func (c *socketClient) closed(want int) {
	c.site.t.Helper()
	m, err := c.read()
	var end *websocket.CloseError
	if !errors.As(err, &end) || end.Code != want {
		c.site.t.Fatalf("got %.80q, %v, want close %d", m, err, want)
	}
}

// connected connects a socket to a namespace over WebSocket.
func (s *socketSite) connected() (*socketClient, *member) {
	s.t.Helper()
	c := s.websocket()
	c.send("40")
	m := s.next()
	c.expect(`40{"sid":"` + m.ID() + `"}`)
	return c, m
}

// connectedPolling is connected over long-polling.
func (s *socketSite) connectedPolling() (*poller, *member) {
	s.t.Helper()
	p := s.poll()
	p.send("40")
	m := s.next()
	p.expect(`40{"sid":"` + m.ID() + `"}`)
	return p, m
}
