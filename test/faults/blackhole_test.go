package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const (
	pingInterval = 500 * time.Millisecond
	pingTimeout  = 2 * time.Second
)

// shortHeartbeat are the settings with which a dead client is found soon.
var shortHeartbeat = []string{
	"PING_INTERVAL=" + pingInterval.String(),
	"PING_TIMEOUT=" + pingTimeout.String(),
	"INACTIVITY_TIMEOUT=" + (pingInterval + pingTimeout).String(),
}

// lag measures how slow the machine is: the longest that the server takes for
// /health, asked again and again until stop.
func lag(s *rig.Server) (stop func() time.Duration) {
	done := make(chan struct{})
	result := make(chan time.Duration)
	go func() {
		var worst time.Duration
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				result <- worst
				return
			case at := <-tick.C:
				var health any
				if status, err := s.Get("/health", &health); err == nil && status == http.StatusOK {
					worst = max(worst, time.Since(at))
				}
			}
		}
	}()
	return func() time.Duration {
		close(done)
		return <-result
	}
}

// presence is a client that keeps who was announced, and when.
type presence struct {
	mu         sync.Mutex
	came, left map[string][]time.Time
	done       chan struct{}
}

// watch keeps what c is told until c ends.
func watch(c client) *presence {
	p := &presence{came: make(map[string][]time.Time), left: make(map[string][]time.Time), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for m := range c.Inbox() {
			var peer struct{ PeerID string }
			switch m.Event {
			case "peer-connected", "peer-disconnected":
				if err := json.Unmarshal(m.Args, &peer); err != nil {
					continue
				}
				p.mu.Lock()
				if m.Event == "peer-connected" {
					p.came[peer.PeerID] = append(p.came[peer.PeerID], m.At)
				} else {
					p.left[peer.PeerID] = append(p.left[peer.PeerID], m.At)
				}
				p.mu.Unlock()
			}
		}
	}()
	return p
}

func (p *presence) times(id string) (came, left []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.came[id], p.left[id]
}

// Who vanishes without FIN or RST is announced as gone within PING_INTERVAL +
// PING_TIMEOUT + 1 s; who is there, and says nothing, stays.
func TestVanishedUserIsAnnounced(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, shortHeartbeat...)
			b := measureBase(t, s)
			observer := rig.MustDial(t, s.Addr, rig.Oodaa)
			heard := watch(observer)
			for _, k := range kindsOf(engine) {
				t.Run(string(k), func(t *testing.T) { vanish(t, s, k, heard) })
			}
			observer.Close()
			<-heard.done
			b.await(t)
		})
	}
}

func vanish(t *testing.T, s *rig.Server, k kind, heard *presence) {
	const users = 8
	idle := join(t, newNetwork(t, s.Addr).addr(), k, string(k)+" idle")
	networks := make([]*network, users)
	for i := range networks {
		networks[i] = newNetwork(t, s.Addr)
		join(t, networks[i].addr(), k, fmt.Sprint(k, i))
	}
	slowest := lag(s)
	since := make([]time.Time, users)
	var wg sync.WaitGroup
	for i, n := range networks {
		// At any time of the heartbeat.
		phase := time.NewTimer(rand.N(pingInterval + pingTimeout))
		wg.Go(func() {
			<-phase.C
			since[i] = time.Now()
			n.blackhole()
		})
	}
	wg.Wait()
	rig.Eventually(t, "all who vanished are announced", func() bool {
		for i := range users {
			if _, left := heard.times(fmt.Sprint(k, i)); len(left) == 0 {
				return false
			}
		}
		return true
	})
	slack := 3*slowest() + 200*time.Millisecond
	var shortest, longest time.Duration
	for i := range users {
		_, left := heard.times(fmt.Sprint(k, i))
		took := left[0].Sub(since[i])
		if shortest == 0 || took < shortest {
			shortest = took
		}
		longest = max(longest, took)
		if len(left) > 1 {
			t.Errorf("%s%d: announced as gone %d times", k, i, len(left))
		}
	}
	t.Logf("%d users announced as gone %v to %v after they vanished; the machine's slack is %v", users, shortest, longest, slack)
	if limit := pingInterval + pingTimeout + time.Second + slack; longest > limit {
		t.Errorf("a user was announced as gone %v after they vanished, want at most %v", longest, limit)
	}
	if shortest < pingTimeout/2 {
		t.Errorf("a user was announced as gone after %v already: this was no silence", shortest)
	}
	if _, left := heard.times(string(k) + " idle"); ended(idle) || len(left) > 0 {
		t.Errorf("the idle user was dropped: %v", idle.Err())
	}
}

// Who comes back at once, while the server still believes in their old
// connection, is reachable from then on. Neither the old connection's timeout
// nor its late close takes them away.
func TestReturnWhileOldConnectionHangs(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, shortHeartbeat...)
			b := measureBase(t, s)
			observer := rig.MustDial(t, s.Addr, rig.Oodaa)
			heard := watch(observer)
			var returns []*comeback
			for _, k := range kindsOf(engine) {
				for _, lateClose := range []bool{false, true} {
					returns = append(returns, newComeback(t, s, k, lateClose))
				}
			}
			var wg sync.WaitGroup
			for _, r := range returns {
				wg.Go(func() {
					if err := r.run(); err != nil {
						t.Errorf("%s: %v", r.name, err)
					}
				})
			}
			wg.Wait()
			for _, r := range returns {
				came, left := heard.times(r.name)
				t.Logf("%s: %d relays, announced %d times, gone %d times", r.name, r.relays, len(came), len(left))
				if len(came) != 2 || len(left) != 1 || left[0].After(came[1]) {
					t.Errorf("%s: announced at %v, gone at %v; want come, gone, come", r.name, came, left)
				}
				r.close()
			}
			observer.Close()
			<-heard.done
			b.await(t)
		})
	}
}

// A comeback is one user who vanishes and connects again.
type comeback struct {
	name             string
	network          *network
	caller, old, now client
	lateClose        bool
	hangs            bool // the server closes the old connection by its heartbeat
	relays           int
}

func newComeback(t *testing.T, s *rig.Server, k kind, lateClose bool) *comeback {
	r := &comeback{name: fmt.Sprint(k, ", late close ", lateClose), network: newNetwork(t, s.Addr), lateClose: lateClose}
	// An HTTP connection without a request is kept for minutes.
	r.hangs = !lateClose && k != polling
	r.caller = join(t, s.Addr, oodaa, r.name+", caller")
	r.old = join(t, r.network.addr(), k, r.name)
	r.network.blackhole()
	r.now = join(t, s.Addr, k, r.name)
	return r
}

// run sends to the user for longer than all that the server may still do about
// the old connection, and sees each relay arrive.
func (r *comeback) run() error {
	until := time.Now().Add(3 * (pingInterval + pingTimeout))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; time.Now().Before(until) || r.hangs && !ended(r.old); <-tick.C {
		r.relays++
		body := fmt.Sprintf(`{"n":%d}`, r.relays)
		ack, err := r.caller.Send(r.name, body, true)
		if err != nil {
			return err
		}
		m, err := r.caller.Await(ack)
		if err != nil || string(m.Args) != `{"ok":true}` {
			return fmt.Errorf("relay %d: acknowledged %s: %w", r.relays, m.Args, err)
		}
		m, err = r.now.Await("ice-candidate")
		if err != nil || string(m.Body()) != body {
			return fmt.Errorf("relay %d: arrived as %s: %w", r.relays, m.Args, err)
		}
		if r.lateClose && r.relays == 5 {
			r.network.close()
		}
	}
	return nil
}

func (r *comeback) close() {
	for _, c := range []client{r.caller, r.old, r.now} {
		c.Close()
	}
}
