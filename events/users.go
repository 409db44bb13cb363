package events

import (
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// HandleUsers sends the client the list of users, behind all that it is to know before.
func (c *Client) HandleUsers(ask Ask) {
	c.handlers.Counters.Event(GetUsers)
	c.handlers.Hub.List(&c.Member, ask.Batch)
}

// HandleDiscover calls answer with the user that has the ID, or nil. Where the other
// instances have to be asked, that is later, and the error is a wire.Hold.
func (c *Client) HandleDiscover(id string, answer func(*hub.User)) error {
	u, known := c.handlers.Hub.Lookup(id)
	if known {
		answer(u)
		return nil
	}
	return &wire.Hold{Do: func() { answer(c.handlers.Hub.AwaitLookup(id)) }}
}
