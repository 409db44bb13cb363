package wire

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// loops are those of all tests.
var loops Loops

// A suite closes the loops when the tests are done.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer loops.Close()
	return s.M.Run()
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// A network is how a connection is read and written.
type network struct {
	connect func(t testing.TB) (server, client net.Conn)
	loops   *Loops
	tls     *tls.Config // of ListenTLS; nil: none
}

var (
	// tcp has a goroutine read each connection.
	tcp = network{connect: dialTCP}
	// epoll has the event loops read them.
	epoll = network{connect: dialTCP, loops: &loops}
	// pipe is not a socket.
	pipe = network{connect: dialPipe, loops: &loops}
	// sealedTCP is tcp with TLS, and sealedEpoll epoll with it.
	sealedTCP   = network{connect: dialTCP, tls: tlsConfig}
	sealedEpoll = network{connect: dialTCP, loops: &loops, tls: tlsConfig}
)

var networks = map[string]network{"tcp": tcp, "loop": epoll, "pipe": pipe, "tls": sealedEpoll}

func (n network) dial(t testing.TB) (server, client net.Conn) {
	t.Helper()
	server, client = n.connect(t)
	return n.secured(t, server, client)
}

// secured puts TLS on both ends, where the network has it.
func (n network) secured(t testing.TB, server, client net.Conn) (net.Conn, net.Conn) {
	t.Helper()
	if n.tls == nil {
		return server, client
	}
	s, c := secure(server, n.tls), tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// tlsConfig has a certificate that nobody checks.
var tlsConfig = func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	return ListenTLS(nil, config).(*tlsListener).config
}()

// tcpBelow is the TCP connection of either end; nil where there is none.
func tcpBelow(nc net.Conn) *net.TCPConn {
	switch c := nc.(type) {
	case *net.TCPConn:
		return c
	case *beneath:
		return tcpBelow(c.Conn)
	case interface{ NetConn() net.Conn }:
		return tcpBelow(c.NetConn())
	}
	return nil
}

// narrow has the kernel take little, where there is one below.
func narrow(server, client net.Conn) {
	if tcp := tcpBelow(server); tcp != nil {
		_ = tcp.SetWriteBuffer(16 << 10)
		_ = tcpBelow(client).SetReadBuffer(64 << 10)
	}
}

func dialTCP(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func dialPipe(testing.TB) (server, client net.Conn) { return net.Pipe() }

// onNetworks runs a test on each kind of network.
func onNetworks(t *testing.T, f func(t *testing.T, n network)) {
	for name, n := range networks {
		t.Run(name, func(t *testing.T) { f(t, n) })
	}
}

// onSockets runs a test on those that are sockets.
func onSockets(t *testing.T, f func(t *testing.T, n network)) {
	for name, n := range networks {
		if name != "pipe" {
			t.Run(name, func(t *testing.T) { f(t, n) })
		}
	}
}

func limits() *Config {
	return &Config{MaxMessage: 100_000, MaxOutbox: 1 << 20}
}

// A link is a connection under test and the peer's end of it.
type link struct {
	*Conn
	*peer
	*recorder
	served chan struct{} // closed when the connection has ended
	filled int           // how many messages fill has sent
}

// connect upgrades a connection over n and has it read.
func connect(t testing.TB, cfg *Config, n network) *link {
	t.Helper()
	return connectTo(t, cfg, n, newRecorder(t))
}

// connectTo is connect with a recorder that exists.
func connectTo(t testing.TB, cfg *Config, n network, r *recorder) *link {
	t.Helper()
	server, client := n.dial(t)
	return start(t, cfg, n, server, client, r)
}

// start is connectTo over a network connection that exists.
func start(t testing.TB, cfg *Config, n network, server, client net.Conn, r *recorder) *link {
	t.Helper()
	cfg.Loops = n.loops
	c, p := upgrade(t, cfg, server, client)
	l := &link{Conn: c, peer: p, recorder: r, served: make(chan struct{})}
	c.Start(r, func() { close(l.served) })
	t.Cleanup(func() {
		client.Close()
		c.Cut()
		l.waitServed()
	})
	return l
}

func (l *link) waitServed() {
	l.t.Helper()
	select {
	case <-l.served:
	case <-time.After(patience):
		l.t.Fatal("the connection does not end")
	}
}

// A hijacker is the ResponseWriter of a request on nc.
type hijacker struct {
	http.ResponseWriter
	nc     net.Conn
	r      *bufio.Reader // on nc; nil: one that has read nothing
	header http.Header
}

func (h hijacker) Header() http.Header { return h.header }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r := h.r
	if r == nil {
		r = bufio.NewReader(h.nc)
	}
	return h.nc, bufio.NewReadWriter(r, bufio.NewWriter(h.nc)), nil
}

func handshake() *http.Request {
	r, err := http.NewRequest(http.MethodGet, "http://signal.example.com/", nil)
	if err != nil {
		panic(err) // it is constant
	}
	r.Header = http.Header{
		"Connection":            {"Upgrade"},
		"Upgrade":               {"websocket"},
		"Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}

// upgrade makes a connection that the caller serves.
func upgrade(t testing.TB, cfg *Config, server, client net.Conn) (*Conn, *peer) {
	t.Helper()
	return upgradeBy(t, cfg, hijacker{nc: server}, client)
}

func upgradeBy(t testing.TB, cfg *Config, h hijacker, client net.Conn) (*Conn, *peer) {
	t.Helper()
	h.header = http.Header{}
	var (
		c    *Conn
		err  error
		done = make(chan struct{})
	)
	go func() {
		defer close(done)
		if c, err = Upgrade(h, handshake(), cfg, nil); err == nil {
			c.writer.waitWritten()
			c.writer.wait()
		}
	}()
	p := &peer{t: t, nc: client, r: bufio.NewReader(client)}
	p.patient()
	answer, rerr := http.ReadResponse(p.r, nil)
	<-done
	switch {
	case err != nil:
		t.Fatal(err)
	case rerr != nil:
		t.Fatal(rerr)
	case answer.StatusCode != http.StatusSwitchingProtocols:
		t.Fatalf("handshake answered with %s", answer.Status)
	}
	return c, p
}

// A peer is the client's end of a connection.
type peer struct {
	t  testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func (p *peer) patient() { _ = p.nc.SetDeadline(time.Now().Add(patience)) }

// frame is a frame as a client sends it: masked.
func frame(fin bool, op ws.OpCode, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
}

func text(s string) []byte { return frame(true, ws.OpText, s) }

// closeFrame is a masked Close frame with a body.
func closeFrame(code uint16, reason string) []byte {
	return frame(true, ws.OpClose, string(ws.NewCloseFrameBody(ws.StatusCode(code), reason)))
}

func (p *peer) write(frames ...[]byte) {
	p.t.Helper()
	p.patient()
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	if _, err := p.nc.Write(all); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// next reads a frame.
func (p *peer) next() (ws.Frame, error) {
	p.patient()
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return ws.Frame{}, err
	}
	if h.Masked || h.Rsv != 0 || !h.Fin || h.Length > 1<<20 {
		return ws.Frame{}, fmt.Errorf("bad frame header %+v", h)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(p.r, f.Payload)
	return f, err
}

func (p *peer) expect(op ws.OpCode, payload string) {
	p.t.Helper()
	f, err := p.next()
	if err != nil {
		p.t.Fatalf("no frame where %.60q was expected: %v", payload, err)
	}
	if f.Header.OpCode != op || string(f.Payload) != payload {
		p.t.Fatalf("got %v %.60q, want %v %.60q", f.Header.OpCode, f.Payload, op, payload)
	}
}

func (p *peer) expectText(payload string) {
	p.t.Helper()
	p.expect(ws.OpText, payload)
}

func (p *peer) expectClose(code uint16, reason string) {
	p.t.Helper()
	f, err := p.next()
	if err != nil {
		p.t.Fatalf("no frame where close %d was expected: %v", code, err)
	}
	if f.Header.OpCode != ws.OpClose {
		p.t.Fatalf("got %v %.60q, want close %d", f.Header.OpCode, f.Payload, code)
	}
	got, why := ws.ParseCloseFrameData(f.Payload)
	if uint16(got) != code || why != reason {
		p.t.Fatalf("closed with %d %q, want %d %q", got, why, code, reason)
	}
}

// expectEOF expects the network connection to be closed in good order.
func (p *peer) expectEOF() {
	p.t.Helper()
	p.patient()
	if b, err := p.r.ReadByte(); err != io.EOF {
		p.t.Fatalf("read %#x, %v, want EOF", b, err)
	}
}

// expectCut expects the network connection to be closed, whatever is read from
// it before.
func (p *peer) expectCut() {
	p.t.Helper()
	p.patient()
	var late net.Error
	if _, err := io.Copy(io.Discard, p.r); errors.As(err, &late) && late.Timeout() {
		p.t.Fatal("the connection is not cut")
	}
}

// A recorder is a Handler that keeps a record of its calls.
type recorder struct {
	tb      testing.TB
	message func(payload []byte, binary bool) error // may be nil, as the others
	hold    func(payload []byte) Hold
	pong    func()
	large   func()
	closed  func()

	calls chan string
	end   chan error // what Closed was told
	busy  atomic.Bool
	over  bool
}

func newRecorder(t testing.TB) *recorder {
	return &recorder{tb: t, calls: make(chan string, 10_000), end: make(chan error, 1)}
}

// call notes a call; the caller must call the result at its end.
func (r *recorder) call(name string) func() {
	if r.busy.Swap(true) {
		r.tb.Errorf("%s: another call runs", name)
	}
	if r.over {
		r.tb.Errorf("%s: after Closed", name)
	}
	select {
	case r.calls <- name:
	default:
		r.tb.Errorf("%s: too many calls", name)
	}
	return func() { r.busy.Store(false) }
}

func (r *recorder) Message(payload []byte, binary bool) (Hold, error) {
	kind := "text "
	if binary {
		kind = "binary "
	}
	defer r.call(kind + string(payload))()
	defer clear(payload) // it is ours during the call
	if r.message != nil {
		return nil, r.message(payload, binary)
	}
	if r.hold != nil {
		return r.hold(payload), nil
	}
	return nil, nil
}

func (r *recorder) Pong() {
	defer r.call("pong")()
	if r.pong != nil {
		r.pong()
	}
}

func (r *recorder) TooLarge() {
	defer r.call("too large")()
	if r.large != nil {
		r.large()
	}
}

func (r *recorder) OverRate() { defer r.call("over rate")() }

func (r *recorder) Closed(err error) {
	defer r.call("closed")()
	r.over = true
	r.end <- err
	if r.closed != nil {
		r.closed()
	}
}

// saw expects the next calls.
func (r *recorder) saw(calls ...string) {
	r.tb.Helper()
	for _, want := range calls {
		select {
		case got := <-r.calls:
			if got != want {
				r.tb.Fatalf("call %.60q (%d bytes), want %.60q (%d bytes)", got, len(got), want, len(want))
			}
		case <-time.After(patience):
			r.tb.Fatalf("no call %.60q", want)
		}
	}
}

// sawNothing expects no call that was not asked for.
func (r *recorder) sawNothing() {
	r.tb.Helper()
	select {
	case got := <-r.calls:
		r.tb.Fatalf("call %.60q", got)
	default:
	}
}

// ended waits for Closed and returns what it was told.
func (r *recorder) ended() error {
	r.tb.Helper()
	select {
	case err := <-r.end:
		return err
	case <-time.After(patience):
		r.tb.Fatal("Closed is not called")
		return nil
	}
}

// endedBy expects the end by a Close frame.
func (r *recorder) endedBy(code uint16, remote bool) {
	r.tb.Helper()
	var end *CloseError
	if err := r.ended(); !errors.As(err, &end) || end.Code != code || end.Remote != remote {
		r.tb.Fatalf("closed by %v (%T), want code %d, by the peer: %v", err, err, code, remote)
	}
}

// lengths are those at which a frame header changes its form, and others.
var lengths = []int{0, 1, 125, 126, 127, 1000, 65535, 65536, 70_000}

func letters(n int) string { return strings.Repeat("abcdefghijklmnopqrstuvwxyz", n/26+1)[:n] }

// echo is connectTo with a recorder that sends back what it gets.
func echo(t testing.TB, cfg *Config, n network) *link {
	t.Helper()
	r := newRecorder(t)
	var l *link
	ready := make(chan struct{})
	r.message = func(p []byte, _ bool) error {
		<-ready
		return l.Send(l.Batch(), Message{Payload: p})
	}
	l = connectTo(t, cfg, n, r)
	close(ready)
	return l
}
