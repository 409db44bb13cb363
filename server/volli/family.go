package volli

import (
	"errors"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// The client as an events.Family.

// closeReplaced is the close code for a client whose name another connection
// took.
const closeReplaced = 4001

func (c *client) queue(message []byte, batch *wire.Batch) {
	_ = c.conn.Send(batch, wire.Message{Payload: message}) // an error is the client's end, which Closed tells
}

func (c *client) failTo(batch *wire.Batch, outcome hub.Outcome, to []byte) {
	c.gateway.errors.Count(outcome, 0)
	c.queue(appendError(nil, outcome, to), batch)
}

// Failed sends an error.
func (c *client) Failed(ask events.Ask, outcome hub.Outcome) { c.failTo(ask.Batch, outcome, nil) }

// Registered sends the error of a register. That it has succeeded, the client
// is told by Tell.
func (c *client) Registered(ask events.Ask, _ string, outcome hub.Outcome) {
	if outcome != hub.OK {
		c.Failed(ask, outcome)
	}
}

// Spell spells the answer to a register.
func (c *client) Spell(_ *hub.Roster, u *hub.User) []byte { return appendRegistered(nil, u.JSON) }

// SpellWatched spells the list of the watched users that are online.
func (c *client) SpellWatched(online *hub.Roster) []byte { return spellPresenceList(online) }

// Tell queues what was spelled.
func (c *client) Tell(spelled []byte, batch *wire.Batch) bool {
	return !errors.Is(c.conn.Send(batch, wire.Message{Payload: spelled}), wire.ErrSlow)
}

// Announce queues a change, spelled once for all clients. This family's clients are
// told of the users that they watch only.
func (c *client) Announce(change *hub.Change, batch *wire.Batch) bool {
	return c.Tell(change.Spelled(events.VolliForm, spellPresence), batch)
}

// Busy reports whether something waits for the client.
func (c *client) Busy() bool { return c.conn.Waiting() > 0 }

// Settled does nothing: this family's clients send nothing before they register.
func (c *client) Settled(*wire.Batch) {}

// ICEServers sends the ICE servers.
func (c *client) ICEServers(ask events.Ask, servers []byte) {
	c.queue(spellICEServers(servers), ask.Batch)
}

// Replied answers a relay whose outcome was open: an error is all that this
// family gets.
func (c *client) Replied(r *hub.Reply) {
	c.gateway.Handlers.Counters.Relay(r.Kind, r.Outcome)
	if r.Outcome != hub.OK && !r.Quiet {
		c.failTo(r.Batch, r.Outcome, r.To)
	}
}

// End closes the connection.
func (c *client) End(why events.Ending) {
	e := endings[why]
	c.conn.Close(e.Code, e.Reason)
}

var endings = map[events.Ending]wire.CloseError{
	events.NotRegisteredInTime: {Code: wire.ClosePolicyViolation, Reason: "not registered"},
	events.TokenExpired:        {Code: wire.ClosePolicyViolation, Reason: "token expired"},
	events.Unserviceable:       {Code: wire.CloseTryAgainLater, Reason: "unavailable"},
}

// framing is the most that a WebSocket frame adds to a message.
const framing = 10

// memberNames is more than appendRelay adds to the payload and the two names.
const memberNames = 80

// Relay puts a relay on the client's connection: what another Volli client
// sent as it is, anything else in this family's form, if it has one.
func (c *client) Relay(r *hub.Relay) hub.Outcome {
	message := r.Message
	if message == nil {
		if r.Kind == hub.Custom || len(r.Attachments) > 0 {
			return hub.NotFound
		}
		room := wire.Borrow(len(r.Payload) + len(r.From.JSON) + len(r.To) + memberNames)
		defer room.Free()
		message = appendRelay(room.B, r)
	}
	if limits := c.gateway.Wire; len(message) > limits.MaxMessage || len(message)+framing > limits.MaxOutbox {
		return hub.TooLarge
	}
	if c.over.Load() {
		return hub.NotFound
	}
	switch c.conn.Relay(r.Batch, r.Receipt(), wire.Message{Payload: message}) {
	case nil:
		return hub.OK
	case wire.ErrFull:
		return hub.NotResponding
	case wire.ErrClosed:
		c.over.Store(true)
	}
	return hub.NotFound
}

// Replaced closes the client, whose name another connection took.
func (c *client) Replaced(q *hub.Question) []*hub.Held {
	c.over.Store(true)
	unacknowledged := c.HandOver()
	if q != nil {
		c.conn.CloseAsking(closeReplaced, "replaced", c.gateway.PingTimeout, q.Answer)
	} else {
		c.conn.Close(closeReplaced, "replaced")
	}
	return unacknowledged
}

// TakeBack takes back the relays that the client has not acknowledged.
func (c *client) TakeBack() (relays []*hub.Held) {
	u := c.Registration()
	if u == nil {
		return nil
	}
	c.conn.Unacknowledged(func(receipt wire.Receipt, messages []wire.Message) {
		for _, m := range messages { // one
			var payload [1][]byte
			if _, ok := rawjson.ScanObject(m.Payload, []string{hub.Kind(receipt.Kind).Payload()}, payload[:]); ok {
				relays = append(relays, c.gateway.Handlers.Hub.Unacknowledged(u, receipt, payload[0], nil, m.Payload))
			}
		}
	})
	return relays
}

// Over reports whether the connection takes nothing any more.
func (c *client) Over() bool { return c.over.Load() }

// TooLarge tells the client why it will be closed.
func (c *client) TooLarge() { c.fail(hub.TooLarge, nil) }

// Closed makes the client one that is gone.
func (c *client) Closed(err error) {
	g := c.gateway
	c.heartbeat.stop()
	g.clients.Leave(c)
	c.over.Store(true)
	c.Close(endingOf(err))
	var panicked *wire.PanicError
	if errors.As(err, &panicked) {
		g.Panicked(panicked.Value, panicked.Stack)
	}
	g.Handlers.Log.Debug("disconnected", "connection", c.id, "reason", err.Error())
}

// endingOf is what the end of a connection says of its client (contract, section
// 11). A Close frame that answers ours says nothing.
func endingOf(err error) hub.Ending {
	var end *wire.CloseError
	if !errors.As(err, &end) {
		return hub.Broke
	}
	switch {
	case end.Code == closeReplaced && !end.Remote:
		return hub.Goodbye
	case end.Remote && (end.Code == wire.CloseNormal || end.Code == wire.CloseNoStatus):
		return hub.Goodbye
	case end.Remote && end.Code == wire.CloseGoingAway:
		return hub.PageGone
	}
	return hub.Broke
}
