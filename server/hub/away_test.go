package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

const testGrace = 20 * time.Second

// A phone is a connection that writes down what it gets: relays as their payloads,
// lists as "list", and the replies to what it sent as "ok 1" or "error 1", with
// the acknowledgement, or "error to" without.
type phone struct {
	client
	takes    int // relays until the connection breaks; -1: any number
	question *Question
	unacked  []*Held
	breaks   func() // called when another connection takes the name; may be nil

	mu  sync.Mutex
	got []string
}

func (p *phone) note(what string) {
	p.mu.Lock()
	p.got = append(p.got, what)
	p.mu.Unlock()
}

func (p *phone) Relay(r *Relay) Outcome {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.takes == 0 {
		p.over = true
	}
	if p.over {
		return NotFound
	}
	p.takes--
	p.got = append(p.got, string(r.Payload))
	return OK
}

func (p *phone) Over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// end has the connection take nothing any more.
func (p *phone) end() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
}

func (p *phone) Replied(r *Reply) {
	what := "error"
	if r.Outcome == OK {
		what = "ok"
	}
	if r.Ack != NoAck {
		what += fmt.Sprint(" ", r.Ack)
	} else {
		what += " " + string(r.To)
	}
	if r.Quiet {
		what = "quiet " + what
	}
	p.note(what)
}

func (p *phone) ID() string { return p.id }

func (p *phone) Tell([]byte, *wire.Batch) bool { p.note("list"); return true }

func (p *phone) Replaced(q *Question) []*Held {
	p.end()
	p.question = q
	if p.breaks != nil {
		p.breaks()
	}
	return p.unacked
}

// heard returns what the phone got since the last time.
func (p *phone) heard() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := strings.Join(p.got, ", ")
	p.got = nil
	return got
}

func (p *phone) expect(t *testing.T, want string) {
	t.Helper()
	if got := p.heard(); got != want {
		t.Errorf("%s got %q, want %q", p.id, got, want)
	}
}

// A street is a hub with a grace, and one watcher.
type street struct {
	*testing.T
	*Hub
	watcher *client
	account *wire.Account
}

// streetMemory is how much memory there is for all that is held.
const streetMemory = 1 << 20

func onStreet(t *testing.T, grace time.Duration, f func(s *street)) {
	synctest.Test(t, func(t *testing.T) {
		deadlines := wire.NewDeadlines()
		account := wire.NewAccount(streetMemory)
		h := New(Options{Presence: true, Grace: grace, Deadlines: deadlines, Account: account})
		defer account.Close()
		defer deadlines.Close()
		defer h.Close()
		f(&street{t, h, join(h, "W"), account})
		time.Sleep(2 * grace) // until nobody is away
		if n := account.Held(); n != 0 {
			t.Errorf("%d bytes are held in the end", n)
		}
	})
}

// phone connects one, and registers it where it gets a name.
func (s *street) phone(name, key string) *phone {
	s.Helper()
	p := &phone{client: client{hub: s.Hub, id: name}, takes: -1}
	s.Join(&p.Member, p, false)
	if name != "" {
		if outcome := s.Bind(&p.Member, Claim{ID: name, Key: key}, nil); outcome != OK {
			s.Fatalf("%s: outcome %d", name, outcome)
		}
		p.expect(s.T, "list")
		s.watcher.take()
	}
	return p
}

// again registers a name on a new connection.
func (s *street) again(name, key string) *phone {
	p := &phone{client: client{hub: s.Hub, id: name}, takes: -1}
	s.Join(&p.Member, p, false)
	if outcome := s.Bind(&p.Member, Claim{ID: name, Key: key}, nil); outcome != OK {
		s.Fatalf("%s: outcome %d", name, outcome)
	}
	return p
}

func (s *street) breaks(p *phone, unacked ...*Held) {
	p.end()
	Fail(s.Leave(&p.Member, Broke, unacked))
}

// send sends a custom message.
func (s *street) send(from *phone, to, payload string, ack int64) Outcome {
	return s.sendKind(Custom, from, to, payload, ack)
}

func (s *street) sendKind(kind Kind, from *phone, to, payload string, ack int64) Outcome {
	r := &Relay{Kind: kind, From: from.User(), To: []byte(to), Payload: []byte(payload), Sender: from, Ack: ack}
	outcome := s.Relay(r)
	clear(r.Payload) // the reader's buffer is used again
	clear(r.To)
	return outcome
}

// told expects what the watcher is told.
func (s *street) told(want string) {
	s.Helper()
	synctest.Wait()
	if got := s.watcher.take(); got != want {
		s.Errorf("the watcher heard %q, want %q", got, want)
	}
}

func (s *street) pending(outcomes ...Outcome) {
	s.Helper()
	for i, o := range outcomes {
		if o != Pending {
			s.Errorf("relay %d: outcome %d, want Pending", i, o)
		}
	}
}

func TestWhoIsBackNeverLeft(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		s.breaks(bob)
		s.pending(s.send(alice, "bob", "offer", 1), s.send(alice, "bob", "candidate", NoAck))
		if u, _ := s.Lookup("bob"); u == nil || s.Online() != 1 {
			t.Errorf("bob is %v, %d online", u, s.Online())
		}
		time.Sleep(testGrace - time.Millisecond)
		alice.expect(t, "")
		bob = s.again("bob", "")
		bob.expect(t, "list, offer, candidate")
		alice.expect(t, "ok 1, ok bob")
		s.told("")
		if o := s.send(alice, "bob", "later", 2); o != OK || s.Online() != 2 {
			t.Errorf("outcome %d, %d online", o, s.Online())
		}
		bob.expect(t, "later")
		if h := s.Held(); h.Relays != 0 || h.Bytes != 0 || h.Away != 0 {
			t.Errorf("held: %+v", h)
		}
		time.Sleep(2 * testGrace) // the former absence's end touches nothing
		s.told("")
	})
}

func TestGraceEnds(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob, carol := s.phone("alice", ""), s.phone("bob", ""), s.phone("carol", "")
		s.breaks(bob)
		s.pending(s.send(alice, "bob", "a", 1), s.send(alice, "bob", "b", NoAck), s.send(carol, "bob", "c", NoAck), s.send(alice, "bob", "d", 2))
		time.Sleep(testGrace - time.Millisecond)
		s.told("")
		alice.expect(t, "")
		time.Sleep(2 * time.Millisecond)
		s.told("-bob")
		alice.expect(t, "error 1, quiet error 2")
		carol.expect(t, "error bob")
		if o := s.send(alice, "bob", "e", 3); o != NotFound {
			t.Errorf("outcome %d", o)
		}
		if h := s.Held(); h.Expired != 4 || h.Relays != 0 || h.Away != 0 {
			t.Errorf("held: %+v", h)
		}
	})
}

func TestGoodbye(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		Fail(s.Leave(&bob.Member, Goodbye, nil))
		s.told("-bob")
		if o := s.send(alice, "bob", "a", 1); o != NotFound {
			t.Errorf("outcome %d", o)
		}
	})
}

func TestNoGrace(t *testing.T) {
	onStreet(t, 0, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		s.breaks(bob)
		s.told("-bob")
		if o := s.send(alice, "bob", "a", 1); o != NotFound {
			t.Errorf("outcome %d", o)
		}
		s.phone("bob", "")
		s.again("bob", "")
		s.told("-bob +bob") // a takeover is announced at once
	})
}

func TestPageGone(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		Fail(s.Leave(&bob.Member, PageGone, nil))
		s.told("-bob")
		if u, known := s.Lookup("bob"); u != nil || !known {
			t.Errorf("bob is %v", u)
		}
		s.pending(s.send(alice, "bob", "a", 1))
		time.Sleep(pageGrace - time.Millisecond)
		bob = s.again("bob", "")
		bob.expect(t, "list, a")
		s.told("+bob")

		Fail(s.Leave(&bob.Member, PageGone, nil))
		s.told("-bob")
		alice.heard()
		s.pending(s.send(alice, "bob", "b", 2))
		time.Sleep(pageGrace + time.Millisecond)
		alice.expect(t, "error 2")
		s.told("")
	})
}

func TestHoldLimits(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		bob := s.phone("bob", "")
		s.breaks(bob)
		var senders []*phone
		for i := range 5 {
			senders = append(senders, s.phone(fmt.Sprint("sender", i), ""))
		}
		for i, p := range senders {
			want := maxHeldOfSender
			if i == 4 {
				want = 0 // the name has all that it may have
			}
			for n := range maxHeldOfSender + 1 {
				if o := s.send(p, "bob", "x", NoAck); (o == Pending) != (n < want) {
					t.Fatalf("sender %d, relay %d: outcome %d", i, n, o)
				}
			}
		}
		bob = s.again("bob", "")
		if got := bob.heard(); strings.Count(got, "x") != maxHeld {
			t.Errorf("delivered %d", strings.Count(got, "x"))
		}
		s.breaks(bob)
		s.pending(s.send(senders[4], "bob", "y", NoAck)) // refused no more

		large := strings.Repeat("l", maxHeldSize/2)
		if a, b := s.send(senders[0], "bob", large, NoAck), s.send(senders[0], "bob", large, NoAck); a != Pending || b != NotFound {
			t.Errorf("outcomes %d and %d", a, b)
		}
		if o := s.send(senders[0], "bob", "small", NoAck); o != NotFound {
			t.Errorf("what follows a relay that had no room: outcome %d", o)
		}
		s.pending(s.send(senders[1], "bob", "small", NoAck))
	})
}

// However many are away, what is held for all of them has one limit.
func TestHeldForAll(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		payload := strings.Repeat("x", 100<<10)
		sender, held := s.phone("sender", ""), 0
		for i := range 20 {
			name := fmt.Sprint("away", i)
			s.breaks(s.phone(name, ""))
			if s.send(sender, name, payload, NoAck) == Pending {
				held++
			}
		}
		if most := int64(streetMemory + len(payload) + 1<<10); s.account.Held() > most {
			t.Errorf("%d bytes are held, of %d", s.account.Held(), most)
		}
		if held < streetMemory/len(payload) || held == 20 {
			t.Errorf("%d relays are held", held)
		}
		back := s.again("away0", "")
		if !strings.Contains(back.heard(), payload) {
			t.Error("what was held is not delivered")
		}
		s.breaks(s.phone("another", ""))
		s.pending(s.send(sender, "another", payload, NoAck)) // there is room again
	})
}

func TestHeldOfOneAddress(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		s.breaks(s.phone("bob", ""))
		n := 0
		for i := range 4 {
			p := s.phone(fmt.Sprint("sender", i), "")
			for range maxHeldOfSender {
				r := &Relay{Kind: Custom, From: p.User(), To: []byte("bob"), Payload: []byte("x"), Sender: p, Ack: NoAck, Address: "192.0.2.7"}
				if s.Relay(r) == Pending {
					n++
				}
			}
		}
		if n != maxHeldOfAddress {
			t.Errorf("held %d, want %d", n, maxHeldOfAddress)
		}
	})
}

func TestAbsenceBelongsToItsRegistration(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		bob := s.phone("bob", "")
		for range 10 { // ten in a row
			s.breaks(bob)
			time.Sleep(testGrace - time.Second)
			bob = s.again("bob", "")
		}
		s.told("")
		s.breaks(bob)
		time.Sleep(testGrace - time.Millisecond)
		s.told("")
		time.Sleep(2 * time.Millisecond)
		s.told("-bob")
	})
}

func TestSenderLeaves(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		s.breaks(bob)
		s.pending(s.sendKind(Offer, alice, "bob", "offer", NoAck), s.sendKind(Custom, alice, "bob", "custom", NoAck), s.sendKind(Candidate, alice, "bob", "candidate", NoAck))
		s.breaks(alice)
		alice = s.again("alice", "") // the same user as before
		Fail(s.Leave(&alice.Member, Goodbye, nil))
		s.again("bob", "").expect(t, "list, custom")
	})
}

func TestSenderMoves(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		s.breaks(bob)
		s.pending(s.sendKind(Offer, alice, "bob", "offer", 1))
		s.breaks(alice)
		alice = s.again("alice", "")
		alice.expect(t, "list")
		time.Sleep(testGrace)
		alice.expect(t, "error bob") // its acknowledgement was asked for elsewhere
	})
}

func TestAnotherKeyIsAnotherUser(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "his")
		s.breaks(bob)
		s.pending(s.send(alice, "bob", "a", 1))
		s.again("bob", "another").expect(t, "list")
		alice.expect(t, "error 1")
		s.told("-bob +bob")

		bob = s.again("bob", "his")
		s.told("-bob +bob")
		s.breaks(bob)
		m := &phone{client: client{hub: s.Hub}}
		s.Join(&m.Member, m, false)
		if o := s.Bind(&m.Member, Claim{ID: "bob", Key: "his", Guarded: true}, nil); o != InvalidProof {
			t.Errorf("outcome %d", o)
		}
		if o := s.Bind(&m.Member, Claim{ID: "bob", Key: "his", Guarded: true, Proved: true}, nil); o != OK {
			t.Errorf("outcome %d", o)
		}
		s.told("")
	})
}

func TestTakeoverAsks(t *testing.T) {
	for name, tt := range map[string]struct {
		settle  func(s *street, q *Question, old *phone)
		after   time.Duration
		told    string
		verdict bool
	}{
		"an answer":          {func(_ *street, q *Question, _ *phone) { q.Answer(true) }, 0, "-bob +bob", true},
		"the old one's end":  {func(s *street, q *Question, old *phone) { Fail(s.Leave(&old.Member, Broke, nil)); q.Answer(false) }, 0, "", true},
		"nothing for 2 s":    {func(*street, *Question, *phone) {}, verdictTime, "", true},
		"nothing yet":        {func(*street, *Question, *phone) {}, verdictTime - time.Millisecond, "", false},
		"a further takeover": {func(s *street, _ *Question, _ *phone) { s.again("bob", "") }, 0, "", true},
		"an answer too late": {func(_ *street, q *Question, _ *phone) { time.Sleep(verdictTime + 1); q.Answer(true) }, 0, "", true},
		"its goodbye":        {func(s *street, q *Question, _ *phone) { Fail(s.Leave(&q.new.Peer.(*phone).Member, Goodbye, nil)) }, 0, "-bob", true},
	} {
		t.Run(name, func(t *testing.T) {
			onStreet(t, testGrace, func(s *street) {
				alice, old := s.phone("alice", ""), s.phone("bob", "")
				old.unacked = []*Held{keep(&Relay{Kind: Offer, From: alice.User(), Payload: []byte("unacknowledged"), Sender: alice})}
				old.unacked[0].Acknowledged = true
				now := s.again("bob", "")
				now.expect(t, "list, unacknowledged")
				old.expect(t, "")
				s.told("")
				if o := s.send(alice, "bob", "new", NoAck); o != OK {
					t.Errorf("outcome %d", o)
				}
				now.expect(t, "new")
				verdict := s.Verdict(&now.Member)
				if old.question == nil || verdict == nil {
					t.Fatal("no question")
				}
				tt.settle(s, old.question, old)
				time.Sleep(tt.after)
				s.told(tt.told)
				select {
				case <-verdict:
					if !tt.verdict {
						t.Error("settled")
					}
				default:
					if tt.verdict {
						t.Error("not settled")
					}
				}
				if o := s.Online(); o != 2 && tt.told != "-bob" {
					t.Errorf("%d online", o)
				}
			})
		})
	}
}

// A connection breaks, and its name is taken over before the hub hears of that.
func TestTakeoverAtTheMomentOfABreak(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, old := s.phone("alice", ""), s.phone("bob", "")
		lost := keep(&Relay{Kind: Offer, From: alice.User(), To: []byte("bob"), Payload: []byte("lost"), Sender: alice})
		lost.Acknowledged = true
		old.breaks = func() { Fail(s.Leave(&old.Member, Broke, []*Held{lost})) }
		s.again("bob", "").expect(t, "list, lost")
		alice.expect(t, "")
	})
}

func TestDeliveredAgain(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		lost := func(payload string) *Held {
			r := keep(&Relay{Kind: Custom, From: alice.User(), To: []byte("bob"), Payload: []byte(payload), Sender: alice, Ack: 1})
			r.Acknowledged = true
			return r
		}
		s.breaks(bob, lost("1"), lost("2"))
		s.pending(s.send(alice, "bob", "3", 7))
		bob = s.again("bob", "")
		bob.expect(t, "list, 1, 2, 3")
		alice.expect(t, "ok 7") // of the others it has been told before

		// The connection breaks in the middle.
		s.breaks(bob, lost("4"), lost("5"))
		s.pending(s.send(alice, "bob", "6", 8))
		weak := &phone{client: client{hub: s.Hub, id: "bob"}, takes: 1}
		s.Join(&weak.Member, weak, false)
		s.Bind(&weak.Member, Claim{ID: "bob"}, nil)
		weak.expect(t, "list, 4")
		s.pending(s.send(alice, "bob", "7", NoAck))
		s.breaks(weak)
		bob = s.again("bob", "")
		bob.expect(t, "list, 5, 6, 7")

		// What nobody came for is an error even after its acknowledgement; what is
		// too old is not delivered.
		alice.heard()
		old := lost("old")
		old.Accepted = time.Now().Add(-maxRelayAge)
		s.breaks(bob, old)
		bob = s.again("bob", "")
		bob.expect(t, "list")
		alice.expect(t, "error bob")
		s.breaks(bob, lost("8"))
		time.Sleep(testGrace)
		alice.expect(t, "error bob")
		if got := s.Held().Redelivered; got != 4 {
			t.Errorf("redelivered %d", got)
		}
	})
}

// A connection breaks just as all that was held has been delivered on it.
func TestBreakAsDeliveryEnds(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		delivered := func(to *phone) { to.User().waiting.Store(&hold{totals: &s.held, over: true}) }
		delivered(bob)
		lost := keep(&Relay{Kind: Custom, From: alice.User(), To: []byte("bob"), Payload: []byte("lost"), Sender: alice})
		lost.Acknowledged = true
		s.breaks(bob, lost)
		bob = s.again("bob", "")
		bob.expect(t, "list, lost")
		delivered(bob)
		bob.end()
		s.pending(s.send(alice, "bob", "sent", NoAck)) // before the hub knows
		s.breaks(bob)
		s.again("bob", "").expect(t, "list, sent")
	})
}

// What a connection had not acknowledged is found late: its user has come back since,
// twice.
func TestTakenBackLate(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, first := s.phone("alice", ""), s.phone("bob", "")
		second := s.again("bob", "")
		third := s.again("bob", "")
		third.expect(t, "list")
		lost := keep(&Relay{Kind: Custom, From: alice.User(), To: []byte("bob"), Payload: []byte("lost"), Sender: alice})
		s.breaks(first, lost)
		s.breaks(second)
		third.expect(t, "lost")
		alice.expect(t, "ok 0")
	})
}

// A token expires on a connection that is dead.
func TestReleaseKeepsWhatIsUnacknowledged(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		lost := keep(&Relay{Kind: Custom, From: alice.User(), To: []byte("bob"), Payload: []byte("lost"), Sender: alice})
		Fail(s.Release(&bob.Member, []*Held{lost}))
		late := keep(&Relay{Kind: Custom, From: alice.User(), To: []byte("bob"), Payload: []byte("late"), Sender: alice})
		s.breaks(bob, late)
		s.again("bob", "").expect(t, "list, late, lost")
	})
}

// Another user takes the name of one whose connection is over: what waits for the
// latter is answered.
func TestAnotherUserTakesAHeldName(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "key")
		bob.end()
		s.pending(s.send(alice, "bob", "a", 1))
		s.again("bob", "another key").expect(t, "list")
		alice.expect(t, "error 1")
		s.breaks(bob)
	})
}

// Relays of other instances go back there, whenever they are found.
func TestRelaysOfOthersGoBack(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob := s.phone("alice", ""), s.phone("bob", "")
		from := alice.User()
		remote := func(ack int64) *Held {
			return keep(&Relay{Kind: Custom, From: from, To: []byte("bob"), Sender: alice, Ack: ack, Remote: "n"})
		}
		kept := s.newHold(bob.User())
		kept.reporter, kept.reported = "n", []*Held{remote(1)}
		kept.count(kept.reported[0], 1)
		s.breaks(bob)
		alice.expect(t, "error 1")
		s.putBack(bob.Registration(), []*Held{remote(2)})
		alice.expect(t, "error 2")
		s.again("alice", "").expect(t, "list") // from the other instance, which waits all the same
		s.putBack(bob.Registration(), []*Held{remote(3)})
		alice.expect(t, "error 3")
		s.again("bob", "").expect(t, "list")
	})
}

func TestDrainAnswersWhatIsHeld(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		alice, bob, carol := s.phone("alice", ""), s.phone("bob", ""), s.phone("carol", "")
		s.breaks(bob)
		s.pending(s.send(alice, "bob", "a", 1))
		s.Drain()
		alice.expect(t, "error 1")
		s.breaks(carol)
		s.told("")
		if o := s.send(alice, "carol", "b", 2); o != NotFound {
			t.Errorf("outcome %d", o)
		}
	})
}

// TestRelaysWhileArriving sends to a name that is away while it comes back and
// breaks, at once: nothing is lost, nothing comes twice, and the order of each
// sender holds.
func TestRelaysWhileArriving(t *testing.T) {
	deadlines := wire.NewDeadlines()
	h := New(Options{Grace: time.Minute, Deadlines: deadlines})
	defer deadlines.Close()
	defer h.Close()
	s := &street{T: t, Hub: h}
	newPhone := func(name string) *phone {
		p := &phone{client: client{hub: h, id: name, quiet: true}, takes: -1}
		h.Join(&p.Member, p, false)
		h.Bind(&p.Member, Claim{ID: name}, nil)
		return p
	}
	const senders, relays = 4, 50 // within the limits of a hold
	bobs := []*phone{newPhone("bob")}
	var wg sync.WaitGroup
	for i := range senders {
		p := newPhone(fmt.Sprint("sender", i))
		wg.Go(func() {
			for n := range relays {
				if o := s.send(p, "bob", fmt.Sprintf("%d:%d", i, n), NoAck); o != OK && o != Pending {
					t.Errorf("outcome %d", o)
				}
			}
		})
	}
	wg.Go(func() {
		for range 100 {
			bob := bobs[len(bobs)-1]
			bob.end()
			h.Leave(&bob.Member, Broke, nil)
			bobs = append(bobs, newPhone("bob"))
		}
	})
	wg.Wait()
	next := make([]int, senders)
	for _, bob := range bobs {
		for _, got := range bob.got {
			var i, n int
			if _, err := fmt.Sscanf(got, "%d:%d", &i, &n); err != nil {
				continue // the list
			}
			if n != next[i] {
				t.Fatalf("got %s, want %d", got, next[i])
			}
			next[i]++
		}
	}
	if slices.Min(next) != relays {
		t.Errorf("arrived: %v", next)
	}
}
