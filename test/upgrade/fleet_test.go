package upgrade

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A fleet is all users, behind one address.
type fleet struct {
	t     *testing.T
	addr  string
	users []*user // half of them of each family

	leave, hush     context.CancelFunc
	living, talking sync.WaitGroup
}

// arrivalStep is how far apart users come for the first time.
const arrivalStep = 2 * time.Millisecond

// gather connects n users and waits until all are registered.
func gather(t *testing.T, addr string, n int) *fleet {
	t.Helper()
	f := &fleet{t: t, addr: addr}
	for i := range n {
		f.users = append(f.users, &user{index: i, family: rig.Family(i % 2), fleet: f, arrived: make(map[relayID]int)})
	}
	var ctx context.Context
	ctx, f.leave = context.WithCancel(context.Background())
	t.Cleanup(f.end)
	for i, u := range f.users {
		f.living.Go(func() {
			pause(ctx, time.Duration(i)*arrivalStep)
			u.live(ctx)
		})
	}
	f.awaitAll()
	return f
}

// end disconnects all users, and waits until they have gone.
func (f *fleet) end() {
	f.silence()
	f.leave()
	f.living.Wait()
}

// failures counts the connections that did not come about, by their errors.
func (f *fleet) failures() map[string]int {
	counts := make(map[string]int)
	for _, u := range f.users {
		u.mu.Lock()
		for _, text := range u.failed {
			counts[text]++
		}
		u.mu.Unlock()
	}
	return counts
}

// talk has those of Oodaa's family send, until silence.
func (f *fleet) talk() {
	var ctx context.Context
	ctx, f.hush = context.WithCancel(context.Background())
	for _, u := range f.users {
		if u.family == rig.Oodaa {
			f.talking.Go(func() { u.talk(ctx) })
		}
	}
}

func (f *fleet) silence() {
	if f.hush != nil {
		f.hush()
	}
	f.talking.Wait()
}

// awaitAll waits until every user is registered.
func (f *fleet) awaitAll() {
	f.t.Helper()
	here := 0
	if !f.within(rig.Patience, func() bool {
		here = 0
		for _, u := range f.users {
			u.mu.Lock()
			if u.here {
				here++
			}
			u.mu.Unlock()
		}
		return here == len(f.users)
	}) {
		f.t.Fatalf("%d of %d users are registered; connections that failed: %v", here, len(f.users), f.failures())
	}
}

// await waits until something is true of every user.
func (f *fleet) await(what string, condition func(u *user) bool) {
	f.t.Helper()
	rig.Eventually(f.t, what, func() bool {
		return !slices.ContainsFunc(f.users, func(u *user) bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return !condition(u)
		})
	})
}

// ends are those of all connections within a time.
func (f *fleet) ends(from, to time.Time) (all []end) {
	for _, u := range f.users {
		u.mu.Lock()
		for _, e := range u.ends {
			if !e.at.Before(from) && e.at.Before(to) {
				all = append(all, e)
			}
		}
		u.mu.Unlock()
	}
	return all
}

// outages are those that began within a time.
func (f *fleet) outages(from, to time.Time) (all []outage) {
	for _, u := range f.users {
		u.mu.Lock()
		for _, o := range u.outages {
			if !o.told.Before(from) && o.told.Before(to) {
				all = append(all, o)
			}
		}
		u.mu.Unlock()
	}
	return all
}

// A relayID is the body of a relay.
type relayID struct{ From, N int }

// A relay is what a user has sent.
type relay struct {
	to      int
	outcome outcome
	reason  string // why it was refused
}

type outcome int

const (
	pending outcome = iota
	delivered
	refused
	broken // the sender's connection ended before there was an answer
)

// A tally is what became of all relays.
type tally struct {
	sent, delivered, refused, broken int
	doubtful, unheard                int // refused, or broken, and arrived
	twice                            int // arrived so
	departures                       int // of which users were told
	reasons                          map[string]int
}

func (s tally) String() string {
	var reasons []string
	for _, r := range slices.Sorted(maps.Keys(s.reasons)) {
		reasons = append(reasons, fmt.Sprintf("%q: %d", r, s.reasons[r]))
	}
	return fmt.Sprintf("%d relays: %d acknowledged with ok, %d with an error (%s; %d of them arrived), %d not, since the sender's connection ended (%d of them arrived); %d arrived twice; %d departures were announced",
		s.sent, s.delivered, s.refused, strings.Join(reasons, ", "), s.doubtful, s.broken, s.unheard, s.twice, s.departures)
}

// settle waits until every relay is answered, or its sender's connection has
// ended, and until what was acknowledged with ok has arrived.
func (f *fleet) settle() {
	f.t.Helper()
	f.await("every relay is answered", func(u *user) bool {
		return !slices.ContainsFunc(u.sent, func(r relay) bool { return r.outcome == pending })
	})
	owed := make(map[int][]relayID)
	for _, u := range f.users {
		u.mu.Lock()
		for n, r := range u.sent {
			if r.outcome == delivered {
				owed[r.to] = append(owed[r.to], relayID{u.index, n})
			}
		}
		u.mu.Unlock()
	}
	// What does not come at all, check tells by name.
	f.within(rig.Patience/3, func() bool {
		for to, ids := range owed {
			u := f.users[to]
			u.mu.Lock()
			missing := slices.ContainsFunc(ids, func(id relayID) bool { return u.arrived[id] == 0 })
			u.mu.Unlock()
			if missing {
				return false
			}
		}
		return true
	})
}

// within waits until condition holds, and reports whether it did so in time.
func (f *fleet) within(patience time.Duration, condition func() bool) bool {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}

// check compares what was sent with what arrived, once all has settled and
// nobody reads any more.
func (f *fleet) check() (sum tally) {
	f.t.Helper()
	sum.reasons = make(map[string]int)
	var problems []string
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, u := range f.users {
		for _, s := range u.strange {
			complain("%s: %s", u.name(), s)
		}
		sum.departures += u.departures
		for n, r := range u.sent {
			sum.sent++
			arrived := f.users[r.to].arrived[relayID{u.index, n}]
			switch r.outcome {
			case delivered:
				sum.delivered++
				if arrived == 0 {
					complain("relay %d of %s was acknowledged, and did not arrive at %s", n, u.name(), f.users[r.to].name())
				}
			case refused:
				sum.refused++
				sum.reasons[r.reason]++
				sum.doubtful += arrived
			case broken:
				sum.broken++
				sum.unheard += arrived
			case pending:
				complain("relay %d of %s was never answered", n, u.name())
			}
			if arrived == 2 {
				sum.twice++
			}
			if arrived > 2 {
				complain("relay %d of %s arrived %d times", n, u.name(), arrived)
			}
		}
	}
	for _, p := range problems[:min(len(problems), 20)] {
		f.t.Error(p)
	}
	if more := len(problems) - 20; more > 0 {
		f.t.Errorf("and %d more", more)
	}
	return sum
}
