package socketio

import (
	"sync"
	"testing"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// A bareSite is a bare Engine.IO server.
type bareSite struct {
	*engineio.Client
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
	b.Client = serve(t, n, b.EngineIO, func() {
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

func (m *bareSession) Message(p []byte, binary bool, batch *wire.Batch) (wire.Hold, error) {
	defer m.take("Message")()
	message := string(p)
	if binary {
		message = "b:" + message
	}
	m.got <- message
	if m.handle != nil {
		return nil, m.handle(m, message)
	}
	return nil, nil
}

func (m *bareSession) TooLarge() {
	defer m.take("TooLarge")()
	m.large <- struct{}{}
}

func (m *bareSession) OverRate() { defer m.take("OverRate")() }

func (m *bareSession) Closed(reason string) {
	defer m.take("Closed")()
	m.over.Store(true)
	m.end <- reason
}

// text sends a text message.
func (m *bareSession) text(s string) error {
	return m.Send(nil, wire.Message{Prefix: []byte(MessagePrefix), Payload: []byte(s)})
}

// next is the session that was opened next.
func (b *bareSite) next() *bareSession { b.T.Helper(); return receive(b.T, "session", b.sessions) }

// polled opens a session over long-polling.
func (b *bareSite) polled() (*engineio.Poller, *bareSession) {
	b.T.Helper()
	p := b.OpenPolling()
	return p, b.next()
}

// upgraded waits until a session is on its WebSocket.
func (b *bareSite) upgraded(m *bareSession) {
	b.T.Helper()
	within(b.T, "the upgrade", func() bool { return m.conn.Load() != nil })
}

// dialled opens a session over WebSocket.
func (b *bareSite) dialled() (*engineio.WebSocket, *bareSession) {
	b.T.Helper()
	c := b.OpenWebSocket()
	return c, b.next()
}
