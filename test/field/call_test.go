package field

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// callPatience is how long a call may take while nobody's connection ends.
const callPatience = 10 * time.Second

var calls atomic.Int64

// call has a call b: offer, answer, candidate, each of them as it was sent. It
// is tried again only where a connection ended meanwhile, or where the server
// has answered with an error, and begun at the latest at the deadline. It returns
// when it was through.
func (p *pair) call(c *crowd, a, b *client, deadline time.Time) (time.Time, error) {
	var reason string
	for {
		var before [2]state
		if !until(deadline, func() bool {
			before = [2]state{a.state(), b.state()}
			return before[0].registered && before[1].registered
		}) {
			return time.Time{}, fmt.Errorf("not registered: %s%s%s", missing(a), missing(b), reason)
		}
		body := fmt.Sprintf("call %d: v=0\r\n\"ü\" 😀", calls.Add(1))
		a.of.tell(c.t, map[string]any{"do": "call", "key": a.spec.Key, "to": b.spec.ID, "body": body})
		var ended time.Time
		again := false
		if !within(callPatience, func() bool {
			if b.hears("offer", body) && a.hears("answer", body) && b.hears("ice-candidate", body) {
				ended = time.Now()
				return true
			}
			now := [2]state{a.state(), b.state()}
			for i := range now {
				if now[i].losses > before[i].losses || len(now[i].errors) > len(before[i].errors) {
					again = true
					reason = fmt.Sprintf("; the last call failed: %s, %q", now[i].reason, now[i].errors[len(before[i].errors):])
				}
			}
			return again
		}) {
			return time.Time{}, fmt.Errorf("the call of %s got lost: heard the offer: %v, the answer: %v, the candidate: %v",
				a.spec.ID, b.hears("offer", body), a.hears("answer", body), b.hears("ice-candidate", body))
		}
		if !again {
			return ended, nil
		}
		if time.Now().After(deadline) {
			return time.Time{}, fmt.Errorf("no call in time%s", reason)
		}
	}
}

// missing says why a client is not registered, where it is not.
func missing(c *client) string {
	if s := c.state(); !s.registered {
		return fmt.Sprintf("%s (%s; %d ends, %d refusals) ", c.spec.ID, s.reason, s.losses, s.refusals)
	}
	return ""
}

// callAll has all pairs call each other at once.
func (c *crowd) callAll(deadline time.Time) {
	c.t.Helper()
	c.each(func(p *pair) {
		if _, err := p.call(c, p.a, p.b, deadline); err != nil {
			fail(c.t, p, c.t.Name(), err)
		}
	})
}

// each runs something for all pairs at once.
func (c *crowd) each(do func(p *pair)) {
	var running sync.WaitGroup
	for _, p := range c.pairs {
		running.Go(func() { do(p) })
	}
	running.Wait()
}

// back waits until all are registered again and have called each other, and puts
// into the table how long after whole that was.
func (c *crowd) back(fate string, whole time.Time) { c.t.Helper(); c.backBy(fate, whole, false) }

// backByCall is back for a fate that ends no connections: what counts is when
// the call goes through.
func (c *crowd) backByCall(fate string, whole time.Time) { c.t.Helper(); c.backBy(fate, whole, true) }

func (c *crowd) backBy(fate string, whole time.Time, byCall bool) {
	c.t.Helper()
	c.each(func(p *pair) {
		through, err := p.call(c, p.a, p.b, whole.Add(p.row.patience))
		if err == nil {
			err = p.owed()
		}
		if err != nil {
			fail(c.t, p, fate, err)
			return
		}
		for _, one := range []*client{p.a, p.b} {
			s := one.state()
			if byCall {
				s.since = through
			}
			results.add(p.row.name, fate, max(s.since.Sub(whole), 0))
		}
	})
}

// owed checks that nothing got lost without a word that the apps have sent by
// themselves: it came before the call that went through.
func (p *pair) owed() error {
	a, b := p.a.state(), p.b.state()
	for _, s := range []state{a, b} {
		if slices.ContainsFunc(s.errors, func(text string) bool { return !mayHear.MatchString(text) && !p.row.queues(text) }) {
			slices.Sort(s.errors)
			return fmt.Errorf("got %d errors, %q among them", len(s.errors), slices.Compact(s.errors))
		}
	}
	var lost []string
	for _, body := range a.emitted {
		if !slices.ContainsFunc(b.heard, func(r report) bool { return r.Body == body }) {
			lost = append(lost, body)
		}
	}
	// A peer that was not back yet is an error for each of them.
	if p.row.Eager && len(lost) > len(a.errors) {
		return fmt.Errorf("%d of %d relays sent while disconnected got lost, with %d errors: %s",
			len(lost), len(a.emitted), len(a.errors), strings.Join(lost, ", "))
	}
	return nil
}
