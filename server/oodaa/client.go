package oodaa

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// client is one client. It receives what its socket reads, and is the Family
// that spells what it is told.
type client struct {
	events.Client
	gateway *Gateway
	socket  socketio.Socket
	over    atomic.Bool // it takes nothing any more

	// owned by the caller of Event
	known bool   // it has registered
	early *early // nil: it has sent nothing before that
}

// ID is the socket's.
func (c *client) ID() string { return c.socket.ID() }

// TooLarge tells the client why it will be disconnected.
func (c *client) TooLarge() { c.Failed(events.Ask{Ack: events.NoAck}, hub.TooLarge) }

// Limited answers an event that came with an empty budget.
func (c *client) Limited(e *socketio.Event) {
	kind, _ := hub.KindOf(e.Name)
	c.fail(asked(e), hub.RateLimited, kind, nil)
}

// OverRate ends the connection of a client that has overdrawn its budget for too
// long.
func (c *client) OverRate() { c.endForAbuse("over the message rate") }

func asked(e *socketio.Event) events.Ask { return events.Ask{Ack: e.Ack, Batch: e.Batch} }

// Event reads one event and calls its meaning.
func (c *client) Event(e *socketio.Event) (wire.Hold, error) {
	h := c.gateway.Handlers
	kind, relayed := hub.KindOf(e.Name)
	if relayed {
		return nil, c.relay(e, kind)
	}
	switch string(e.Name) {
	case "register":
		return c.register(e)
	case "watch-users":
		return nil, c.watch(e)
	}
	if !rawjson.ValidTail(e.Rest) {
		return nil, socketio.ErrMalformed
	}
	switch string(e.Name) {
	case "get-users":
		c.HandleUsers(asked(e))
		c.ack(asked(e), hub.OK, "")
	case "ping":
		h.Counters.Event(events.Ping)
		c.emit([]byte(`["pong"]`), e.Batch)
		c.ack(asked(e), hub.OK, "")
	case "get-ice-servers":
		h.Counters.Event(events.GetICEServers)
		c.HandleICEServers(asked(e))
	default:
		h.Counters.Event(events.Other)
	}
	return nil, nil
}

func (c *client) register(e *socketio.Event) (wire.Hold, error) {
	c.gateway.Handlers.Counters.Event(events.Register)
	id, outcome, ok := readRegister(e.Rest)
	if !ok {
		return nil, socketio.ErrMalformed
	}
	if outcome != hub.OK {
		c.Registered(asked(e), id, outcome)
		return nil, nil
	}
	return c.HandleRegister(asked(e), id, "", false), nil
}

func (c *client) watch(e *socketio.Event) error {
	watching, ok := readWatch(e.Rest)
	if !ok {
		return socketio.ErrMalformed
	}
	if outcome := c.HandleWatch(asked(e), watching); outcome != hub.OK {
		c.Failed(asked(e), outcome)
	} else {
		c.ack(asked(e), hub.OK, "")
	}
	return nil
}

// relays lends what a relay needs while it is handled.
var relays = sync.Pool{New: func() any { return new(hub.Relay) }}

func (c *client) relay(e *socketio.Event, kind hub.Kind) error {
	r := relays.Get().(*hub.Relay)
	err := c.relayWith(r, e, kind)
	*r = hub.Relay{}
	relays.Put(r)
	return err
}

func (c *client) relayWith(r *hub.Relay, e *socketio.Event, kind hub.Kind) error {
	from, outcome, ok := readRelay(e.Rest, kind, r)
	if !ok {
		return socketio.ErrMalformed
	}
	if outcome != hub.OK {
		c.refuse(e, kind, outcome)
		return nil
	}
	if !c.known {
		c.awaitRegister(e, kind)
		return nil
	}
	if len(e.Attachments) > 0 {
		// The sender first: only then what is expensive.
		if outcome = c.MayRelay(from); outcome != hub.OK {
			c.refuse(e, kind, outcome)
			return nil
		}
		if r.Payload, r.Attachments, ok = socketio.Attach(r.Payload, e.Attachments); !ok {
			return socketio.ErrMalformed
		}
	}
	r.Batch, r.Ack = e.Batch, e.Ack
	if e.Batch != nil {
		e.Batch.CountRelay()
		outcome = c.HandleRelay(r, from)
	} else {
		begun := time.Now()
		outcome = c.HandleRelay(r, from)
		c.gateway.Latency.Observe(time.Since(begun), 1)
	}
	switch outcome {
	case hub.OK:
		c.ack(asked(e), hub.OK, "")
	case hub.Pending:
	default:
		c.fail(asked(e), outcome, kind, r.To)
	}
	return nil
}

// refuse counts and answers a relay that is not even tried.
func (c *client) refuse(e *socketio.Event, kind hub.Kind, outcome hub.Outcome) {
	c.gateway.Handlers.Counters.Relay(kind, outcome)
	c.fail(asked(e), outcome, kind, nil)
}
