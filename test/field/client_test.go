package field

import (
	"fmt"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// sleep stops the processes of a crowd until the server has given its clients
// up, and for the length of the fate.
func sleep(t *testing.T, ps programs, s *rig.Server) {
	t.Helper()
	began := time.Now()
	ps.signal(t, rig.Freeze)
	rig.EventuallyWithin(t, 2*time.Minute, "clients given up", func() bool { stats := s.Stats(); return stats.Clients() == 0 })
	pause(time.Until(began.Add(either(5*time.Second, 60*time.Second))))
}

// clientAsleep puts the clients to sleep.
func clientAsleep(t *testing.T, f fate, _ programs) {
	addr := rig.FreeAddr(t)
	s := start(t, addr)
	ps := startPrograms(t) // others must not sleep with them
	c := gather(t, ps, rows(), at(addr))
	sleep(t, ps, s)
	ps.signal(t, rig.Thaw)
	c.back(f.name, time.Now())
}

// takenOverAsleep has second devices take the names of clients that sleep. When
// the sleepers wake up, each name has one holder, and keeps it.
func takenOverAsleep(t *testing.T, f fate, ps programs) {
	addr := rig.FreeAddr(t)
	s := start(t, addr)
	asleep := startPrograms(t)
	first := gather(t, asleep, rows(), at(addr))
	asleep.signal(t, rig.Freeze)
	second := gather(t, ps, rows(), at(addr))
	rig.EventuallyWithin(t, 2*time.Minute, "sleepers given up", func() bool {
		stats := s.Stats()
		return stats.Clients() == len(second.all())
	})
	pause(either(time.Second, 15*time.Second))
	asleep.signal(t, rig.Thaw)
	woken := time.Now()

	// Until then the sleepers notice, and those that come back take their names.
	pause(time.Until(woken.Add(limit)))
	before := joins(first, second)
	pause(either(5*time.Second, 30*time.Second))
	after := joins(first, second)
	first.each(func(p *pair) {
		q := second.pairs[first.index(p)]
		a, err := holder(p.a, q.a, before, after)
		if err == nil {
			var b *client
			if b, err = holder(p.b, q.b, before, after); err == nil {
				_, err = p.call(first, a, b, time.Now().Add(limit))
			}
		}
		if err != nil {
			fail(t, p, f.name, err)
			return
		}
		for _, one := range []*client{p.a, p.b, q.a, q.b} {
			if state := one.state(); state.registered {
				results.add(p.row.name, f.name, max(state.since.Sub(woken), 0))
			}
		}
	})
}

// pageReloaded reloads the page of a client whose peer calls it on
// peer-connected: it is that call which must go through.
func pageReloaded(t *testing.T, f fate, ps programs) {
	addr := rig.FreeAddr(t)
	start(t, addr)
	c := gather(t, ps, greeters(), at(addr))
	for range 3 {
		c.each(func(p *pair) {
			before := p.a.state()
			began := time.Now()
			p.b.of.tell(t, map[string]any{"do": "reload", "key": p.b.spec.Key})
			var greeting string
			if !until(began.Add(limit), func() bool {
				if now := p.a.state(); len(now.emitted) > len(before.emitted) {
					greeting = now.emitted[len(now.emitted)-1]
					return p.b.hears("offer", greeting) && p.a.hears("answer", greeting) && p.b.hears("ice-candidate", greeting)
				}
				return false
			}) {
				fail(t, p, f.name, fmt.Errorf("after a reload, the call %q did not go through", greeting))
				return
			}
			results.add(p.row.name, f.name, time.Since(began))
		})
	}
}
