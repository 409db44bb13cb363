package cluster

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const (
	// crowd is how many users each instance has in most tests, and pace how
	// often each of them sends something.
	crowd = 4
	pace  = 20 * time.Millisecond
)

// An instance that is killed is announced within 5 seconds, and all else goes
// on; so it does when it is there again.
func TestInstanceKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.populate(crowd, pace)
	var sitters []string
	for i := range 5 {
		u := w.add(fmt.Sprintf("sitter%d", i), rig.Family(i%2), w.nodes[1], true, 0)
		sitters = append(sitters, u.name)
	}
	w.during(time.Second)
	w.kill(w.nodes[1])
	died := time.Now()
	rig.Eventually(t, "everybody knows that they are gone", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, u := range w.users {
			for _, name := range sitters {
				if u.family == rig.Oodaa && !u.gone && (u.now == nil || u.now.view[name]) {
					return false
				}
			}
		}
		return true
	})
	took := time.Since(died)
	t.Logf("announced as gone after %v", took)
	if took > 5*time.Second {
		t.Errorf("announced as gone after %v", took)
	}
	w.quiet()
	w.start(w.nodes[1])
	w.during(time.Second)
	w.quiet()
}

// While an instance is frozen its users' names are taken elsewhere. It serves
// nothing when it goes on, and they are disconnected.
func TestInstanceFrozen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.populate(crowd, pace)
	local := w.add("local", rig.Oodaa, w.nodes[0], false, 0)
	var movers []*user
	for i := range 6 {
		movers = append(movers, w.add(fmt.Sprintf("mover%d", i), rig.Family(i%2), w.nodes[0], false, pace))
	}
	w.during(time.Second)

	w.freeze(w.nodes[0])
	frozen := time.Now()
	w.during(5 * time.Second)
	old := make(map[*user]*link)
	for _, u := range movers {
		w.mu.Lock()
		old[u] = u.now
		w.mu.Unlock()
		u.flee()
	}
	rig.Eventually(t, "all who fled are elsewhere", w.connected)
	taken := time.Now()
	// What a user of the frozen instance sends now must reach the new holders.
	var late []*relay
	for _, u := range movers {
		late = append(late, local.send(u))
	}
	w.during(15*time.Second - time.Since(frozen))
	w.thaw(w.nodes[0])
	thawed := time.Now()
	for _, u := range movers {
		select {
		case <-old[u].client.Done():
		case <-time.After(rig.Patience):
			t.Fatalf("%s is not disconnected from the instance that was frozen", u.name)
		}
	}
	t.Logf("disconnected %v after the thaw", time.Since(thawed))
	w.during(time.Second)
	w.mu.Lock()
	for _, u := range movers {
		for _, r := range old[u].got {
			if r.sent.After(taken) {
				t.Errorf("got on the former connection: %s", r)
			}
		}
	}
	w.mu.Unlock()
	rig.Eventually(t, "what was sent to the new holders is there, or answered", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return !slices.ContainsFunc(late, func(r *relay) bool { return len(r.arrived) == 0 && r.answered.IsZero() })
	})
	w.quiet()
	w.during(time.Second)
	w.quiet()
}

// Redis is killed, emptied, cut off, slow, frozen.
func TestRedis(t *testing.T) {
	t.Parallel()
	for _, fault := range []struct {
		name string
		make func(w *world)
	}{
		{"killed and empty again", func(w *world) {
			w.redis.Kill()
			w.during(4 * time.Second)
			w.redis.Start()
		}},
		{"restarted at once", func(w *world) {
			w.redis.Kill()
			w.redis.Start()
		}},
		{"flushed", func(w *world) { w.redis.Do("FLUSHALL") }},
		{"clients killed", func(w *world) {
			for range 3 {
				w.redis.Do("CLIENT", "KILL", "TYPE", "normal")
				w.redis.Do("CLIENT", "KILL", "TYPE", "pubsub")
				w.during(300 * time.Millisecond)
			}
		}},
		{"scripts forgotten", func(w *world) { w.redis.Do("SCRIPT", "FLUSH") }},
		{"frozen shortly", func(w *world) {
			w.redis.Signal(rig.Freeze)
			w.during(2 * time.Second)
			w.redis.Signal(rig.Thaw)
		}},
		{"frozen", func(w *world) {
			w.redis.Signal(rig.Freeze)
			w.during(6 * time.Second)
			w.redis.Signal(rig.Thaw)
		}},
		{"slow", func(w *world) {
			for _, n := range w.nodes {
				w.slow(n, 300*time.Millisecond)
			}
			w.during(4 * time.Second)
			for _, n := range w.nodes {
				w.mend(n)
			}
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.populate(crowd, pace)
			w.during(500 * time.Millisecond)
			fault.make(w)
			w.during(500 * time.Millisecond)
			w.quiet()
			w.during(500 * time.Millisecond)
			w.quiet()
		})
	}
}

// An instance is cut off from Redis, in several ways. Its users go on among
// themselves all the time, and with the others afterwards.
func TestPartition(t *testing.T) {
	t.Parallel()
	for _, cut := range []struct {
		name       string
		make, mend func(w *world, n *node)
	}{
		{"blackhole", (*world).blackhole, (*world).mend},
		{"reset", (*world).reset, (*world).mend},
		{"refused", (*world).disconnect, (*world).connect},
	} {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.populate(crowd, pace)
			n := w.nodes[2]
			a, b := w.add("a", rig.Oodaa, n, false, 0), w.add("b", rig.Volli, n, false, 0)
			w.during(500 * time.Millisecond)
			cut.make(w, n)
			begun := time.Now()
			var slowest time.Duration
			for time.Since(begun) < 10*time.Second {
				r := a.send(b)
				rig.Eventually(t, "an answer", func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return !r.answered.IsZero()
				})
				w.mu.Lock()
				slowest = max(slowest, r.answered.Sub(r.sent))
				if !r.ok {
					t.Errorf("%v after the cut: %s", r.sent.Sub(begun), r)
				}
				w.mu.Unlock()
				w.during(50 * time.Millisecond)
			}
			t.Logf("slowest relay between users of the instance that was cut off: %v", slowest)
			cut.mend(w, n)
			w.quiet()
			w.during(500 * time.Millisecond)
			w.quiet()
		})
	}
}

// All instances are stopped and started, one after the other.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.populate(crowd, pace)
	for range 2 {
		for _, n := range w.nodes {
			w.during(500 * time.Millisecond)
			w.stopNode(n)
			w.start(n)
			rig.AwaitReady(t, n.server)
		}
	}
	w.quiet()
}

// A hundred users each call ten others; nobody notices that they are on
// different instances.
func TestCrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const users, others, calls = 100, 10, 12
	for i := range users {
		w.add(fmt.Sprintf("u%d", i), rig.Family(i/instances%2), w.nodes[i%instances], false, 0)
	}
	var wg sync.WaitGroup
	for i := range users {
		wg.Go(func() {
			for range calls {
				for j := range others {
					w.users[i].send(w.users[(i+1+j*7)%users])
				}
			}
		})
	}
	wg.Wait()
	w.expectAll = true
	w.quiet()
	if w.totals.delivered != users*others*calls {
		t.Error(w.totals)
	}
}
