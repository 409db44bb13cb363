package socketio

import (
	"fmt"
	"sync"
	"testing"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// A socketSite is a Socket.IO server.
type socketSite struct {
	*engineio.Client
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
	s.Client = serve(t, n, s.Server, func() {
		_ = s.Server.Shutdown(cutNow())
		s.gate.balanced()
		s.room.empty()
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

func (r *room) Connect(s Socket, auth []byte, answer func(Receiver, error)) wire.Hold {
	m := &member{Socket: s, room: r, turns: turns{t: r.t}, events: make(chan string, 100_000), large: make(chan struct{}, 10), end: make(chan string, 10)}
	if r.connect != nil {
		if err := r.connect(m, auth); err != nil {
			answer(nil, err)
			return nil
		}
	}
	r.mu.Lock()
	r.all = append(r.all, m)
	r.mu.Unlock()
	r.sockets <- m
	answer(m, nil)
	return nil
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

func (m *member) Event(e *Event) (wire.Hold, error) {
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
		return nil, m.room.event(m, e)
	}
	return nil, nil
}

func (m *member) TooLarge() {
	defer m.take("TooLarge")()
	m.large <- struct{}{}
	if m.room.large != nil {
		m.room.large(m)
	}
}

// Limited records the event with a mark.
func (m *member) Limited(e *Event) {
	defer m.take("Limited")()
	m.events <- fmt.Sprint("limited ", e.Ack, " ", string(e.Args))
}

func (m *member) OverRate() {
	defer m.take("OverRate")()
	m.events <- "over rate"
}

func (m *member) Closed(reason string) {
	defer m.take("Closed")()
	if !m.isOpen {
		m.t.Error("Closed without Opened")
	}
	m.over.Store(true)
	m.end <- reason
}

func (m *member) emit(args string) error { return m.Emit([]byte(args), nil, nil) }

// next is the socket that connected next.
func (s *socketSite) next() *member { s.T.Helper(); return receive(s.T, "socket", s.room.sockets) }

// connected connects a socket to a namespace over WebSocket.
func (s *socketSite) connected() (*engineio.WebSocket, *member) {
	s.T.Helper()
	c := s.OpenWebSocket()
	c.Send("40")
	m := s.next()
	c.Expect(`40{"sid":"` + m.ID() + `"}`)
	return c, m
}

// connectedPolling is connected over long-polling.
func (s *socketSite) connectedPolling() (*engineio.Poller, *member) {
	s.T.Helper()
	p := s.OpenPolling()
	p.Send("40")
	m := s.next()
	p.Expect(`40{"sid":"` + m.ID() + `"}`)
	return p, m
}
