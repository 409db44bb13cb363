package oodaa

import (
	"errors"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// The client as an events.Family.

// emit queues an event behind what the client is to know before.
func (c *client) emit(args []byte, batch *wire.Batch) {
	c.gateway.Handlers.Hub.CatchUp(&c.Member, batch)
	_ = c.socket.Emit(args, nil, batch) // an error is the client's end, which Closed tells
}

var done = []byte(`[{"ok":true}]`)

// ack answers an event that wants it, with the text where the outcome is an
// error.
func (c *client) ack(ask events.Ask, outcome hub.Outcome, text string) {
	switch {
	case ask.Ack == events.NoAck:
	case outcome == hub.OK:
		_ = c.socket.Ack(ask.Ack, done, nil, ask.Batch)
	default:
		_ = c.socket.Ack(ask.Ack, appendFailure(nil, outcome, text), nil, ask.Batch)
	}
}

// fail answers an event with an error.
func (c *client) fail(ask events.Ask, outcome hub.Outcome, kind hub.Kind, to []byte) {
	text := text(outcome, kind, to)
	c.gateway.errors.Count(outcome, kind)
	c.emit(appendError(nil, text), ask.Batch)
	c.ack(ask, outcome, text)
}

// Failed sends the error of anything else but a relay.
func (c *client) Failed(ask events.Ask, outcome hub.Outcome) { c.fail(ask, outcome, 0, nil) }

// Registered answers a register.
func (c *client) Registered(ask events.Ask, _ string, outcome hub.Outcome) {
	if outcome != hub.OK {
		c.fail(ask, outcome, 0, nil)
		c.refuseEarly(ask.Batch)
		return
	}
	c.known = true
	c.ack(ask, hub.OK, "")
}

// Settled handles the relays that waited for the register.
func (c *client) Settled(batch *wire.Batch) { c.handleEarly(batch) }

// Replied answers a relay whose outcome was open.
func (c *client) Replied(r *hub.Reply) {
	ask := events.Ask{Ack: r.Ack, Batch: r.Batch}
	c.gateway.Handlers.Counters.Relay(r.Kind, r.Outcome)
	switch {
	case r.Outcome == hub.OK:
		c.ack(ask, hub.OK, "")
	case r.Quiet:
		c.ack(ask, r.Outcome, text(r.Outcome, r.Kind, r.To))
	default:
		c.fail(ask, r.Outcome, r.Kind, r.To)
	}
}

// ICEServers sends the acknowledgement where one is wanted, else the event.
func (c *client) ICEServers(ask events.Ask, servers []byte) {
	if ask.Ack != events.NoAck {
		_ = c.socket.Ack(ask.Ack, append(append([]byte("["), servers...), ']'), nil, ask.Batch)
		return
	}
	c.emit(append(append([]byte(`["ice-servers",`), servers...), ']'), ask.Batch)
}

// End ends the transport, so that the client comes back by itself.
func (c *client) End(why events.Ending) { c.socket.Close(endings[why]) }

var endings = map[events.Ending]string{
	events.NotRegisteredInTime: "register timeout",
	events.TokenExpired:        "token expired",
	events.Unserviceable:       "unavailable",
}

// Spell spells the list of users.
func (c *client) Spell(users *hub.Roster, u *hub.User) []byte { return spellUsers(users, u) }

// SpellWatched spells the list of the watched users that are online.
func (c *client) SpellWatched(online *hub.Roster) []byte { return spellUsers(online, nil) }

// Tell queues what was spelled.
func (c *client) Tell(spelled []byte, batch *wire.Batch) bool {
	return !errors.Is(c.socket.Emit(spelled, nil, batch), socketio.ErrSlow)
}

// Announce queues a change, spelled once for all clients.
func (c *client) Announce(change *hub.Change, batch *wire.Batch) bool {
	return c.Tell(change.Spelled(events.OodaaForm, spellChange), batch)
}

// Busy reports whether something waits for the client.
func (c *client) Busy() bool { return c.socket.Waiting() > 0 }

// eventNames is more than appendRelay adds to the payload and the sender.
const eventNames = 64

// Relay puts a relay on the client's connection.
func (c *client) Relay(r *hub.Relay) hub.Outcome {
	c.gateway.Handlers.Hub.CatchUp(&c.Member, r.Batch)

	room := wire.Borrow(len(r.Payload) + len(r.From.JSON) + eventNames)
	defer room.Free()
	args := appendRelay(room.B, r)
	if len(args) > c.gateway.MaxMessage || !c.fits(args, r.Attachments) {
		return hub.TooLarge
	}
	if c.over.Load() {
		return hub.NotFound
	}
	switch c.socket.Relay(args, r.Attachments, r.Receipt(), r.Batch) {
	case nil:
		return hub.OK
	case socketio.ErrFull:
		return hub.NotResponding
	case socketio.ErrClosed:
		c.over.Store(true)
	}
	return hub.NotFound
}

// framing is more than any engine adds to one message.
const framing = 64

// fits reports whether an event can leave at all.
func (c *client) fits(args []byte, attachments [][]byte) bool {
	size := len(args) + framing
	for _, a := range attachments {
		size += len(a) + framing
	}
	return size <= c.gateway.MaxOutbox
}

// Replaced disconnects the client, whose name another connection took.
func (c *client) Replaced(q *hub.Question) []*hub.Held {
	c.over.Store(true)
	unacknowledged := c.HandOver()
	if q != nil {
		c.socket.DisconnectAsking(q.Answer)
	} else {
		c.socket.Disconnect()
	}
	return unacknowledged
}

// TakeBack takes back the relays that the client has not acknowledged.
func (c *client) TakeBack() (relays []*hub.Held) {
	u := c.Registration()
	if u == nil {
		return nil
	}
	c.socket.Unacknowledged(func(receipt wire.Receipt, args []byte, attachments [][]byte) {
		_, rest, _ := rawjson.SkipValue(args[1:]) // behind the event's name
		var payload [1][]byte
		if scanArguments(rest, []string{hub.Kind(receipt.Kind).Payload()}, payload[:]) {
			relays = append(relays, c.gateway.Handlers.Hub.Unacknowledged(u, receipt, payload[0], attachments, nil))
		}
	})
	return relays
}

// Over reports whether the connection takes nothing any more.
func (c *client) Over() bool { return c.over.Load() }
