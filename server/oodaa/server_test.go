package oodaa

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server is a gateway with all that it needs, but no engine.
type server struct {
	t        testing.TB
	presence bool
	watched  bool
	gateway  Gateway
	handlers events.Handlers
	hub      *hub.Hub
	clients  []*testClient
}

// start fills in what the gateway lacks. It ends with the test.
func (s *server) start() {
	s.hub = hub.New(hub.Options{Presence: s.presence, Watched: s.watched})
	deadlines := wire.NewDeadlines()
	s.t.Cleanup(s.hub.Close)
	s.t.Cleanup(deadlines.Close)
	s.handlers.Hub = s.hub
	s.handlers.Deadlines = deadlines
	if s.handlers.Log == nil {
		s.handlers.Log = slog.New(slog.DiscardHandler)
	}
	s.gateway.Handlers = &s.handlers
}

// newServer starts a server with room for everything.
func newServer(t testing.TB) *server {
	s := &server{t: t, presence: true, gateway: Gateway{MaxMessage: 1 << 20, MaxOutbox: 4 << 20}}
	s.handlers.RegisterTimeout = time.Minute
	s.start()
	return s
}

// errors are the errors that clients got, by text.
func (s *server) errors() map[string]uint64 {
	m := make(map[string]uint64)
	s.gateway.Errors(m)
	return m
}

// A testClient is a Socket that keeps what it is sent, and the Receiver behind it.
type testClient struct {
	socketio.Receiver
	server *server
	name   string
	since  time.Time
	batch  wire.Batch
	budget wire.Budget

	mu     sync.Mutex
	heard  []string
	err    error // of Emit and Ack
	ended  bool  // the server disconnected it
	closed bool  // the Receiver knows
}

// connect connects a client whose handshake was at a time.
func (s *server) connect(name string, since time.Time) *testClient {
	c := &testClient{server: s, name: name, since: since}
	receiver, err := s.accept(c)
	if err != nil {
		s.t.Fatal(err)
	}
	c.Receiver = receiver
	receiver.Opened()
	s.clients = append(s.clients, c)
	return c
}

// Unacknowledged says that the client has acknowledged everything.
func (c *testClient) Unacknowledged(func(wire.Receipt, []byte, [][]byte)) {}

// DisconnectAsking is of a client that answers.
func (c *testClient) DisconnectAsking(verdict func(bool)) {
	c.Disconnect()
	verdict(true)
}

// Waiting says that the client takes everything at once.
func (c *testClient) Waiting() int { return 0 }

// settle waits until the server's goroutines have done what there is to do, and
// tells receivers of the end of clients that were disconnected, as an engine
// does.
func (s *server) settle() {
	synctest.Wait()
	for _, c := range s.clients {
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		if ended && !c.closed {
			c.closed = true
			c.Closed("server namespace disconnect")
			synctest.Wait()
		}
	}
}

// send has the client send an event, as an engine hands it over.
func (c *testClient) send(args string, ack int64, attachments [][]byte) error {
	p := socketio.Packet{Data: []byte(args)}
	name, rest, err := p.EventName()
	if err != nil {
		return fmt.Errorf("not for the gateway: %w", err)
	}
	_, err = c.Event(&socketio.Event{Name: name, Args: p.Data, Rest: rest, Attachments: attachments, Ack: ack, Batch: &c.batch})
	return err
}

// accept is the gateway's answer to a socket.
func (s *server) accept(c socketio.Socket) (receiver socketio.Receiver, err error) {
	s.gateway.Connect(c, nil, func(r socketio.Receiver, e error) { receiver, err = r, e }).Wait()
	return receiver, err
}

// register makes the client that user, and forgets what it is sent for it.
func (c *testClient) register(user string) {
	if err := c.send(`["register",{"userId":"`+user+`"}]`, socketio.NoAck, nil); err != nil {
		c.server.t.Error(err)
	}
	c.take()
}

// take returns what the client was sent since the last time.
func (c *testClient) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := c.heard
	c.heard = nil
	return heard
}

func (c *testClient) hear(what string) {
	c.mu.Lock()
	c.heard = append(c.heard, what)
	c.mu.Unlock()
}

// fail makes sending to the client fail.
func (c *testClient) fail(err error) {
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
}

func (c *testClient) Budget() *wire.Budget { return &c.budget }

func (c *testClient) ID() string        { return "socket-" + c.name }
func (c *testClient) Info() any         { return Info{} }
func (c *testClient) Opened() time.Time { return c.since }

func (c *testClient) Emit(args []byte, attachments [][]byte, batch *wire.Batch) error {
	return c.queue(string(args), attachments, batch)
}

func (c *testClient) Relay(args []byte, attachments [][]byte, _ wire.Receipt, batch *wire.Batch) error {
	return c.queue(string(args), attachments, batch)
}

func (c *testClient) Ack(id int64, args []byte, attachments [][]byte, batch *wire.Batch) error {
	return c.queue(fmt.Sprint(id, " ", string(args)), attachments, batch)
}

func (c *testClient) queue(what string, attachments [][]byte, _ *wire.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if len(attachments) > 0 {
		what += " ++"
	}
	for _, a := range attachments {
		what += " " + hex.EncodeToString(a)
	}
	c.heard = append(c.heard, what)
	return nil
}

// Disconnect and Close end the client: what follows fails.
func (c *testClient) Disconnect()  { c.end("disconnect") }
func (c *testClient) Close(string) { c.end("close") }

func (c *testClient) end(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.ended = true
		c.err = socketio.ErrClosed
		c.heard = append(c.heard, how)
	}
}

// hears checks what the client was sent since the last time.
func (c *testClient) hears(want ...string) {
	c.server.t.Helper()
	if got := c.take(); !slices.Equal(got, want) {
		c.server.t.Errorf("%s got %q, want %q", c.name, got, want)
	}
}
