package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A client is a connection that writes down what it is told: "+a" and "-a" for
// announcements, "[a b]" for a list.
type client struct {
	Member
	hub *Hub
	id  string

	announced func() // if not nil, called first for each announcement

	mu       sync.Mutex
	heard    []string
	replaced int
}

func (c *client) Relay(*events.Relay) events.Code { return events.OK }

// Replaced leaves, as a connection does that is cut.
func (c *client) Replaced() {
	c.mu.Lock()
	c.replaced++
	c.mu.Unlock()
	c.hub.Leave(&c.Member)
}

func (c *client) Announce(args []byte, _ *wire.Batch) {
	if c.announced != nil {
		c.announced()
	}
	c.hear(short(args))
}

func (c *client) listed(args []byte) { c.hear(short(args)) }

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
func (c *client) register(name string) events.Code {
	code := c.hub.Register(&c.Member, name, "", nil, c.listed)
	if code != events.OK {
		c.hear(fmt.Sprint("refused:", code.OodaaText(0, nil)))
	}
	return code
}

// short is an announcement or a list as a client writes it down. Names are
// plain letters and digits.
func short(args []byte) string {
	s := string(args)
	for _, form := range []struct{ before, after, sign string }{
		{`["peer-connected",{"peerId":"`, `"}]`, "+"},
		{`["peer-disconnected",{"peerId":"`, `"}]`, "-"},
	} {
		if name, ok := strings.CutPrefix(s, form.before); ok && strings.HasSuffix(name, form.after) {
			return form.sign + strings.TrimSuffix(name, form.after)
		}
	}
	if names, ok := strings.CutPrefix(s, `["user-list",{"users":[`); ok && strings.HasSuffix(names, `]}]`) {
		names = strings.TrimSuffix(names, `]}]`)
		return "[" + strings.ReplaceAll(strings.ReplaceAll(names, `"`, ""), ",", " ") + "]"
	}
	return "unknown:" + s
}

// join makes a new client a member that is told of the others.
func join(h *Hub, id string) *client {
	c := &client{hub: h, id: id}
	h.Join(&c.Member, c, c)
	return c
}

// joinDeaf makes a new client a member that is told nothing.
func joinDeaf(h *Hub, id string) *client {
	c := &client{hub: h, id: id}
	h.Join(&c.Member, c, nil)
	return c
}

// start starts a hub that ends with the test.
func start(t testing.TB, presence bool) *Hub {
	h := New(presence)
	t.Cleanup(h.Close)
	return h
}
