package volli_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig/pipes"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// A heartbeat reply that meets the end of its session makes the library
		// behind ENGINE=zishang start the session's timer again; it expires
		// after one more interval and does nothing.
		goleak.IgnoreTopFunction("github.com/zishang520/engine.io/v2/utils.SetTimeout.func1"),
	)
}

// patience is how long a test waits for what must happen. A day: in a bubble
// of synctest it costs nothing.
const (
	patience       = 20 * time.Second
	bubblePatience = 24 * time.Hour
)

// instance is a whole server, on a network of its own.
type instance struct {
	*server.Server
	t        testing.TB
	log      *logs
	dial     func() (net.Conn, error)
	patience time.Duration
	stop     func() // once; clients that are there must answer its Close
}

// options are the defaults of the contract, without a limit on connections from
// one address.
func options() server.Options {
	return server.Options{
		Origins:           []string{"http://localhost:3000"},
		PublicHosts:       []string{"signal.example.com"},
		MessageRate:       50,
		MessageBurst:      200,
		MaxMessage:        1_000_000,
		MaxOutbox:         4 << 20,
		PingInterval:      25 * time.Second,
		PingTimeout:       20 * time.Second,
		RegisterTimeout:   time.Minute,
		InactivityTimeout: 5 * time.Minute,
		Presence:          true,
		Engine:            engines[0].start,
		WebSocket:         true,
		Polling:           true,
	}
}

// start serves on a loopback port until the test ends.
func start(t testing.TB, opts server.Options) *instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, opts, l, patience)
	s.dial = func() (net.Conn, error) { return net.DialTimeout("tcp", l.Addr().String(), patience) }
	return s
}

// startInBubble serves on pipes, so that all of it, timers included, can live
// in a bubble of synctest.
func startInBubble(t testing.TB, opts server.Options) *instance {
	t.Helper()
	l := pipes.Listen()
	s := serve(t, opts, l, bubblePatience)
	s.dial = func() (net.Conn, error) { return l.Dial(context.Background()) }
	return s
}

func serve(t testing.TB, opts server.Options, l net.Listener, patience time.Duration) *instance {
	t.Helper()
	s := &instance{t: t, log: new(logs), patience: patience}
	var err error
	s.Server, err = server.New(opts, slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	s.stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		for _, line := range s.log.lines(slog.LevelError) {
			t.Errorf("logged: %v", line)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	all []map[string]any
}

func (l *logs) Write(p []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(p, &line); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
	return len(p), nil
}

// lines are those of this level and above.
func (l *logs) lines(level slog.Level) (found []map[string]any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.all {
		var of slog.Level
		if err := of.UnmarshalText([]byte(line["level"].(string))); err != nil {
			panic(err)
		}
		if of >= level {
			found = append(found, line)
		}
	}
	return found
}

// ask sends a request, with headers given as name, value, …, and leaves its
// answer to be read.
func (s *instance) ask(method, path string, headers ...string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(s.patience))
	r, err := http.NewRequest(method, "http://signal.example.com"+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	r.Close = r.Header.Get("Upgrade") == ""
	if err := r.Write(conn); err != nil {
		s.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// request sends a request, and returns the answer, its body read, and the
// connection where that was upgraded.
func (s *instance) request(method, path string, headers ...string) (*http.Response, string, net.Conn, *bufio.Reader) {
	s.t.Helper()
	conn, reader := s.ask(method, path, headers...)
	answer, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		return answer, "", conn, reader
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	_ = conn.Close()
	return answer, string(body), nil, nil
}

// handshake has the headers of a request for a WebSocket.
var handshake = []string{
	"Connection", "Upgrade",
	"Upgrade", "websocket",
	"Sec-WebSocket-Version", "13",
	"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

// upgrade asks for a WebSocket.
func (s *instance) upgrade(path string, headers ...string) (*http.Response, string, net.Conn, *bufio.Reader) {
	s.t.Helper()
	return s.request(http.MethodGet, path, slices.Concat(handshake, headers)...)
}

// client is a WebSocket client that takes and gives frames as they are. It
// answers nothing by itself.
type client struct {
	s      *instance
	t      testing.TB
	name   string
	socket bool // speaks Socket.IO
	conn   net.Conn
	r      *bufio.Reader
	ended  bool // its Close frame, or its end, has been taken
}

const socketIO = "/socket.io/?EIO=4&transport=websocket"

// open connects a client; the name is for messages of the test.
func (s *instance) open(name, path string, headers ...string) *client {
	s.t.Helper()
	answer, body, conn, r := s.upgrade(path, headers...)
	if conn == nil {
		s.t.Fatalf("%s: upgrade at %s: %s %s", name, path, answer.Status, body)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return &client{s: s, t: s.t, name: name, conn: conn, r: r}
}

// join connects a client and registers it.
func (s *instance) join(name string) *client {
	s.t.Helper()
	c := s.open(name, "/signaling")
	c.send(`{"type":"register","userId":"` + name + `","publicKey":"key"}`)
	c.expect(`{"type":"registered","success":true,"userId":"` + name + `"}`)
	return c
}

// openSocketIO connects a client of Oodaa's family.
func (s *instance) openSocketIO(name string) *client {
	s.t.Helper()
	c := s.open(name, socketIO)
	c.socket = true
	if open := c.text(); !strings.HasPrefix(open, "0{") {
		s.t.Fatalf("%s: the handshake is %s", name, open)
	}
	c.send("40")
	if connected := c.text(); !strings.HasPrefix(connected, `40{"sid":"`) {
		s.t.Fatalf("%s: the reply to CONNECT is %s", name, connected)
	}
	// The reply may arrive before the hub knows of the client.
	if s.patience == bubblePatience {
		synctest.Wait()
	}
	return c
}

// write sends bytes as they are.
func (c *client) write(p []byte) {
	c.t.Helper()
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.s.patience))
	if _, err := c.conn.Write(p); err != nil {
		c.t.Fatalf("%s: %v", c.name, err)
	}
}

// frame is one frame, masked as clients must.
func frame(fin bool, op ws.OpCode, payload string) []byte {
	f := ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(payload)), [4]byte{0xfe, 0xed, 0x0d, 0xad})
	return ws.MustCompileFrame(f)
}

func (c *client) send(text string) {
	c.t.Helper()
	c.write(frame(true, ws.OpText, text))
}

func (c *client) close(code ws.StatusCode, reason string) {
	c.t.Helper()
	c.write(frame(true, ws.OpClose, string(ws.NewCloseFrameBody(code, reason))))
}

// readFrame reads a frame of the server's, which does not send endless ones.
func readFrame(r io.Reader) (ws.Frame, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return ws.Frame{}, err
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// next is the next frame, or the error that ended the connection.
func (c *client) next() (ws.Frame, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.s.patience))
	f, err := readFrame(c.r)
	// The library behind ENGINE=zishang sends long messages in fragments.
	for c.socket && err == nil && !f.Header.Fin {
		var more ws.Frame
		if more, err = readFrame(c.r); err == nil {
			f = ws.NewFrame(f.Header.OpCode, more.Header.Fin, append(f.Payload, more.Payload...))
		}
	}
	if err == nil && (f.Header.Masked || f.Header.Rsv != 0 || !f.Header.Fin) {
		c.t.Errorf("%s: got a frame %+v", c.name, f.Header)
	}
	return f, err
}

// text is the next frame, which must be text.
func (c *client) text() string {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatalf("%s: instead of a message: %v", c.name, err)
	}
	if f.Header.OpCode != ws.OpText {
		c.t.Fatalf("%s: instead of a message: %s", c.name, describe(f))
	}
	return string(f.Payload)
}

// expect takes the next frame, which must be this message to the letter.
func (c *client) expect(want string) {
	c.t.Helper()
	if got := c.text(); got != want {
		c.t.Fatalf("%s: got\n%s\nwant\n%s", c.name, clip(got), clip(want))
	}
}

// codeOf is the code that comes with an error text.
func codeOf(text string) string {
	if strings.HasSuffix(text, " is not online") {
		return errcode.NotFound
	}
	for outcome := range hub.Outcomes {
		if events.Text(outcome) == text {
			return events.Code(outcome)
		}
	}
	return errcode.NotResponding
}

func (c *client) expectError(text string) {
	c.t.Helper()
	c.expect(`{"type":"error","message":"` + text + `","code":"` + codeOf(text) + `"}`)
}

// expectFrame takes the next frame, which must be this one.
func (c *client) expectFrame(op ws.OpCode, payload string) {
	c.t.Helper()
	f, err := c.next()
	if err != nil {
		c.t.Fatalf("%s: instead of a frame: %v", c.name, err)
	}
	if want := ws.NewFrame(op, true, []byte(payload)); describe(f) != describe(want) {
		c.t.Fatalf("%s: got %s, want %s", c.name, describe(f), describe(want))
	}
}

// expectClose takes the next frame, which must be a Close with this code and
// reason; code 0 is one without a body. It answers, upon which the server must
// end the connection.
func (c *client) expectClose(code ws.StatusCode, reason string) {
	c.t.Helper()
	var body []byte
	if code != 0 {
		body = ws.NewCloseFrameBody(code, reason)
	}
	c.expectFrame(ws.OpClose, string(body))
	// The server may have closed already, where the client's Close came first.
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.s.patience))
	_, _ = c.conn.Write(frame(true, ws.OpClose, string(body)))
	c.expectEnd()
}

// expectEnd asserts that the server closes the connection, with no further
// frame.
func (c *client) expectEnd() {
	c.t.Helper()
	if f, err := c.next(); err == nil {
		c.t.Fatalf("%s: got %s behind the end", c.name, describe(f))
	} else if isTimeout(err) {
		c.t.Fatalf("%s: the server does not end the connection", c.name)
	}
	c.ended = true
	_ = c.conn.Close()
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// settle is a barrier: all that the server had put on the connection before has
// arrived when it returns, and must have been taken.
func (c *client) settle() {
	c.t.Helper()
	if c.socket {
		c.send(`42["ping"]`)
		c.expect(`42["pong"]`)
		return
	}
	c.send(`{"type":"discover"}`)
	c.expectError("Missing required fields")
}

// eventually sends a message until it is answered as wanted.
func (c *client) eventually(message, want string) {
	c.t.Helper()
	for end := time.Now().Add(c.s.patience); ; {
		c.send(message)
		got := c.text()
		if got == want {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s: %s is still answered with\n%s\nnot with\n%s", c.name, message, got, want)
		}
	}
}

// offline waits until nobody holds the name any more.
func (c *client) offline(name string) {
	c.t.Helper()
	c.eventually(`{"type":"discover","userId":"`+name+`"}`, `{"type":"discover-response","userId":"`+name+`","online":false}`)
}

func (c *client) online(name string) {
	c.t.Helper()
	c.send(`{"type":"discover","userId":"` + name + `"}`)
	c.expect(`{"type":"discover-response","userId":"` + name + `","online":true,"publicKey":"key"}`)
}

// call asserts that a relay passes.
func (c *client) call(other *client) {
	c.t.Helper()
	message := `{"type":"offer","from":"` + c.name + `","to":"` + other.name + `","offer":{"sdp":"v=0"}}`
	c.send(message)
	other.expect(message)
}

func describe(f ws.Frame) string {
	switch f.Header.OpCode {
	case ws.OpClose:
		if len(f.Payload) < 2 {
			return "Close without a code"
		}
		return "Close " + decimal(binary.BigEndian.Uint16(f.Payload)) + " " + string(f.Payload[2:])
	case ws.OpText:
		return "text " + clip(string(f.Payload))
	}
	return "frame of opcode " + decimal(uint16(f.Header.OpCode)) + " " + clip(string(f.Payload))
}

func decimal(n uint16) string {
	b, _ := json.Marshal(n)
	return string(b)
}

func clip(s string) string {
	if len(s) > 1000 {
		return s[:500] + " … " + s[len(s)-500:]
	}
	return s
}

// expectJSON compares a JSON body with the wanted one, white space aside.
func expectJSON(t testing.TB, got, want string) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(got)); err != nil || b.String() != want {
		t.Errorf("got the body %s, want %s", got, want)
	}
}

func change(opts server.Options, with func(*server.Options)) server.Options {
	opts.Origins = slices.Clone(opts.Origins)
	with(&opts)
	return opts
}

// newReader reads the answer to a handshake that was sent by hand, and returns
// what follows it.
func newReader(t testing.TB, conn net.Conn) *bufio.Reader {
	t.Helper()
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err)
	}
	return r
}
