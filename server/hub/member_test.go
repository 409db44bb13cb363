package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client is a connection that writes down what it is told: "+a" and "-a" for
// announcements, "[a b]" for a list, "{a b}" for one of the watched.
type client struct {
	Member
	hub *Hub
	id  string

	announced func() // if not nil, called first for each announcement
	quiet     bool   // it writes no list down
	over      bool
	busy      atomic.Bool
	told      func() // if not nil, called first for each list

	mu       sync.Mutex
	heard    []string
	replaced int
}

func (c *client) Relay(*Relay) Outcome { return OK }

// Replaced leaves, as a connection does that is cut.
func (c *client) Replaced(*Question) []*Held {
	c.mu.Lock()
	c.replaced++
	c.mu.Unlock()
	c.hub.Leave(&c.Member, Goodbye, nil)
	return nil
}

func (c *client) Over() bool { return c.over }
func (c *client) Busy() bool { return c.busy.Load() }

func (c *client) Announce(change *Change, _ *wire.Batch) bool {
	if c.announced != nil {
		c.announced()
	}
	c.hear(short(change))
	return true
}

func (c *client) Spell(users *Roster, u *User) []byte {
	if c.quiet {
		return nil
	}
	return spellList(users, u)
}

func (c *client) SpellWatched(online *Roster) []byte {
	list := spellList(online, nil)
	list[0], list[len(list)-1] = '{', '}'
	return list
}

func (c *client) Tell(spelled []byte, _ *wire.Batch) bool {
	if c.told != nil {
		c.told()
	}
	c.hear(string(spelled))
	return true
}

func (c *client) hear(what string) {
	c.mu.Lock()
	c.heard = append(c.heard, what)
	c.mu.Unlock()
}

// take returns what was heard since the last time, and whether that was the end:
// who is replaced may or may not be told of others before.
func (c *client) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := c.heard
	if c.heard = nil; c.replaced > 0 {
		heard = slices.DeleteFunc(heard, func(what string) bool { return what[0] == '-' || what[0] == '+' })
		heard = append(heard, "replaced")
	}
	for ; c.replaced > 1; c.replaced-- {
		heard = append(heard, "again")
	}
	c.replaced = 0
	return strings.Join(heard, " ")
}

// register claims the name, and writes down a refusal.
func (c *client) register(name string) Outcome {
	code := c.hub.Bind(&c.Member, Claim{ID: name}, nil)
	if code != OK {
		c.hear(fmt.Sprint("refused:", code))
	}
	return code
}

// watch changes what the client watches, and writes down a refusal.
func (c *client) watch(how WatchHow, ids ...string) Outcome {
	code := c.hub.Watch(&c.Member, WatchList{how, ids}, new(wire.Holder), nil)
	if code != OK {
		c.hear(fmt.Sprint("refused:", code))
	}
	return code
}

// short is a change as a client writes it down.
func short(c *Change) string {
	if c.Online {
		return "+" + c.User.ID
	}
	return "-" + c.User.ID
}

// spellList is a list of users as a client writes it down. Names are plain letters
// and digits.
func spellList(users *Roster, except *User) []byte {
	names := strings.Split(strings.ReplaceAll(string(users.AppendNames(nil, except)), `"`, ""), ",")
	if users != nil && users.at == nil {
		slices.Sort(names) // of the watched, which have no order
	}
	return []byte("[" + strings.Join(names, " ") + "]")
}

// join makes a new client a member that is told of the others.
func join(h *Hub, id string) *client {
	c := &client{hub: h, id: id}
	h.Join(&c.Member, c, true)
	return c
}

// joinDeaf makes a new client a member that is told nothing.
func joinDeaf(h *Hub, id string) *client {
	c := &client{hub: h, id: id}
	h.Join(&c.Member, c, false)
	return c
}

// start starts a hub that ends with the test.
func start(t testing.TB, presence bool) *Hub {
	h := New(Options{Presence: presence})
	t.Cleanup(h.Close)
	return h
}
