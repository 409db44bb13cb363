package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// contested is the name that all claim.
const contested = "contested"

// An observer follows what it is told of the contested name, and holds that
// against what can be: it comes and goes in turns.
type observer struct {
	*rig.Client
	online bool
	came   int
}

// catchUp takes all that the observer was told, up to a fresh user list.
func (o *observer) catchUp() error {
	if err := o.SendRaw(`42["get-users"]`); err != nil {
		return err
	}
	deadline := time.After(rig.Patience)
	for {
		var m rig.Message
		select {
		case m = <-o.Inbox():
		case <-deadline:
			return fmt.Errorf("no user list within %v", rig.Patience)
		}
		var args struct {
			PeerID string
			Users  []string
		}
		switch m.Event {
		case "":
			return fmt.Errorf("ended: %w", o.Err())
		case "peer-connected", "peer-disconnected", "user-list":
			if err := json.Unmarshal(m.Args, &args); err != nil {
				return err
			}
		}
		switch {
		case m.Event == "user-list":
			if listed := slices.Contains(args.Users, contested); listed != o.online {
				return fmt.Errorf("listed: %v, announced: %v", listed, o.online)
			}
			return nil
		case args.PeerID != contested:
		case (m.Event == "peer-connected") == o.online:
			return fmt.Errorf("%s, while online is %v", m.Event, o.online)
		default:
			o.online = !o.online
			if o.online {
				o.came++
			}
		}
	}
}

// A claimer connects, and claims the name.
type claimer struct {
	*rig.Client
	closes bool // its connection in the middle of the storm

	holds    atomic.Bool // it was answered that it holds the name
	over     atomic.Bool // it was told that it does not hold the name, or closed
	relayed  chan string
	answered chan struct{} // to ask
	finished chan struct{}
	problem  error // set before finished is closed
}

// claim registers, and then takes what arrives until it is told to go, or closed.
func (c *claimer) claim(start <-chan struct{}) {
	defer close(c.finished)
	defer c.over.Store(true)
	<-start
	text := `42["register",{"userId":"` + contested + `"}]`
	if c.Family == rig.Volli {
		text = `{"type":"register","userId":"` + contested + `","publicKey":"k"}`
	}
	if c.problem = c.SendRaw(text); c.problem != nil {
		return
	}
	if c.closes && rand.IntN(2) == 0 {
		c.Close()
		return
	}
	for m := range c.Inbox() {
		switch m.Event {
		case "user-list", "registered":
			if c.closes {
				c.Close()
				return
			}
			c.holds.Store(true)
		case "disconnect": // "io server disconnect"; the library closes then
			c.Close()
			return
		case "ice-candidate":
			c.relayed <- string(m.Body())
		case "pong", "discover-response":
			c.answered <- struct{}{}
		case "error":
			c.problem = fmt.Errorf("error %s", m.Args)
		}
	}
	if code := c.CloseCode(); c.Family == rig.Oodaa || code != 4001 {
		c.problem = fmt.Errorf("%s ended with %d, %w", c.Family, code, c.Err())
	}
}

// alive reports whether the server still answers the claimer, which it does not
// once it has told it to go.
func (c *claimer) alive() bool {
	text := `42["ping"]`
	if c.Family == rig.Volli {
		text = `{"type":"discover","userId":"` + contested + `"}`
	}
	if c.SendRaw(text) != nil {
		return false
	}
	select {
	case <-c.answered:
		return true
	case <-c.finished:
		return false
	case <-time.After(rig.Patience):
		return false
	}
}

// A storm is a server on which many claim one name, and those who look on.
type storm struct {
	*rig.Server
	observers []*observer
	caller    *rig.Client // of Oodaa's family
	asker     *rig.Client // of Volli's
	round     int
}

// claimersOf is how many claim in a round: in one of sixteen 200, else a few.
func claimersOf(round int) int {
	if round%16 < 2 {
		return 200
	}
	return 2 + round%16/2
}

// TestTakeoverStorm has up to 200 connections of both families claim one name
// at once, and in every other round a third of them close meanwhile.
func TestTakeoverStorm(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := &storm{Server: start(t, engine)}
			b := measureBase(t, s.Server)
			for range 2 {
				s.observers = append(s.observers, &observer{Client: rig.MustDial(t, s.Addr, rig.Oodaa)})
			}
			s.caller, s.asker = rig.MustDial(t, s.Addr, rig.Oodaa), rig.MustDial(t, s.Addr, rig.Volli)
			for _, c := range []*rig.Client{s.caller, s.asker, s.observers[0].Client} {
				if err := c.Register("on looker " + fmt.Sprint(c.Family, c == s.caller)); err != nil {
					t.Fatal(err)
				}
			}
			claims, took := 0, time.Now()
			for until := took.Add(5 * time.Second); time.Now().Before(until) || s.round < 4; s.round++ {
				claims += claimersOf(s.round)
				if err := s.play(s.round%2 == 1); err != nil {
					t.Fatalf("round %d: %v", s.round, err)
				}
			}
			t.Logf("%d rounds, %d claims in %v", s.round, claims, time.Since(took))
			for _, c := range []*rig.Client{s.caller, s.asker, s.observers[0].Client, s.observers[1].Client} {
				c.Close()
			}
			b.await(t)
		})
	}
}

// play plays one round.
func (s *storm) play(closing bool) (err error) {
	claims := make([]*claimer, claimersOf(s.round))
	start := make(chan struct{})
	defer func() {
		for _, c := range claims {
			if c != nil {
				c.Close()
				<-c.finished
			}
		}
	}()
	if err := s.connect(claims, closing, start); err != nil {
		close(start)
		return err
	}
	before := s.observers[0].came
	close(start)
	left, err := s.settle(claims)
	if err != nil {
		return err
	}
	for _, c := range claims {
		if c.over.Load() {
			if <-c.finished; c.problem != nil {
				return c.problem
			}
		}
	}
	if len(left) == 0 && !closing {
		return fmt.Errorf("nobody holds the name")
	}
	for _, o := range s.observers {
		if err := o.catchUp(); err != nil {
			return fmt.Errorf("an observer: %w", err)
		}
		if o.online != (len(left) == 1) {
			return fmt.Errorf("an observer believes in online: %v, with %d holders", o.online, len(left))
		}
	}
	if n := s.observers[0].came - before; n > len(claims) || !closing && n < len(claims) {
		return fmt.Errorf("%d registrations were announced, of %d", n, len(claims))
	}
	return s.reach(left)
}

// connect connects all claimers.
func (s *storm) connect(claims []*claimer, closing bool, start <-chan struct{}) error {
	var problem atomic.Pointer[error]
	var wg sync.WaitGroup
	const dialers = 8
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < len(claims); i += dialers {
				family := rig.Volli
				if i%4 == 0 {
					family = rig.Oodaa
				}
				c, err := rig.Dial(s.Addr, family, nil)
				if err != nil {
					problem.Store(&err)
					return
				}
				claims[i] = &claimer{Client: c, closes: closing && i%3 == 0, relayed: make(chan string, 1), answered: make(chan struct{}, 1), finished: make(chan struct{})}
				go claims[i].claim(start)
			}
		})
	}
	wg.Wait()
	if err := problem.Load(); err != nil {
		return *err
	}
	return nil
}

// settle waits until the server has no connection of a claimer that is over, and
// returns those who were not told to go.
func (s *storm) settle(claims []*claimer) (left []*claimer, err error) {
	deadline := time.Now().Add(rig.Patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		left = slices.DeleteFunc(slices.Clone(claims), func(c *claimer) bool { return c.over.Load() })
		if len(left) == 0 || len(left) == 1 && left[0].holds.Load() {
			// Where the one connection that the server has is that of somebody
			// who has closed it, the one who is left was told to go.
			stats := s.Stats()
			if stats.Clients() == len(left)+len(s.observers)+2 && (len(left) == 0 || left[0].alive()) {
				return left, nil
			}
		}
		if time.Now().After(deadline) {
			stats := s.Stats()
			return nil, fmt.Errorf("%d claimers believe that they hold the name, the server has %d connections", len(left), stats.Clients())
		}
	}
}

// reach checks that the one who is left, and nobody else, is found and gets
// what is sent to the name.
func (s *storm) reach(left []*claimer) error {
	if err := s.asker.SendRaw(`{"type":"discover","userId":"` + contested + `"}`); err != nil {
		return err
	}
	m, err := s.asker.Await("discover-response")
	if err != nil {
		return err
	}
	var found struct{ Online bool }
	if err := json.Unmarshal(m.Args, &found); err != nil || found.Online != (len(left) == 1) {
		return fmt.Errorf("discovered %s, with %d holders: %w", m.Args, len(left), err)
	}
	body := fmt.Sprintf(`{"round":%d}`, s.round)
	ack, err := s.caller.Send(contested, body, true)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		_, err = s.caller.Await("error")
		return err
	}
	if m, err = s.caller.Await(ack); err != nil || string(m.Args) != `{"ok":true}` {
		return fmt.Errorf("a relay to the holder: %s, %w", m.Args, err)
	}
	select {
	case got := <-left[0].relayed:
		if got != body {
			return fmt.Errorf("the holder got %s instead of %s", got, body)
		}
	case <-time.After(rig.Patience):
		return fmt.Errorf("the holder, %s, over: %v, ended with %w, did not get what was acknowledged", left[0].Family, left[0].over.Load(), left[0].Err())
	}
	return nil
}
