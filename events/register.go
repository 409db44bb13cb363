package events

import (
	"time"

	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// Limits of user IDs and keys.
const (
	MaxOodaaUserID = 50   // UTF-16 code units
	MaxVolliUserID = 256  // bytes
	MaxVolliKey    = 4096 // bytes
)

// Allowed reports whether the client's token allows the user ID: OK,
// UserNotAllowed or Unauthorized.
func (c *Client) Allowed(id string) hub.Outcome {
	switch {
	case c.handlers.Tokens == nil:
		return hub.OK
	case c.grant == nil:
		return hub.Unauthorized
	}
	return Allows(c.grant, id)
}

// Allows reports whether a token allows the user ID: OK, UserNotAllowed or
// Unauthorized.
func Allows(grant *auth.Grant, id string) hub.Outcome {
	switch {
	case id != grant.UserID:
		return hub.UserNotAllowed
	case grant.Over(time.Now()):
		return hub.Unauthorized
	}
	return hub.OK
}

// HandleRegister gives the client a user ID (contract, section 1):
//
//  1. The client's token, where one is needed, must allow the ID.
//  2. The hub gives it the ID, and takes it from the client that held it.
//  3. The client is told, together with the list of users, and gets the relays that
//     were held for the ID.
//  4. Its registration ends with its token.
//  5. Where the ID had another connection, what the client sends next waits until
//     it is settled whether that is another device (section 11).
//
// key is a public key, or empty; proved tells that the client has proved to hold
// it. The client's next message waits for the Hold, where there is one.
func (c *Client) HandleRegister(ask Ask, id, key string, proved bool) wire.Hold {
	if outcome := c.Allowed(id); outcome != hub.OK {
		c.registered(ask, id, outcome)
		return nil
	}
	h := c.handlers.Hub
	claim := hub.Claim{ID: id, Key: key, Guarded: c.handlers.Guarded, Proved: proved}
	if h.RegisterWaits() {
		return func() {
			c.registered(Ask{Ack: ask.Ack}, id, h.Register(&c.Member, claim, nil))
			c.awaitVerdict()
		}
	}
	c.registered(ask, id, h.Register(&c.Member, claim, ask.Batch))
	if h.Verdict(&c.Member) != nil {
		return c.awaitVerdict
	}
	if c.User() != nil {
		c.family.Settled(ask.Batch)
	}
	return nil
}

func (c *Client) awaitVerdict() {
	if verdict := c.handlers.Hub.Verdict(&c.Member); verdict != nil {
		<-verdict
	}
	if c.User() != nil {
		c.family.Settled(nil)
	}
}

func (c *Client) registered(ask Ask, id string, outcome hub.Outcome) {
	h := c.handlers
	if outcome != hub.OK {
		c.family.Registered(ask, id, outcome)
		if outcome == hub.Unavailable { // the client may try elsewhere, or again
			c.family.End(Unserviceable)
		}
		return
	}
	c.budget.Name(id, ask.Batch.Begun())
	if c.grant != nil && !c.grant.Expires.IsZero() {
		ends := c.grant.Ends(time.Now())
		c.ends.Store(ends.UnixNano())
		h.Deadlines.Set(&c.deadline, ends, c)
	} else {
		c.ends.Store(0)
		h.Deadlines.Stop(&c.deadline)
	}
	h.Log.Debug("registered", "connection", c.family.ID(), "user", id)
	c.family.Registered(ask, id, hub.OK)
}
