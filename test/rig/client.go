package rig

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A Family is how a client speaks.
type Family int

const (
	Oodaa Family = iota // Socket.IO over WebSocket
	Volli               // JSON over WebSocket
)

func (f Family) String() string { return [...]string{"oodaa", "volli"}[f] }

// A Client is one plain client. It answers heartbeats by itself. One goroutine
// reads it until it ends; Close ends it and waits.
type Client struct {
	Family Family
	ID     string // set by Register

	conn *websocket.Conn
	in   chan Message
	done chan struct{}

	mu   sync.Mutex // guards writing and what follows
	acks int64
	err  error
}

// A Message is one event or message from the server.
type Message struct {
	Event string          // of Oodaa's family; the type of Volli's; "ack:<id>" for acknowledgements
	Args  json.RawMessage // the first argument, or the whole message of Volli's family
	At    time.Time
}

// inbox is how many messages may wait to be looked at.
const inbox = 1 << 16

// Dial connects a client to addr. Header may be nil.
func Dial(addr string, family Family, header http.Header) (*Client, error) {
	return DialWith(new(net.Dialer), "ws://"+addr, family, header)
}

// DialWith is Dial with a dialer of its own and a base URL, ws:// or wss://. Any
// certificate is accepted.
func DialWith(dialer *net.Dialer, base string, family Family, header http.Header) (*Client, error) {
	path := "/socket.io/?EIO=4&transport=websocket"
	if family == Volli {
		path = "/signaling"
	}
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	opener := &websocket.Dialer{NetDialContext: dialer.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, answer, err := opener.DialContext(ctx, base+path, header)
	if err != nil {
		if answer != nil {
			return nil, fmt.Errorf("%w: %s", err, answer.Status)
		}
		return nil, err
	}
	c := &Client{Family: family, conn: conn, in: make(chan Message, inbox), done: make(chan struct{})}
	go c.read()
	if family == Volli {
		return c, nil
	}
	if err = c.SendRaw("40"); err == nil {
		_, err = c.Await("connect")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// MustDial is Dial for a test that has no use for a failure; the test's end
// closes the client.
func MustDial(t testing.TB, addr string, family Family) *Client {
	t.Helper()
	c, err := Dial(addr, family, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", family, err)
	}
	t.Cleanup(c.Close)
	return c
}

func (c *Client) read() {
	defer close(c.done)
	defer close(c.in)
	for {
		_, raw, err := c.conn.ReadMessage()
		if err != nil {
			c.fail(err)
			return
		}
		m, ok := c.parse(raw)
		if !ok {
			continue
		}
		select {
		case c.in <- m:
		default:
			c.fail(errors.New("nobody looks at what the client gets"))
			_ = c.conn.Close()
			return
		}
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	c.err = errors.Join(c.err, err)
	c.mu.Unlock()
}

// parse reads a message; ok is false for those that nobody waits for.
func (c *Client) parse(raw []byte) (m Message, ok bool) {
	m.At = time.Now()
	if c.Family == Volli {
		var head struct{ Type string }
		if err := json.Unmarshal(raw, &head); err != nil {
			c.fail(fmt.Errorf("not JSON: %q", raw))
			return m, false
		}
		m.Event, m.Args = head.Type, raw
		return m, true
	}
	text := string(raw)
	switch {
	case text == "2":
		if err := c.SendRaw("3"); err != nil {
			c.fail(err)
		}
		return m, false
	case strings.HasPrefix(text, "0"):
		return m, false
	case strings.HasPrefix(text, "40"):
		m.Event, m.Args = "connect", json.RawMessage(raw[2:])
		return m, true
	case strings.HasPrefix(text, "44"):
		m.Event, m.Args = "connect_error", json.RawMessage(raw[2:])
		return m, true
	case text == "41":
		m.Event = "disconnect"
		return m, true
	case strings.HasPrefix(text, "42"):
		var args []json.RawMessage
		if json.Unmarshal(raw[2:], &args) != nil || len(args) == 0 || json.Unmarshal(args[0], &m.Event) != nil {
			break
		}
		if len(args) > 1 {
			m.Args = args[1]
		}
		return m, true
	case strings.HasPrefix(text, "43"):
		id, rest, found := strings.Cut(text[2:], "[")
		if !found {
			break
		}
		m.Event, m.Args = "ack:"+id, json.RawMessage(strings.TrimSuffix(rest, "]"))
		return m, true
	}
	c.fail(fmt.Errorf("unexpected packet %q", raw))
	return m, false
}

// SendRaw sends one text frame as it is.
func (c *Client) SendRaw(text string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.WriteMessage(websocket.TextMessage, []byte(text))
}

// Err is why the client ended, or what was wrong with what it got.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// CloseCode is the code of the server's Close frame, or 0.
func (c *Client) CloseCode() int {
	var end *websocket.CloseError
	if errors.As(c.Err(), &end) {
		return end.Code
	}
	return 0
}

// Done is closed when nothing more is read.
func (c *Client) Done() <-chan struct{} { return c.done }

// Inbox is what the client gets, in its order. It is closed at the end.
func (c *Client) Inbox() <-chan Message { return c.in }

// Await returns the next message of one of these kinds and drops those before
// it. A connect_error or an error that is not waited for is a failure.
func (c *Client) Await(events ...string) (Message, error) {
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		select {
		case m, ok := <-c.in:
			if !ok {
				return Message{}, fmt.Errorf("waiting for %v: ended: %w", events, c.Err())
			}
			for _, e := range events {
				if m.Event == e {
					return m, nil
				}
			}
			if m.Event == "connect_error" || m.Event == "error" {
				return m, fmt.Errorf("waiting for %v: %s %s", events, m.Event, m.Args)
			}
		case <-deadline.C:
			return Message{}, fmt.Errorf("waiting for %v: nothing within %v", events, Patience)
		}
	}
}

// Register takes a name and waits for the answer.
func (c *Client) Register(id string) error {
	name, err := json.Marshal(id)
	if err != nil {
		return err
	}
	answer := "user-list"
	text := fmt.Sprintf(`42["register",{"userId":%s}]`, name)
	if c.Family == Volli {
		answer = "registered"
		text = fmt.Sprintf(`{"type":"register","userId":%s,"publicKey":"key of a test"}`, name)
	}
	if err := c.SendRaw(text); err != nil {
		return err
	}
	if _, err := c.Await(answer); err != nil {
		return err
	}
	c.ID = id
	return nil
}

// Send sends a candidate with the body, which is JSON, to another user. With ack,
// which only Oodaa's family has, it returns the event that will acknowledge it.
func (c *Client) Send(to, body string, ack bool) (acknowledged string, err error) {
	if c.Family == Volli {
		return "", c.SendRaw(fmt.Sprintf(`{"type":"ice-candidate","from":%q,"to":%q,"candidate":%s}`, c.ID, to, body))
	}
	id := ""
	if ack {
		c.mu.Lock()
		c.acks++
		id = fmt.Sprint(c.acks)
		c.mu.Unlock()
		acknowledged = "ack:" + id
	}
	return acknowledged, c.SendRaw(fmt.Sprintf(`42%s["ice-candidate",{"to":%q,"from":%q,"candidate":%s}]`, id, to, c.ID, body))
}

// Body is the candidate that a message carries.
func (m Message) Body() json.RawMessage {
	var relay struct{ Candidate json.RawMessage }
	_ = json.Unmarshal(m.Args, &relay)
	return relay.Candidate
}

// Close ends the client without a word to the server and waits for its reader.
func (c *Client) Close() {
	_ = c.conn.Close()
	<-c.done
}

// Conn is the client's WebSocket, for tests of what is below it.
func (c *Client) Conn() *websocket.Conn { return c.conn }
