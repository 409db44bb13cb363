package oodaa

import (
	"bytes"
	"sync"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A stock client sends what its app emitted while it was disconnected as soon as
// it is connected, before the app's connect handler registers. Such relays wait
// for the register.

const (
	// earlyTimeout is how long the first of them waits.
	earlyTimeout = 2 * time.Second
	// maxEarly and maxEarlySize bound them, in number and bytes, per connection.
	maxEarly     = 64
	maxEarlySize = 256 << 10
)

// early holds the relays of a client that has not registered yet.
type early struct {
	peer     *peer
	deadline wire.Deadline

	mu     sync.Mutex
	events []earlyEvent
	size   int
}

// An earlyEvent owns its event and what that points to.
type earlyEvent struct {
	kind  events.Kind
	event socketio.Event
}

// hold keeps a relay for the register, and reports whether there is room.
func (y *early) hold(e *socketio.Event, kind events.Kind) bool {
	size := len(e.Rest)
	for _, a := range e.Attachments {
		size += len(a)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.events) >= maxEarly || y.size+size > maxEarlySize {
		return false
	}
	kept := socketio.Event{Rest: bytes.Clone(e.Rest), Ack: e.Ack}
	for _, a := range e.Attachments {
		kept.Attachments = append(kept.Attachments, bytes.Clone(a))
	}
	if len(y.events) == 0 {
		y.peer.gateway.Deadlines.Set(&y.deadline, time.Now().Add(earlyTimeout), y)
	}
	y.events = append(y.events, earlyEvent{kind, kept})
	y.size += size
	return true
}

// take returns what is held, which is the caller's.
func (y *early) take() []earlyEvent {
	y.mu.Lock()
	defer y.mu.Unlock()
	held := y.events
	y.events, y.size = nil, 0
	return held
}

// Expired answers the relays for which no register came.
func (y *early) Expired(time.Time) { y.peer.refuseEarly(nil) }

// awaitRegister keeps a relay of a client that has not registered yet, or
// refuses it.
func (p *peer) awaitRegister(e *socketio.Event, kind events.Kind) {
	if p.early == nil {
		p.early = &early{peer: p}
	}
	if !p.early.hold(e, kind) {
		p.refuseRelay(e, kind)
	}
}

// handleEarly handles the relays that waited for the register, which has
// succeeded.
func (p *peer) handleEarly(batch *wire.Batch) {
	if p.early == nil {
		return
	}
	p.gateway.Deadlines.Stop(&p.early.deadline)
	for _, held := range p.early.take() {
		held.event.Batch = batch
		_ = p.relay(&held.event, held.kind) // it is JSON: awaitRegister got it parsed
	}
}

// refuseEarly answers the relays that waited for a register in vain.
func (p *peer) refuseEarly(batch *wire.Batch) {
	if p.early == nil {
		return
	}
	for _, held := range p.early.take() {
		held.event.Batch = batch
		p.refuseRelay(&held.event, held.kind)
	}
}

func (p *peer) refuseRelay(e *socketio.Event, kind events.Kind) {
	p.gateway.Handlers.Counts.Relay(kind, events.NotRegistered)
	p.fail(e, events.NotRegistered, kind, nil)
}
