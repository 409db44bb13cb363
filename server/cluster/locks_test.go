package cluster

import (
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig"
)

// testUnlocked fails the test if a lock of the cluster is held: it is called where
// a connection would write.
func (c *Cluster) testUnlocked(t *testing.T, what string) {
	for name, lock := range map[string]interface {
		TryLock() bool
		Unlock()
	}{"relays": &c.relays.mu, "changes": &c.changes.mu, "cluster": &c.mu, "changing": &c.changing, "feeding": &c.session.feeding} {
		if !lock.TryLock() {
			t.Errorf("%s: lock %s is held", what, name)
			continue
		}
		lock.Unlock()
	}
}

// No lock is held while something is written to a client: here, in each way in
// which relays and changes reach one.
func TestNoLockIsHeldWhileClientsAreWrittenTo(t *testing.T) {
	for name, reach := range map[string]func(t *testing.T, c *Cluster, a, x *client){
		"a relay that waited for the lease": func(t *testing.T, c *Cluster, a, x *client) {
			c.serveUntil(time.Now())
			c.testSend(a, "x", "1")
			c.serveUntil(time.Now().Add(time.Hour))
			c.relays.resume(c)
		},
		"a relay that came back": func(t *testing.T, c *Cluster, a, x *client) {
			c.testOther("y", "n.1")
			c.testSend(a, "y", "1")
			_, ids := c.testPublished()
			y := c.testUser(t, "y")
			y.written = x.written
			c.testAnswer(codeMoved, ids["n.1"]...)
		},
		"a relay whose target the directory places here": func(t *testing.T, c *Cluster, a, x *client) {
			c.testSend(a, "gone", "1")
			c.testLookups()
			c.found(c.session, "gone", &holder{instance: us, epoch: 1}, "")
		},
		"a relay of another instance": func(t *testing.T, c *Cluster, a, x *client) {
			relay := encodeRelay(&hub.Relay{Kind: hub.Offer, From: hub.NewUser("b", "", nil), To: []byte("x"), Payload: []byte(`1`)})
			c.session.live = true
			c.session.message(message(c.channelOf(us), append(append(appendText(nil, "n.1"), itemRelay, 8), relay...)))
		},
		"the answer of another instance": func(t *testing.T, c *Cluster, a, x *client) {
			c.testOther("y", "n.1")
			c.testSend(a, "y", "1")
			c.session.live = true
			c.session.message(message(c.channelOf(us), appendAnswer(appendText(nil, "n.1"), c.relays.last, hub.OK)))
		},
		"a takeover by another instance": func(t *testing.T, c *Cluster, a, x *client) {
			c.session.live = true
			c.session.message(message(c.session.feedChannel(), []byte(appendFeed(1, fed{kind: kindClaim, name: "x", holder: holder{"n.1", 1, ""}}))))
		},
		"relays that nobody answered": func(t *testing.T, c *Cluster, a, x *client) {
			c.testOther("y", "n.1")
			c.testSend(a, "y", "1")
			c.carryOut(c.relays.expire(c, time.Now().Add(2*patience)), nil)
		},
		"a registration of ours": func(t *testing.T, c *Cluster, a, x *client) {
			client := c.testUser(t, "")
			var waiting sync.WaitGroup
			waiting.Go(func() {
				c.Claim(&client.Member, hub.Claim{ID: "new"}, func(hub.Turn) hub.Outcome { x.written(); return hub.OK })
			})
			rig.Eventually(t, "the claim waits for its turn", func() bool { return len(c.openClaims()) == 1 })
			c.session.live = true
			c.session.message(message(c.session.feedChannel(),
				[]byte(appendFeed(1, fed{kind: kindClaim, name: "new", holder: holder{us, c.openClaims()[0], ""}}))))
			waiting.Wait()
		},
		"a registration without Redis": func(t *testing.T, c *Cluster, a, x *client) {
			c.alone.Store(true)
			c.Claim(&c.testUser(t, "").Member, hub.Claim{ID: "new"}, func(hub.Turn) hub.Outcome { x.written(); return hub.OK })
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			a, x := c.testUser(t, "a"), c.testUser(t, "x")
			writes := 0
			x.written = func() {
				writes++
				c.testUnlocked(t, name)
			}
			a.written = x.written
			reach(t, c, a, x)
			if writes == 0 {
				t.Error("nothing was written")
			}
		})
	}
}

// What is sent while relays that waited are being delivered comes behind them,
// although no lock is held then.
func TestNothingOvertakesWhatIsBeingDelivered(t *testing.T) {
	c := newCluster(t)
	a, x := c.testUser(t, "a"), c.testUser(t, "x")
	c.serveUntil(time.Now())
	for _, body := range []string{"1", "2"} {
		c.testSend(a, "x", body)
	}
	c.serveUntil(time.Now().Add(time.Hour))
	next := []string{"3", "4", "5"}
	x.written = func() {
		if len(next) > 0 {
			body := next[0]
			next = next[1:]
			if code := c.testSend(a, "x", body); code != hub.Pending {
				t.Errorf("%s is handed on with %v before the others", body, code)
			}
			c.relays.resume(c)                                                        // by another goroutine
			c.carryOut(c.relays.expire(c, time.Now().Add(patience-time.Second)), nil) // likewise
		}
	}
	c.relays.resume(c)
	if got := x.bodies(); !slices.Equal(got, []string{"1", "2", "3", "4", "5"}) {
		t.Errorf("got %v", got)
	}
	if got := codes(a); !slices.Equal(got, make([]hub.Outcome, 5)) { // all OK
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}

// One sender's relays arrive in their order, whichever goroutines deliver them.
func TestOrderWhileOthersDeliver(t *testing.T) {
	const relays = 3000
	c := newCluster(t)
	a, x := c.testUser(t, "a"), c.testUser(t, "x")
	sent := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() {
			for {
				select {
				case <-sent:
					return
				default:
					if c.relays.underway([]byte("x")) {
						c.serveUntil(time.Now().Add(time.Hour))
						c.relays.resume(c)
					}
					runtime.Gosched()
				}
			}
		})
	}
	pending := 0
	var want []string
	for i := range relays {
		body := strconv.Itoa(i)
		want = append(want, body)
		if i%10 == 0 { // this one waits for the others to deliver it
			c.serveUntil(time.Now())
		}
		if c.testSend(a, "x", body) == hub.Pending {
			pending++
		}
	}
	close(sent)
	others.Wait()
	c.serveUntil(time.Now().Add(time.Hour))
	c.relays.resume(c)
	if got := x.bodies(); !slices.Equal(got, want) {
		t.Errorf("%d of %d relays arrived, or not in their order", len(got), relays)
	}
	if got := codes(a); !slices.Equal(got, make([]hub.Outcome, pending)) || pending == 0 { // all OK
		t.Errorf("%d relays had to wait, and have %d answers", pending, len(got))
	}
	c.testEmpty(t)
}
