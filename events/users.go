package events

import (
	"slices"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// HandleUsers sends the client the list of users, behind all that it is to know before.
func (c *Client) HandleUsers(ask Ask) {
	c.handlers.Counters.Event(GetUsers)
	c.handlers.Hub.List(&c.Member, ask.Batch)
}

// A Watching is what a client asks to watch: raw JSON, of which one is to be there.
type Watching struct {
	Users       []byte // these, and nobody else
	Add, Remove []byte // these too, or no longer
}

// idsPerPacket is how many IDs in a list cost as much as a packet.
const idsPerPacket = 100

// HandleWatch changes which users the client watches, and tells it which of them are
// online. From then on it is told of these only (contract, section 12).
func (c *Client) HandleWatch(ask Ask, asked Watching) hub.Outcome {
	h := c.handlers
	h.Counters.Event(WatchUsers)
	list, ok := asked.read()
	c.budget.Charge((len(list.IDs)-1)/idsPerPacket, ask.Batch.Begun()) // the packet itself was charged
	if !ok {
		return hub.InvalidList
	}
	if c.grant != nil { // other users look as if they were offline
		list.IDs = slices.DeleteFunc(list.IDs, func(id string) bool { return !c.grant.MayWatch(id) })
	}
	if c.watching == nil {
		holder := h.Account.Open(func() { c.family.End(Unserviceable) })
		c.watching = &holder
	}
	return h.Hub.Watch(&c.Member, list, c.watching, ask.Batch)
}

// read reads the list. Not ok, it is what was read up to the mistake.
func (w *Watching) read() (list hub.WatchList, ok bool) {
	var raw []byte
	n := 0
	for how, value := range [...][]byte{hub.WatchOnly: w.Users, hub.WatchAlso: w.Add, hub.WatchNever: w.Remove} {
		if value != nil {
			list.How, raw = hub.WatchHow(how), value
			n++
		}
	}
	if n != 1 {
		return list, false
	}
	ok = rawjson.EachString(raw, func(id []byte) bool {
		// Any family's user may be watched.
		if len(list.IDs) == hub.MaxWatched || len(id) == 0 || len(id) > MaxVolliUserID {
			return false
		}
		list.IDs = append(list.IDs, string(id))
		return true
	})
	return list, ok
}

// HandleDiscover calls answer with the user that has the ID, or nil. Where the other
// instances have to be asked, the Hold does that.
func (c *Client) HandleDiscover(id string, answer func(*hub.User)) wire.Hold {
	u, known := c.handlers.Hub.Lookup(id)
	if known {
		answer(u)
		return nil
	}
	return func() { answer(c.handlers.Hub.AwaitLookup(id)) }
}
