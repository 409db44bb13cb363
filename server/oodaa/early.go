package oodaa

import (
	"bytes"
	"sync"
	"time"

	"github.com/oodaa/signaling/server/hub"
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
	client   *client
	deadline wire.Deadline

	mu     sync.Mutex
	events []earlyEvent
	size   int
}

// An earlyEvent owns its event and what that points to.
type earlyEvent struct {
	kind  hub.Kind
	event socketio.Event
}

// hold keeps a relay for the register, and reports whether there is room.
func (y *early) hold(e *socketio.Event, kind hub.Kind) bool {
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
		y.client.gateway.Handlers.Deadlines.Set(&y.deadline, time.Now().Add(earlyTimeout), y)
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
func (y *early) Expired(time.Time) { y.client.refuseEarly(nil) }

// awaitRegister keeps a relay of a client that has not registered yet, or
// refuses it.
func (c *client) awaitRegister(e *socketio.Event, kind hub.Kind) {
	if c.early == nil {
		c.early = &early{client: c}
	}
	if !c.early.hold(e, kind) {
		c.refuse(e, kind, hub.NotRegistered)
	}
}

// handleEarly handles the relays that waited for the register, which has
// succeeded.
func (c *client) handleEarly(batch *wire.Batch) {
	if c.early == nil {
		return
	}
	c.gateway.Handlers.Deadlines.Stop(&c.early.deadline)
	for _, held := range c.early.take() {
		held.event.Batch = batch
		_ = c.relay(&held.event, held.kind) // it is JSON: awaitRegister got it parsed
	}
}

// refuseEarly answers the relays that waited for a register in vain.
func (c *client) refuseEarly(batch *wire.Batch) {
	if c.early == nil {
		return
	}
	for _, held := range c.early.take() {
		held.event.Batch = batch
		c.refuse(&held.event, held.kind, hub.NotRegistered)
	}
}
