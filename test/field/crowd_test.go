package field

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A crowd is a pair of clients of each row. Each pair calls each other.
type crowd struct {
	t        *testing.T
	programs programs
	pairs    []*pair
}

type pair struct {
	row  *row
	a, b *client
}

// A client is what is known of one client, from its reports.
type client struct {
	spec spec
	of   *program

	mu  sync.Mutex
	now state
}

// A state is what a client has reported so far.
type state struct {
	registered bool
	since      time.Time // the last registration
	joins      int       // registrations
	losses     int       // ends of connections
	refusals   int       // connections that came to nothing
	reason     string    // of the last loss or refusal
	heard      []report  // relays
	emitted    []string  // bodies of relays that the app has sent by itself
	errors     []string
}

// take notes a report.
func (c *client) take(r report, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := &c.now
	switch r.Event {
	case "registered":
		if !now.registered {
			now.registered, now.since = true, at
			now.joins++
		}
	case "lost":
		if now.registered {
			now.losses++
		} else {
			now.refusals++
		}
		now.registered, now.reason = false, r.Text
	case "refused":
		now.refusals++
		now.reason = r.Text
	case "error":
		now.errors = append(now.errors, r.Text)
	case "emitted":
		now.emitted = append(now.emitted, r.Body)
	default:
		now.heard = append(now.heard, r)
	}
}

// state is a copy of what the client has reported.
func (c *client) state() state {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.now
	s.heard, s.emitted, s.errors = slices.Clone(s.heard), slices.Clone(s.emitted), slices.Clone(s.errors)
	return s
}

func (c *client) hears(event, body string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.now.heard, report{Key: c.spec.Key, Event: event, Body: body})
}

// A place is where the two users of each pair connect to, and what they show.
type place struct {
	a, b   string // addresses
	steady string // where set: the address of users whose peer emits while disconnected
	token  func(user string) string
}

func at(addr string) place { return place{a: addr, b: addr} }

var crowds atomic.Int64

// gather connects two clients of each row, and waits until all are registered
// and have called each other. At the end of the test they leave.
func gather(t *testing.T, ps programs, rows []*row, where place) *crowd {
	t.Helper()
	c := &crowd{t: t, programs: ps}
	number := crowds.Add(1)
	joining := make(map[string][]*client)
	for _, r := range rows {
		add := func(end, peer, addr string) *client {
			s := r.spec
			s.ID, s.Peer = r.user(end), r.user(peer)
			s.Key = fmt.Sprintf("%d %s", number, s.ID)
			s.URL = r.url(addr, s.ID)
			if where.token != nil {
				s.Token = where.token(s.ID)
			}
			// One of the two does by itself what the row is about.
			s.Eager, s.Greets = s.Eager && end == "a", s.Greets && end == "a"
			c := &client{spec: s, of: ps[r.program]}
			joining[r.program] = append(joining[r.program], c)
			return c
		}
		b := where.b
		if r.Eager && where.steady != "" {
			b = where.steady
		}
		c.pairs = append(c.pairs, &pair{row: r, a: add("a", "b", where.a), b: add("b", "a", b)})
	}
	for name, clients := range joining {
		ps[name].join(t, clients)
	}
	t.Cleanup(c.leave)
	rig.Eventually(t, "all registered", func() bool { return len(c.missing()) == 0 })
	c.callAll(time.Now().Add(rig.Patience))
	return c
}

// all are the clients.
func (c *crowd) all() (all []*client) {
	for _, p := range c.pairs {
		all = append(all, p.a, p.b)
	}
	return all
}

// missing are the users that are not registered.
func (c *crowd) missing() (ids []string) {
	for _, one := range c.all() {
		if s := one.state(); !s.registered {
			ids = append(ids, one.spec.ID+" ("+s.reason+")")
		}
	}
	return ids
}

// leave has all clients disconnect.
func (c *crowd) leave() {
	keys := make(map[*program][]string)
	for _, one := range c.all() {
		keys[one.of] = append(keys[one.of], one.spec.Key)
	}
	for p, k := range keys {
		p.tell(c.t, map[string]any{"do": "leave", "keys": k})
	}
}

// watch returns a function that lists the users whose connections have ended
// since.
func (c *crowd) watch() (lost func() []string) {
	before := make(map[*client]int)
	for _, one := range c.all() {
		before[one] = one.state().losses
	}
	return func() (ids []string) {
		for one, n := range before {
			if s := one.state(); s.losses > n {
				ids = append(ids, one.spec.ID+" ("+s.reason+")")
			}
		}
		return ids
	}
}

// awaitLosses waits until no client is connected.
func (c *crowd) awaitLosses() {
	c.t.Helper()
	rig.Eventually(c.t, "all disconnected", func() bool { return len(c.missing()) == len(c.all()) })
}

// awaitRefusals waits until each client has tried to come back, and was refused.
// It leaves out Python's, whose library does not report every attempt.
func (c *crowd) awaitRefusals() {
	c.t.Helper()
	before := make(map[*client]int)
	for _, one := range c.all() {
		if one.of != c.programs["python"] {
			before[one] = one.state().refusals
		}
	}
	var waiting []string
	if !within(rig.Patience, func() bool {
		waiting = nil
		for one, n := range before {
			if s := one.state(); s.refusals == n && !s.registered {
				waiting = append(waiting, fmt.Sprintf("%s (%s)", one.spec.ID, s.reason))
			}
		}
		return len(waiting) == 0
	}) {
		slices.Sort(waiting)
		c.t.Errorf("have given up: %s", strings.Join(waiting, ", "))
	}
}

// mayHear are the errors that a client may get while the path is broken.
var mayHear = regexp.MustCompile(`^User .* (not found|is not online|is not responding)$|^Server unavailable$|^Rate limit exceeded$`)

// within waits until condition holds, and reports whether it did so in time.
func within(patience time.Duration, condition func() bool) bool {
	return until(time.Now().Add(patience), condition)
}

func until(deadline time.Time, condition func() bool) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}
