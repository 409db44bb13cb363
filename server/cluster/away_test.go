package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig"
)

// An away is a cluster of instances with a grace.
type away struct {
	*testing.T
	redis     *rig.Redis
	instances []*Cluster
	// watchers have one on each instance, who hears of everybody.
	watchers []*client
}

func startAway(t *testing.T, n int, grace time.Duration, presence bool) *away {
	t.Helper()
	w := &away{T: t, redis: rig.StartRedis(t)}
	for i := range n {
		c := w.start(fmt.Sprint("i", i), grace, presence)
		watcher := new(client)
		c.Hub.Join(&watcher.Member, watcher, true)
		t.Cleanup(func() { c.Hub.Leave(&watcher.Member, hub.Goodbye, nil) })
		w.instances, w.watchers = append(w.instances, c), append(w.watchers, watcher)
	}
	for _, c := range w.instances {
		rig.Eventually(t, "all have joined", func() bool { return c.Status().Instances == n })
	}
	return w
}

func (w *away) start(name string, grace time.Duration, presence bool) *Cluster {
	address, err := ParseURL(w.redis.URL())
	if err != nil {
		w.Fatal(err)
	}
	c := New(Options{Redis: address, Prefix: "test:", Name: name, Presence: presence, Grace: grace, Log: slog.New(slog.DiscardHandler)})
	deadlines := wire.NewDeadlines()
	w.Cleanup(deadlines.Close)
	h := hub.New(hub.Options{Presence: presence, Cluster: c, Grace: grace, Deadlines: deadlines})
	w.Cleanup(h.Close)
	c.Start(h)
	w.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

// claims has a new client of an instance ask for a name.
func (w *away) claims(at int, claim hub.Claim) *client {
	w.Helper()
	p, code := w.instances[at].testClaim(w.T, claim, nil)
	if code != hub.OK {
		w.Fatalf("%+v: %v", claim, code)
	}
	return p
}

// register has a new client of an instance ask for a name, until all know that.
func (w *away) register(at int, id string) *client {
	w.Helper()
	p := w.claims(at, hub.Claim{ID: id})
	if w.instances[at].Presence {
		for i, other := range w.instances {
			rig.Eventually(w.T, fmt.Sprint("instance ", i, " knows ", id), func() bool {
				u := other.Hub.Find([]byte(id))
				return u != nil && u.Epoch == p.User().Epoch
			})
		}
	}
	return p
}

// breaks ends a client's connection without a word.
func (w *away) breaks(at int, p *client) {
	hub.Fail(w.instances[at].Hub.Leave(&p.Member, hub.Broke, nil))
}

// closes ends the connection of a page that is closed.
func (w *away) closes(at int, p *client) {
	hub.Fail(w.instances[at].Hub.Leave(&p.Member, hub.PageGone, nil))
}

// unacknowledged are all relays that a client got.
func (w *away) unacknowledged(at int, p *client) (all []*hub.Held) {
	for i, body := range p.bodies() {
		all = append(all, w.instances[at].Hub.Unacknowledged(p.Registration(), p.receipts[i], []byte(body), nil, nil))
	}
	return all
}

// marks are what the directory says of those who are away.
func (w *away) marks() map[string]string {
	w.Helper()
	client := redis.NewClient(&redis.Options{Addr: w.redis.Addr})
	defer client.Close()
	marks, err := client.HGetAll(w.Context(), w.instances[0].awayKey()).Result()
	if err != nil {
		w.Fatal(err)
	}
	return marks
}

// calls sends relays numbered from first to end, of which each must be on its way, or
// have arrived. It returns how many get their answer later.
func (w *away) calls(at int, from *client, to string, first, end int) (pending int) {
	w.Helper()
	for i := first; i < end; i++ {
		switch code := w.instances[at].testSend(from, to, fmt.Sprint(i)); code {
		case hub.Pending:
			pending++
		case hub.OK:
		default:
			w.Fatalf("relay %d: %v", i, code)
		}
	}
	return pending
}

// got waits for the relays numbered 0 to end to have arrived, in their order.
func (w *away) got(p *client, end int) {
	w.Helper()
	var want []string
	for i := range end {
		want = append(want, fmt.Sprint(i))
	}
	rig.Eventually(w.T, fmt.Sprint(end, " relays"), func() bool { return len(p.bodies()) >= end })
	if got := p.bodies(); strings.Join(got, " ") != strings.Join(want, " ") {
		w.Errorf("got %v", got)
	}
}

// answered waits for all answers to a client, which are to be the same.
func (w *away) answered(p *client, n int, outcome hub.Outcome) {
	w.Helper()
	rig.Eventually(w.T, "all is answered", func() bool { return len(p.outcomes()) == n })
	for _, o := range p.outcomes() {
		if o.Outcome != outcome {
			w.Errorf("answered %v", o.Outcome)
		}
	}
}

// heard checks that the watchers have heard exactly that, and nothing since.
func (w *away) heard(want string) {
	w.Helper()
	for i, watcher := range w.watchers {
		rig.Eventually(w.T, fmt.Sprintf("%q at instance %d", want, i), func() bool { return len(watcher.presence()) >= len(want) })
		if got := watcher.presence(); got != want {
			w.Errorf("instance %d told %q, not %q", i, got, want)
		}
	}
}

// Whoever is away and comes back, to whichever instance, never left: nobody is told,
// and what was sent meanwhile from anywhere arrives, in its order.
func TestAwayAcrossInstances(t *testing.T) {
	for _, presence := range []bool{true, false} {
		for back := range 3 {
			t.Run(fmt.Sprintf("presence %v, back at %d", presence, back), func(t *testing.T) {
				t.Parallel()
				w := startAway(t, 3, time.Minute, presence)
				x, y := w.register(0, "x"), w.register(1, "y")
				pending := w.calls(1, y, "x", 0, 2)
				w.got(x, 2)
				w.breaks(0, x)
				pending += w.calls(1, y, "x", 2, 5)
				again := w.register(back, "x")
				pending += w.calls(1, y, "x", 5, 8)
				w.answered(y, pending, hub.OK)
				if got := strings.Join(again.bodies(), " "); got != "2 3 4 5 6 7" {
					t.Errorf("got %s", got)
				}
				if presence {
					w.register(2, "z") // behind all of it
					w.heard("+x +y +z")
				}
			})
		}
	}
}

// A connection breaks, and its name is on another instance before its own hears of
// that. What the device has not acknowledged is delivered there.
func TestMoveAtTheMomentOfABreak(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 3, time.Minute, presence)
			x, y := w.register(0, "x"), w.register(2, "y")
			w.calls(2, y, "x", 0, 2)
			w.got(x, 2)
			x.moves = func() []*hub.Held {
				hub.Fail(w.instances[0].Hub.Leave(&x.Member, hub.Broke, w.unacknowledged(0, x)))
				return nil
			}
			again := w.register(1, "x")
			w.calls(2, y, "x", 2, 4)
			w.got(again, 4)
			w.answered(y, 4, hub.OK)
		})
	}
}

// What comes from a user of the former instance while that hands over stays behind
// what was sent before.
func TestOrderWhileANameMoves(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 2, time.Minute, presence)
			x, y := w.register(0, "x"), w.register(0, "y")
			w.calls(0, y, "x", 0, 2)
			pending := 0
			x.moves = func() []*hub.Held {
				pending = w.calls(0, y, "x", 2, 4)
				return w.unacknowledged(0, x)
			}
			again := w.register(1, "x")
			w.got(again, 4)
			w.answered(y, pending, hub.OK)
		})
	}
}

// Relays held for a page that was closed arrive when it is loaded again, on any of the
// instances. Other users are told that the user left and came back.
func TestPageGoneAcrossInstances(t *testing.T) {
	for _, presence := range []bool{true, false} {
		for back := range 3 {
			t.Run(fmt.Sprintf("presence %v, back at %d", presence, back), func(t *testing.T) {
				t.Parallel()
				w := startAway(t, 3, time.Minute, presence)
				x, y := w.register(0, "x"), w.register(1, "y")
				w.closes(0, x)
				pending := w.calls(1, y, "x", 0, 3) // of which the directory may not know yet
				rig.Eventually(t, "the directory knows", func() bool { return len(w.marks()) > 0 })
				again := w.register(back, "x")
				pending += w.calls(1, y, "x", 3, 5)
				w.answered(y, pending, hub.OK)
				w.got(again, 5)
				if presence {
					w.register(2, "z") // behind all of it
					w.heard("+x +y -x +x +z")
				}
			})
		}
	}
}

// A page that is not loaded again is waited for no longer than its absence takes.
func TestPageStaysGone(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 2, 700*time.Millisecond, presence)
			x, y := w.register(0, "x"), w.register(1, "y")
			w.closes(0, x)
			if pending := w.calls(1, y, "x", 0, 2); pending != 2 {
				t.Fatalf("%d relays are on their way", pending)
			}
			rig.Eventually(t, "all is answered", func() bool { return len(y.outcomes()) == 2 })
			for i, o := range y.outcomes() {
				if o.Outcome != hub.NotFound || o.Quiet != (i > 0) {
					t.Errorf("answer %d: %+v", i, o)
				}
			}
			if marks := w.marks(); len(marks) > 0 {
				t.Errorf("the directory keeps %v", marks)
			}
		})
	}
}

// Held relays are the same user's only: another key is another user.
func TestAnotherKeyAcrossInstances(t *testing.T) {
	for i := range 12 {
		ending, presence, at := hub.Ending(i%2), i/2%2 == 0, i/4
		t.Run(fmt.Sprintf("ending %d, presence %v, at %d", ending, presence, at), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 3, time.Minute, presence)
			x, y := w.claims(0, hub.Claim{ID: "x", Key: "its key"}), w.register(1, "y")
			hub.Fail(w.instances[0].Hub.Leave(&x.Member, ending, nil))
			if pending := w.calls(1, y, "x", 0, 2); pending != 2 {
				t.Fatalf("%d relays are on their way", pending)
			}
			rig.Eventually(t, "both are held", func() bool {
				held, _ := w.instances[1].Held()
				return held == 2 && len(w.marks()) > 0
			})
			other := w.claims(at, hub.Claim{ID: "x", Key: "another key"})
			w.answered(y, 2, hub.NotFound)
			if got := other.bodies(); len(got) > 0 {
				t.Errorf("another user got %v", got)
			}
			w.calls(1, y, "x", 0, 2)
			w.got(other, 2)
		})
	}
}

// When the grace ends without a return, everybody is told once, and so is each
// sender, besides the answers.
func TestGraceEndsAcrossInstances(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 2, 700*time.Millisecond, presence)
			x, y, z := w.register(0, "x"), w.register(1, "y"), w.register(1, "z")
			w.breaks(0, x)
			w.calls(1, y, "x", 0, 3)
			w.calls(1, z, "x", 0, 2)
			rig.Eventually(t, "all is answered", func() bool { return len(y.outcomes()) == 3 && len(z.outcomes()) == 2 })
			for _, p := range []*client{y, z} {
				for i, o := range p.outcomes() {
					if o.Outcome != hub.NotFound || o.Quiet != (i > 0) {
						t.Errorf("answer %d: %+v", i, o)
					}
				}
			}
			if presence {
				w.heard("+x +y +z -x")
			}
		})
	}
}

// A relay whose acknowledgement was OK, and that a connection which broke had not
// delivered, comes back as an error if nobody comes for it.
func TestLateErrorAcrossInstances(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 2, 700*time.Millisecond, presence)
			x, y := w.register(0, "x"), w.register(1, "y")
			w.calls(1, y, "x", 0, 2)
			w.got(x, 2)
			rig.Eventually(t, "both are acknowledged", func() bool {
				answers := y.outcomes()
				return len(answers) == 2 && answers[0].Outcome == hub.OK && answers[1].Outcome == hub.OK
			})
			h := w.instances[0].Hub
			var unacknowledged []*hub.Held
			for _, receipt := range x.receipts {
				unacknowledged = append(unacknowledged, h.Unacknowledged(x.User(), receipt, []byte("1"), nil, nil))
			}
			hub.Fail(h.Leave(&x.Member, hub.Broke, unacknowledged))
			rig.Eventually(t, "an error", func() bool { return len(y.outcomes()) == 3 })
			if late := y.outcomes()[2]; late.Outcome != hub.NotFound || late.Ack != hub.NoAck || string(late.To) != "x" || late.Kind != hub.Candidate {
				t.Errorf("told %+v", late)
			}
		})
	}
}

// Users of an instance that is killed, or stopped, are away.
func TestInstanceGoesWhileUsersAreAway(t *testing.T) {
	for _, how := range []string{"killed", "stopped"} {
		for _, presence := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, presence %v", how, presence), func(t *testing.T) {
				t.Parallel()
				w := startAway(t, 3, time.Minute, presence)
				x, y, z := w.register(0, "x"), w.register(1, "y"), w.register(0, "z")
				w.breaks(0, z) // it was away before
				gone := w.instances[0]
				if how == "killed" {
					gone.stop() // without leaving
					<-gone.done
				} else {
					gone.Hub.Drain()
					w.breaks(0, x)
					ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
					defer cancel()
					gone.Close(ctx)
				}
				w.instances, w.watchers = w.instances[1:], w.watchers[1:]
				pending := w.calls(0, y, "x", 0, 3) + w.calls(0, y, "z", 0, 3)
				w.got(w.register(1, "x"), 3)
				w.got(w.register(0, "z"), 3)
				w.answered(y, pending, hub.OK)
				if presence {
					w.register(1, "w")
					w.heard("+x +y +z +w")
				}
			})
		}
	}
}

// A user who was away and comes back to an instance that begins to stop is away still.
func TestRegistrationIsRefusedSinceTheInstanceStops(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			t.Parallel()
			w := startAway(t, 3, time.Minute, presence)
			x, y := w.register(0, "x"), w.register(2, "y")
			w.breaks(0, x)
			rig.Eventually(t, "x is away", func() bool { return w.redis.Do("HLEN", "test:away") == ":1\r\n" })
			stops := w.instances[1]
			stops.Hub.Drain()
			if _, code := stops.testClaim(t, hub.Claim{ID: "x"}, nil); code != hub.Unavailable {
				t.Fatalf("x registers: %v", code)
			}
			pending := w.calls(2, y, "x", 0, 3)
			ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
			defer cancel()
			stops.Close(ctx)
			w.instances = slices.Delete(w.instances, 1, 2)
			w.watchers = slices.Delete(w.watchers, 1, 2)
			w.got(w.register(0, "x"), 3)
			w.answered(y, pending, hub.OK)
			if presence {
				w.register(0, "z")
				w.heard("+x +y +z")
			}
		})
	}
}

// The users of an instance that is killed, and who do not come back, are announced
// as gone when the grace is over.
func TestUsersOfAKilledInstance(t *testing.T) {
	t.Parallel()
	w := startAway(t, 2, 500*time.Millisecond, true)
	w.register(0, "x")
	y := w.register(1, "y")
	gone := w.instances[0]
	gone.stop()
	<-gone.done
	w.instances, w.watchers = w.instances[1:], w.watchers[1:]
	w.calls(0, y, "x", 0, 1)
	w.heard("+x +y -x")
	rig.Eventually(t, "y has its answer", func() bool { return len(y.outcomes()) == 1 })
	if o := y.outcomes()[0]; o.Outcome != hub.NotFound {
		t.Errorf("answered %v", o.Outcome)
	}
}

// A takeover asks the former connection, on whichever instance it is: two devices
// are announced everywhere, one is not.
func TestTakeoverAsksAcrossInstances(t *testing.T) {
	for _, deaf := range []bool{true, false} {
		for to := range 2 {
			t.Run(fmt.Sprintf("deaf %v, to %d", deaf, to), func(t *testing.T) {
				t.Parallel()
				w := startAway(t, 3, time.Minute, true)
				x := w.register(0, "x")
				x.deaf = deaf
				next := w.register(to, "x")
				rig.Eventually(t, "the former connection is replaced", x.isReplaced)
				if verdict := w.instances[to].Hub.Verdict(&next.Member); verdict != nil {
					select {
					case <-verdict:
					case <-time.After(rig.Patience):
						t.Fatal("no verdict")
					}
				}
				want := "+x"
				if !deaf {
					want += " -x +x"
				}
				w.heard(want)
				w.register(2, "z")
				w.heard(want + " +z")
			})
		}
	}
}
