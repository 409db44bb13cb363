// Package access tests who may come in, from outside: tokens, proofs of keys,
// certificates, and the credentials for ICE servers. The servers are real.
package access

import (
	"crypto/tls"
	"flag"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	// Those that run in parallel wait for clocks, not for processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	rig.Main(m)
}

// verifyNoLeaks fails the test if it leaves a goroutine of its own. It is for
// tests that do not run in parallel, and must be called first.
func verifyNoLeaks(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
}

// start starts a server. What the rig's Start says of settings holds, but that
// the race detector does not sleep before the exit.
func start(t *testing.T, env ...string) *rig.Server {
	t.Helper()
	// Names change hands at once here: what happens within the grace is test/faults'.
	return rig.Start(t, append([]string{"GORACE=halt_on_error=1 atexit_sleep_ms=0", "RECONNECT_GRACE=0"}, env...)...)
}

// engines are those that ENGINE names.
var engines = []string{"native", "zishang"}

// A door is how a client comes in.
type door struct {
	family rig.Family
	tls    *tls.Config // nil: without TLS
	header http.Header
	auth   string // JSON behind a Socket.IO client's CONNECT
	path   string // empty: the family's own
}

// withToken is a door that shows a token as JavaScript clients of the family
// do; Volli's show it when they register.
func withToken(family rig.Family, token string) door {
	d := door{family: family}
	if family == rig.Oodaa {
		d.auth = `{"token":"` + token + `"}`
	}
	return d
}

// withBearer is a door that shows a token in a header.
func withBearer(family rig.Family, token string) door {
	return door{family: family, header: http.Header{"Authorization": {"Bearer " + token}}}
}

// A client sees every text that it gets, but heartbeats and handshakes of
// Engine.IO.
type client struct {
	t    testing.TB
	conn *websocket.Conn
	in   chan string // closed at the end
	end  error       // why it ended; read it when in is closed

	writing sync.Mutex
}

// open connects a client, which the test's end closes.
func (d door) open(t testing.TB, addr string) *client {
	t.Helper()
	scheme := "ws://"
	if d.tls != nil {
		scheme = "wss://"
	}
	path := d.path
	if path == "" {
		path = [...]string{"/socket.io/?EIO=4&transport=websocket", "/signaling"}[d.family]
	}
	dialer := websocket.Dialer{TLSClientConfig: d.tls, HandshakeTimeout: rig.Patience}
	conn, answer, err := dialer.Dial(scheme+addr+path, d.header)
	if err != nil {
		t.Fatalf("%s: %v, %v", path, err, answer)
	}
	c := &client{t: t, conn: conn, in: make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	if d.family == rig.Oodaa {
		c.say("40" + d.auth)
	}
	return c
}

func (c *client) read() {
	defer close(c.in)
	for {
		_, raw, err := c.conn.ReadMessage()
		if err != nil {
			c.end = err
			return
		}
		switch text := string(raw); {
		case text == "2":
			_ = c.write("3") // an error is the connection's end, which the next reading tells
		case strings.HasPrefix(text, "0{"):
		default:
			c.in <- text
		}
	}
}

func (c *client) write(text string) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.conn.WriteMessage(websocket.TextMessage, []byte(text))
}

// say sends a text.
func (c *client) say(text string) {
	c.t.Helper()
	if err := c.write(text); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// next is the next text; ok is false at the end.
func (c *client) next() (text string, ok bool) {
	c.t.Helper()
	select {
	case text, ok = <-c.in:
		return text, ok
	case <-time.After(rig.Patience):
		c.t.Fatalf("nothing within %v", rig.Patience)
		return "", false
	}
}

// expect fails the test unless these texts come next.
func (c *client) expect(texts ...string) {
	c.t.Helper()
	for _, want := range texts {
		if got, ok := c.next(); got != want {
			c.t.Fatalf("got %q (open: %v), want %q", got, ok, want)
		}
	}
}

// await returns the next text that begins so, and drops those before it.
func (c *client) await(prefix string) string {
	c.t.Helper()
	for {
		text, ok := c.next()
		if !ok {
			c.t.Fatalf("ended without %q: %v", prefix, c.end)
		}
		if strings.HasPrefix(text, prefix) {
			return text
		}
	}
}

// ended waits for the server to end the connection, and returns the close code,
// or 0.
func (c *client) ended() int {
	c.t.Helper()
	if text, ok := c.next(); ok {
		c.t.Fatalf("got %q, want the end", text)
	}
	if end, ok := c.end.(*websocket.CloseError); ok {
		return end.Code
	}
	return 0
}

// silent fails the test if anything has come that was not looked at.
func (c *client) silent() {
	c.t.Helper()
	select {
	case text, ok := <-c.in:
		c.t.Errorf("got %q (open: %v), want nothing", text, ok)
	default:
	}
}

// connected waits for the namespace.
func (c *client) connected() *client {
	c.t.Helper()
	c.await("40")
	return c
}

// registerOodaa registers a Socket.IO client.
func (c *client) registerOodaa(id string) *client {
	c.t.Helper()
	c.connected().say(`420["register",{"userId":"` + id + `"}]`)
	c.await(`430[{"ok":true}]`)
	return c
}

// registerVolli registers a Volli client with a token, or without one.
func (c *client) registerVolli(id, token string) *client {
	c.t.Helper()
	c.say(volliRegister(id, token))
	c.expect(`{"type":"registered","success":true,"userId":"` + id + `"}`)
	return c
}

func volliRegister(id, token string) string {
	text := `{"type":"register","userId":"` + id + `","publicKey":"a key"`
	if token != "" {
		text += `,"token":"` + token + `"`
	}
	return text + "}"
}

// The answers of the contract to the letter.
const (
	oodaaUnauthorized = `44{"message":"Unauthorized"}`
	volliUnauthorized = `{"type":"error","message":"Unauthorized","code":"unauthorized"}`
)
