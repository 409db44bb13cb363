package events

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// A Client is one client's connection, as far as the contract goes. Gateways
// embed it, call Open once, and Close at the connection's end. Its other methods
// are for the goroutine that handles the connection's messages.
type Client struct {
	hub.Member
	handlers *Handlers
	family   Family
	budget   *wire.Budget // of the connection

	address  string        // what counts as one client where clients are limited
	handing  sync.Mutex    // held from when relays are taken back until the hub has them
	deadline wire.Deadline // for registering; then, that of the token
	ends     atomic.Int64  // Unix nanoseconds of when the token ends the registration; 0: never
	grant    *auth.Grant   // of the token that the client has shown; nil: of none
	renewal  *wire.Repeat  // of ICE servers; nil: the client has not asked for any
	watching *wire.Holder  // of the list of users that the client watches; nil: there was none
}

// A Connection is what a gateway knows of a client's connection.
type Connection struct {
	Opened time.Time
	// Address is what counts as one client where clients are limited; empty: not
	// known.
	Address string
	Budget  *wire.Budget
}

// Open makes the client a member of the hub; with hears, one that is told who
// comes and goes.
func (c *Client) Open(h *Handlers, family Family, hears bool, conn Connection) {
	c.handlers, c.family, c.budget, c.address = h, family, conn.Budget, conn.Address
	h.Hub.Join(&c.Member, family, hears)
	if h.RegisterTimeout <= 0 {
		return
	}
	if ends := conn.Opened.Add(h.RegisterTimeout); time.Now().Before(ends) {
		h.Deadlines.Set(&c.deadline, ends, c)
	} else {
		// Now, since a Socket.IO client may leave its namespace before a deadline that
		// is over would end it, and join it again, for as long as it likes.
		c.Expired(ends)
	}
}

// Close ends the client, whose connection has ended so.
func (c *Client) Close(ending hub.Ending) {
	c.handlers.Deadlines.Stop(&c.deadline)
	c.renewal.Stop()
	c.handing.Lock()
	var unacknowledged []*hub.Held
	if ending != hub.Goodbye {
		unacknowledged = c.family.TakeBack()
	}
	failed := c.handlers.Hub.Leave(&c.Member, ending, unacknowledged)
	c.handing.Unlock()
	hub.Fail(failed)
}

// HandOver takes back relays for the connection that takes the name. What Close takes
// at the same time is with the hub then.
func (c *Client) HandOver() []*hub.Held {
	c.handing.Lock()
	defer c.handing.Unlock()
	return c.family.TakeBack()
}

// Expired ends the connection of a client that has not registered in time, or
// whose token has expired.
func (c *Client) Expired(at time.Time) {
	h := c.handlers
	if c.User() == nil {
		h.Log.Debug("not registered in time", "connection", c.family.ID())
		c.family.End(NotRegisteredInTime)
		return
	}
	if ends := c.ends.Load(); ends == 0 || at.UnixNano() < ends {
		return // it registered meanwhile
	}
	h.Log.Debug("token expired", "connection", c.family.ID())
	c.handing.Lock()
	failed := h.Hub.Release(&c.Member, c.family.TakeBack())
	c.handing.Unlock()
	hub.Fail(failed)
	c.family.Failed(Ask{Ack: NoAck}, hub.Unauthorized)
	c.family.End(TokenExpired)
}

// Authenticate checks the token of a client, and calls then with what came of it.
// Where the token's key is not known yet, the Hold does that.
func (h *Handlers) Authenticate(token string, then func(*auth.Grant, error) wire.Hold) wire.Hold {
	grant, err := h.Tokens.Verify(token)
	if errors.Is(err, auth.ErrUndecided) {
		return func() {
			grant, err := h.Tokens.Await(token)
			then(&grant, err).Wait()
		}
	}
	return then(&grant, err)
}

// Refusal is what a client is answered whose token was refused: Unavailable where it
// cannot be judged, which says nothing against it, else Unauthorized.
func Refusal(err error) hub.Outcome {
	if errors.Is(err, auth.ErrUnavailable) {
		return hub.Unavailable
	}
	return hub.Unauthorized
}

// Admit is Authenticate for a client that shows its token after it has connected.
// then is called where the token is good, or none is needed; else the client is
// answered.
func (c *Client) Admit(ask Ask, token string, then func(*auth.Grant) wire.Hold) wire.Hold {
	if c.handlers.Tokens == nil {
		return then(nil)
	}
	return c.handlers.Authenticate(token, func(grant *auth.Grant, err error) wire.Hold {
		if err == nil {
			return then(grant)
		}
		outcome := Refusal(err)
		c.family.Failed(ask, outcome)
		if outcome == hub.Unavailable {
			c.family.End(Unserviceable)
		}
		c.handlers.Log.Debug("token refused", "connection", c.family.ID(), "reason", err.Error())
		return nil
	})
}

// Grant is what the client's token allows; nil: it has shown none.
func (c *Client) Grant() *auth.Grant { return c.grant }

// SetGrant sets that. The client no longer watches users whom it does not allow.
func (c *Client) SetGrant(grant *auth.Grant) {
	c.grant = grant
	if grant != nil && c.watching != nil {
		c.handlers.Hub.Unwatch(&c.Member, func(id string) bool { return !grant.MayWatch(id) })
	}
}
