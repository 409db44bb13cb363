package events

import (
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// MayRelay reports whether the client may send a relay as the sender that the
// message names, a raw JSON string: OK, NotRegistered or SenderMismatch.
func (c *Client) MayRelay(from []byte) hub.Outcome {
	switch u := c.User(); {
	case u == nil:
		return hub.NotRegistered
	case !u.Named(from):
		return hub.SenderMismatch
	}
	return hub.OK
}

// HandleRelay hands an offer, answer, candidate or custom message to its target. It
// sets r.From and r.Sender. from is as in MayRelay. Pending says that the
// gateway's Replied is called with what became of it.
func (c *Client) HandleRelay(r *hub.Relay, from []byte) hub.Outcome {
	outcome := c.MayRelay(from)
	if outcome == hub.OK {
		r.From, r.Sender, r.Address = c.User(), c.family, c.address
		if r.From == nil { // since
			outcome = hub.NotRegistered
		} else {
			outcome = c.handlers.Hub.Relay(r)
		}
	}
	if outcome != hub.Pending {
		c.handlers.Counters.Relay(r.Kind, outcome)
	}
	return outcome
}

// ValidPayload reports whether a raw JSON value may be a relay's payload.
func ValidPayload(raw []byte) bool { return !rawjson.Falsy(raw) }
