package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig"
)

// start starts an instance on a real Redis; the test's end closes it.
func start(t *testing.T, url, name string, presence bool) *Cluster {
	t.Helper()
	address, err := ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Redis: address, Prefix: "test:", Name: name, Presence: presence, Log: slog.New(slog.DiscardHandler)})
	h := hub.New(hub.Options{Presence: presence, Cluster: c})
	t.Cleanup(h.Close)
	c.Start(h)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), rig.Patience)
		defer cancel()
		c.Close(ctx)
	})
	return c
}

func startTwo(t *testing.T, presence bool) (a, b *Cluster) {
	t.Helper()
	redis := rig.StartRedis(t)
	a, b = start(t, redis.URL(), "a", presence), start(t, redis.URL(), "a name with blanks", presence)
	for _, c := range []*Cluster{a, b} {
		rig.Eventually(t, c.Name+" joined", func() bool { return c.Status().Joined })
	}
	return a, b
}

// testClaim has a new client ask for a name.
func (c *Cluster) testClaim(t *testing.T, asked hub.Claim, outcome func(code hub.Outcome) hub.Outcome) (*client, hub.Outcome) {
	t.Helper()
	p := c.testUser(t, "")
	return p, c.Claim(&p.Member, asked, func(turn hub.Turn) hub.Outcome {
		if outcome != nil {
			return outcome(hub.OK)
		}
		asked.Turn = turn
		return c.Hub.Bind(&p.Member, asked, nil)
	})
}

// holds reports whether an instance knows the client of this one as the holder.
func (c *Cluster) testHolds(id, key string, by *client) bool {
	u := c.Lookup(id)
	if by == nil {
		return u == nil || u.Instance != "" && u.Key() == key
	}
	return by.User() != nil && u == by.User()
}

// A guarded claim takes no name from who has another key, wherever that is, and
// who has it notices nothing.
func TestGuardedClaim(t *testing.T) {
	for _, presence := range []bool{true, false} {
		t.Run(fmt.Sprint("presence ", presence), func(t *testing.T) {
			a, b := startTwo(t, presence)
			holder, code := a.testClaim(t, hub.Claim{ID: "x", Key: "its key", Guarded: true}, nil)
			if code != hub.OK {
				t.Fatal(code)
			}
			for _, c := range []*Cluster{a, b} {
				if _, code := c.testClaim(t, hub.Claim{ID: "x", Key: "its key", Guarded: true}, nil); code != hub.InvalidProof {
					t.Errorf("the key without a proof: code %d", code)
				}
				if _, code := c.testClaim(t, hub.Claim{ID: "x", Key: "another key", Guarded: true, Proved: true}, nil); code != hub.InvalidProof {
					t.Errorf("%s: taken with another key: %v", c.Name, code)
				}
				if _, code := c.testClaim(t, hub.Claim{ID: "x", Guarded: true}, nil); code != hub.InvalidProof {
					t.Errorf("%s: taken without a key: %v", c.Name, code)
				}
			}
			if holder.isReplaced() || !a.testHolds("x", "", holder) || !b.testHolds("x", "its key", nil) {
				t.Error("the holder is not who it was")
			}
			next, code := b.testClaim(t, hub.Claim{ID: "x", Key: "its key", Guarded: true, Proved: true}, nil)
			if code != hub.OK {
				t.Errorf("not taken with its key: %v", code)
			}
			rig.Eventually(t, "the former holder is disconnected", holder.isReplaced)
			if _, code := a.testClaim(t, hub.Claim{ID: "x", Key: "any key"}, nil); code != hub.OK {
				t.Errorf("not taken by who is not guarded: %v", code)
			}
			rig.Eventually(t, "the second holder is disconnected", next.isReplaced)
		})
	}
}

// A claim that comes to nothing leaves the name to the client that has it.
func TestFailedClaimGivesBack(t *testing.T) {
	a, b := startTwo(t, true)
	holder, code := a.testClaim(t, hub.Claim{ID: "x", Key: "k"}, nil)
	if code != hub.OK {
		t.Fatal(code)
	}
	unavailable := func(hub.Outcome) hub.Outcome { return hub.Unavailable }
	if _, code := a.testClaim(t, hub.Claim{ID: "x"}, unavailable); code != hub.Unavailable {
		t.Fatal(code)
	}
	rig.Eventually(t, "the directory knows the holder again", func() bool {
		u := b.Hub.Find([]byte("x"))
		return u != nil && u.Epoch == holder.User().Epoch && u.Key() == "k" && a.testHolds("x", "", holder)
	})
	if holder.isReplaced() {
		t.Error("the holder is disconnected")
	}
	// Where nobody had the name, nobody has it.
	if _, code := a.testClaim(t, hub.Claim{ID: "y"}, unavailable); code != hub.Unavailable {
		t.Fatal(code)
	}
	rig.Eventually(t, "y is free", func() bool { return a.testHolds("y", "", nil) && b.Lookup("y") == nil })
}

// A Redis that takes connections and says nothing is one that is not there:
// the instance goes on alone, all the time, and stops at once.
func TestSilentRedis(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // connections wait in its queue
	c := start(t, "redis://"+l.Addr().String(), "a", true)
	p, code := c.testClaim(t, hub.Claim{ID: "x"}, nil)
	if code != hub.OK {
		t.Fatalf("claim: %v", code)
	}
	from := c.testUser(t, "")
	if code := c.Hub.Bind(&from.Member, hub.Claim{ID: "from"}, nil); code != hub.OK {
		t.Fatal(code)
	}
	waited := 0
	const sent = 400
	for i := range sent {
		if c.testSend(from, "x", fmt.Sprint(i)) != hub.OK {
			waited++
		}
		time.Sleep(10 * time.Millisecond)
	}
	if waited > 0 {
		t.Errorf("%d of %d relays between our users had to wait", waited, sent)
	}
	if got := len(p.bodies()); got != sent {
		t.Errorf("%d of %d arrived", got, sent)
	}
	if s := c.Status(); s.Joined || s.Lost == "" {
		t.Errorf("%+v", s)
	}
}

func TestIsAway(t *testing.T) {
	timeout := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, row := range []struct {
		name  string
		err   error
		asked time.Duration
		want  bool
	}{
		{"no error", nil, time.Second, false},
		{"refused", refused, time.Millisecond, true},
		{"timeout", fmt.Errorf("renew: %w", timeout), commandTimeout, true},
		{"timeout of a context", context.DeadlineExceeded, askTimeout, true},
		{"a timeout that came too early", timeout, time.Millisecond, false},
		{"slept through", timeout, 15 * time.Second, false},
		{"refused, slept through", refused, 15 * time.Second, false},
		{"out of step", fmt.Errorf("%w: %w", errRejoin, refused), time.Millisecond, false},
	} {
		if got := isAway(row.err, row.asked); got != row.want {
			t.Errorf("%s: %v", row.name, got)
		}
	}
}

// What is queued while there is no session is not sent in the next one, apart
// from claims, whose outcome somebody waits for.
func TestRestartKeepsClaims(t *testing.T) {
	c := newCluster(t)
	p := c.testUser(t, "gone")
	done := make(chan hub.Outcome, 2)
	for range 2 {
		q := c.testUser(t, "")
		go func() {
			done <- c.Claim(&q.Member, hub.Claim{ID: "x", Guarded: true}, func(hub.Turn) hub.Outcome { return hub.OK })
		}()
	}
	rig.Eventually(t, "two claims", func() bool { return len(c.openClaims()) == 2 })
	c.Hub.Leave(&p.Member, hub.Goodbye, nil)
	c.restart()
	var kinds []string
	for _, ch := range c.takeChanges() {
		kinds = append(kinds, ch.kind)
	}
	if !slices.Equal(kinds, []string{kindGuarded, kindGuarded}) {
		t.Errorf("queued: %v", kinds)
	}
	c.restart()
	abandoned := c.openClaims()[0]
	if w := c.takeClaim(abandoned); w != nil {
		w.done <- hub.OK
	}
	if list := c.takeChanges(); len(list) != 1 || list[0].epoch == abandoned {
		t.Errorf("queued, after one has given up: %v", list)
	}
	for _, epoch := range c.openClaims() {
		c.commit("x", epoch, false)
	}
	for range 2 {
		if code := <-done; code != hub.OK {
			t.Error(code)
		}
	}
}
