package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const (
	// inTime is when a relay must have been answered: 5 seconds, and what a
	// machine with other work needs.
	inTime = 5*time.Second + 3*time.Second
	// recovery is when everybody must know the truth after a fault.
	recovery = 10 * time.Second
)

// quiet has everybody be silent, and checks that all is well by now: the fault
// that there was is over since now.
func (w *world) quiet() {
	w.t.Helper()
	over := time.Now()
	w.mu.Lock()
	w.paused = true
	w.mu.Unlock()
	rig.Eventually(w.t, "all users connected", func() bool { return w.connected() })
	w.await(recovery, over, "the truth", w.untruth)
	w.await(inTime, time.Now(), "an answer to every relay", w.open)
	w.mu.Lock()
	w.audit()
	for _, s := range w.strange[:min(len(w.strange), 20)] {
		w.t.Error(s)
	}
	failed := w.t.Failed()
	w.strange = nil
	w.forget()
	w.paused = false
	w.mu.Unlock()
	if failed {
		for _, n := range w.nodes {
			if n.server != nil {
				w.t.Logf("log of %s:\n%s", n.name, n.server.Log.Tail())
			}
		}
		w.t.FailNow()
	}
}

// await waits until what returns nothing.
func (w *world) await(patience time.Duration, since time.Time, name string, what func() string) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := what()
		if missing == "" {
			return
		}
		if time.Since(since) > patience {
			w.t.Errorf("not within %v: %s: %s", patience, name, missing)
			return
		}
		<-tick.C
	}
}

func (w *world) connected() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.users {
		if u.now == nil && !u.gone {
			return false
		}
	}
	return true
}

// online is how many are. w.mu is held.
func (w *world) online() (names map[string]bool) {
	names = make(map[string]bool)
	for _, u := range w.users {
		if u.now != nil {
			names[u.name] = true
		}
	}
	return names
}

// untruth says who believes, or which instance says, what is not so.
func (w *world) untruth() string {
	sum := 0
	w.mu.Lock()
	servers := make([]*rig.Server, 0, len(w.nodes))
	for _, n := range w.nodes {
		if n.server != nil {
			servers = append(servers, n.server)
		}
	}
	w.mu.Unlock()
	for _, s := range servers {
		var health struct{ ConnectedUsers int }
		if _, err := s.Get("/health", &health); err != nil {
			return err.Error()
		}
		sum += health.ConnectedUsers
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	truth := w.online()
	if sum != len(truth) {
		return fmt.Sprintf("%d users are counted of %d", sum, len(truth))
	}
	for _, u := range w.users {
		if u.now == nil || u.family != rig.Oodaa && !w.watched() || slices.Contains(w.env, "PRESENCE=none") {
			continue
		}
		visible := maps.Clone(truth)
		maps.DeleteFunc(visible, func(name string, _ bool) bool { return name == u.name || !u.sees(name) })
		if !maps.Equal(u.now.view, visible) {
			return fmt.Sprintf("%s on %s sees %v of %v", u.name, u.now.node.name,
				slices.Sorted(maps.Keys(u.now.view)), slices.Sorted(maps.Keys(visible)))
		}
	}
	return ""
}

// open says which relay is open.
func (w *world) open() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lost := make(map[*link]map[string]int)
	for _, r := range w.relays {
		if !r.from.ended.IsZero() || r.from.left {
			continue
		}
		if r.from.user.family == rig.Volli {
			if len(r.arrived) == 0 && !w.excused(r) {
				if lost[r.from] == nil {
					lost[r.from] = make(map[string]int)
				}
				lost[r.from][r.to.name]++
			}
			continue
		}
		if r.answered.IsZero() {
			return r.String()
		}
		if r.ok && len(r.arrived) == 0 && !w.excused(r) {
			return "acknowledged and not there: " + r.String()
		}
	}
	for l, names := range lost {
		for name, n := range names {
			if n > l.errors[name] {
				return fmt.Sprintf("%d relays of %s to %s, with %d errors", n, l.user.name, name, l.errors[name])
			}
		}
	}
	return ""
}

func (r *relay) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "relay %d of %s on %s to %s, sent %s", r.id, r.from.user.name, r.from.node.name, r.to.name, r.sent.Format("05.000"))
	if !r.answered.IsZero() {
		fmt.Fprintf(&b, ", ok %v at %s", r.ok, r.answered.Format("05.000"))
	}
	for _, a := range r.arrived {
		fmt.Fprintf(&b, ", arrived on %s at %s", a.link.node.name, a.at.Format("05.000"))
	}
	return b.String()
}

// excused reports whether a relay may be lost although it was handed to its
// target's connection: that connection has ended. w.mu is held.
func (w *world) excused(r *relay) bool {
	by := r.answered
	if by.IsZero() {
		by = r.sent.Add(inTime)
	}
	for _, l := range r.to.links {
		if (!l.ended.IsZero() && l.ended.After(r.sent.Add(-time.Second)) || l.left) && l.opened.Before(by) {
			return true
		}
	}
	return false
}

// audit checks what became of all relays since the last time. w.mu is held.
func (w *world) audit() {
	for _, r := range w.relays {
		if len(r.arrived) > 0 {
			w.totals.delivered++
		}
		if len(r.arrived) > 1 {
			w.t.Errorf("delivered twice: %s", r)
		}
		for _, a := range r.arrived {
			if a.link.user != r.to {
				w.t.Errorf("delivered to %s: %s", a.link.user.name, r)
			}
		}
		if r.answered.IsZero() {
			if !r.from.ended.IsZero() || r.from.left {
				w.totals.excused++
			}
			continue
		}
		if !r.ok {
			w.totals.refused++
			if w.expectAll {
				w.t.Errorf("refused: %s", r)
			}
			if len(r.arrived) > 0 {
				w.totals.doubtful++
			}
		}
		from := r.sent
		if thawed := r.from.node.thawed; thawed.After(from) {
			from = thawed
		}
		took := r.answered.Sub(from)
		w.totals.slowest = max(w.totals.slowest, took)
		if took > inTime {
			w.t.Errorf("answered after %v: %s", took, r)
		}
	}
	for _, u := range w.users {
		for _, l := range u.links {
			for _, n := range l.errors {
				w.totals.refused += n
			}
			last := make(map[*link]*relay)
			for _, r := range l.got {
				if before := last[r.from]; before != nil && before.id > r.id {
					w.t.Errorf("overtaken: %s by %s", r, before)
				}
				last[r.from] = r
			}
		}
	}
}

// forget begins a new account. w.mu is held.
func (w *world) forget() {
	for _, u := range w.users {
		u.links = slices.DeleteFunc(u.links, func(l *link) bool { return !l.ended.IsZero() })
		for _, l := range u.links {
			l.got = nil
			clear(l.acks)
			clear(l.early)
			clear(l.errors)
		}
	}
	for _, r := range w.relays {
		// What an instance has of a connection that is no more may come as
		// long as anything may wait.
		if (!r.from.ended.IsZero() || r.from.left) && len(r.arrived) == 0 && r.answered.IsZero() {
			w.late[r.id] = true
		}
	}
	w.first += len(w.relays)
	w.relays = nil
}
