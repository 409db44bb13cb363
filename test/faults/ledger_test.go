package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A talker is a user who sends numbered relays to another one, and keeps
// account of what becomes of them, and of what arrives.
type talker struct {
	client
	kind kind
	name string
	to   *talker
	read chan struct{} // closed when all that arrived was looked at
	// paced: no more is on its way than a slow network and a busy machine carry.
	paced bool

	mu      sync.Mutex // guards what follows
	sent    int
	acks    map[int]bool // by the number of the relay, whether it was ok
	refused int          // error events
	got     []int
	wrong   error
}

// newTalker registers a user.
func newTalker(t *testing.T, addr string, k kind, name string) *talker {
	t.Helper()
	u := &talker{client: join(t, addr, k, name), kind: k, name: name, acks: make(map[int]bool), read: make(chan struct{})}
	go u.listen()
	return u
}

// newPair registers two users who will talk to each other.
func newPair(t *testing.T, name string, addrs [2]string, kinds [2]kind) [2]*talker {
	t.Helper()
	a := newTalker(t, addrs[0], kinds[0], name+" a")
	b := newTalker(t, addrs[1], kinds[1], name+" b")
	a.to, b.to = b, a
	return [2]*talker{a, b}
}

// listen takes what arrives until the client ends.
func (u *talker) listen() {
	defer close(u.read)
	for m := range u.Inbox() {
		u.mu.Lock()
		u.take(m)
		u.mu.Unlock()
	}
}

func (u *talker) take(m rig.Message) {
	id, isAck := strings.CutPrefix(m.Event, "ack:")
	switch {
	case isAck:
		var n int
		var outcome struct{ OK bool }
		_, err := fmt.Sscan(id, &n)
		if err := errors.Join(err, json.Unmarshal(m.Args, &outcome)); err != nil {
			u.wrong = errors.Join(u.wrong, fmt.Errorf("acknowledgement %s: %w", m.Args, err))
		}
		if _, twice := u.acks[n]; twice {
			u.wrong = errors.Join(u.wrong, fmt.Errorf("relay %d was acknowledged twice", n))
		}
		u.acks[n] = outcome.OK
	case m.Event == "ice-candidate":
		var body struct{ N int }
		if err := json.Unmarshal(m.Body(), &body); err != nil {
			u.wrong = errors.Join(u.wrong, fmt.Errorf("relay %s: %w", m.Args, err))
		}
		u.got = append(u.got, body.N)
	case m.Event == "error":
		u.refused++
	case m.Event == "disconnect":
		u.wrong = errors.Join(u.wrong, errStaysAway)
	}
}

// maxPending bounds the relays that wait for their acknowledgements, and those of who
// is paced that are on their way.
const maxPending = 64

// talk sends until stop is closed or the connection is over, beginning at any
// time. Each relay takes some hundred bytes.
func (u *talker) talk(every time.Duration, stop <-chan struct{}) {
	padding := strings.Repeat("p", 100)
	phase := time.NewTimer(rand.N(every))
	defer phase.Stop()
	select {
	case <-stop:
		return
	case <-phase.C:
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-u.Done():
			return
		case <-tick.C:
		}
		arrived := u.to.arrived()
		u.mu.Lock()
		full := u.kind.acknowledges() && u.sent-len(u.acks) >= maxPending ||
			u.paced && u.sent-arrived >= maxPending
		if !full {
			u.sent++
		}
		n := u.sent
		u.mu.Unlock()
		if full {
			continue
		}
		if _, err := u.Send(u.to.name, fmt.Sprintf(`{"n":%d,"padding":%q}`, n, padding), u.kind.acknowledges()); err != nil {
			return // the end of the connection; what was sent stays unanswered
		}
	}
}

// settled reports whether nothing of what was sent over connections that are
// alive is on its way.
func (u *talker) settled() bool {
	u.mu.Lock()
	pending := u.kind.acknowledges() && len(u.acks) < u.sent
	sent := u.sent
	u.mu.Unlock()
	if ended(u) {
		return true
	}
	if pending {
		return false
	}
	u.to.mu.Lock()
	defer u.to.mu.Unlock()
	return u.kind.acknowledges() || ended(u.to) || len(u.to.got) == sent
}

// arrived is how many relays the talker got.
func (u *talker) arrived() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.got)
}

func (u *talker) String() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return fmt.Sprintf("%s (%s): %d sent, %d acknowledged, %d refused, %d arrived, ended: %v, %v",
		u.name, u.kind, u.sent, len(u.acks), u.refused, len(u.got), ended(u), u.Err())
}

// A tally is what became of some relays.
type tally struct{ sent, ok, refused, unanswered, arrived int }

func (a *tally) add(b tally) {
	a.sent += b.sent
	a.ok += b.ok
	a.refused += b.refused
	a.unanswered += b.unanswered
	a.arrived += b.arrived
}

func (a tally) String() string {
	return fmt.Sprintf("%d sent, %d ok, %d refused, %d unanswered, %d arrived", a.sent, a.ok, a.refused, a.unanswered, a.arrived)
}

// check compares what u sent with what arrived. senderAlive says that the
// sender's connection lasted until all was answered, targetWhole that the target
// read all that was put on its connection.
func (u *talker) check(senderAlive, targetWhole bool) (tally, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.to != u {
		u.to.mu.Lock()
		defer u.to.mu.Unlock()
	}
	sum := tally{sent: u.sent, arrived: len(u.to.got)}
	problems := []error{u.wrong}
	complain := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }

	for i, n := range u.to.got {
		if n != i+1 {
			complain("relay %d arrived in place of %d", n, i+1)
			break
		}
	}
	arrived := make(map[int]bool, len(u.to.got))
	for _, n := range u.to.got {
		arrived[n] = true
		if n > u.sent {
			complain("relay %d arrived and was never sent", n)
		}
	}
	if !u.kind.acknowledges() {
		sum.refused = u.refused
		if sum.arrived+sum.refused > sum.sent {
			complain("of %d relays %d arrived and %d were refused", sum.sent, sum.arrived, sum.refused)
		}
		if senderAlive && targetWhole && sum.arrived+sum.refused < sum.sent {
			complain("of %d relays only %d arrived and %d were refused", sum.sent, sum.arrived, sum.refused)
		}
		return sum, errors.Join(problems...)
	}
	for n := 1; n <= u.sent; n++ {
		ok, answered := u.acks[n]
		switch {
		case !answered:
			sum.unanswered++
		case ok:
			sum.ok++
			if sum.refused > 0 {
				complain("relay %d was ok, after one that was refused", n)
			}
			if targetWhole && !arrived[n] {
				complain("relay %d was acknowledged with ok, and did not arrive", n)
			}
		default:
			sum.refused++
			if arrived[n] {
				complain("relay %d was refused, and arrived", n)
			}
		}
	}
	if senderAlive && sum.unanswered > 0 {
		complain("%d relays were never answered", sum.unanswered)
	}
	if senderAlive && u.refused != sum.refused {
		complain("%d errors for %d relays that were refused", u.refused, sum.refused)
	}
	return sum, errors.Join(problems...)
}
