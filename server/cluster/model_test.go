package cluster

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
)

// A world is a cluster to which things happen in any order, and what is known
// about the relays in it. Each relay's body has its number, its target, and
// something that only it has.
type world struct {
	*testing.T
	*Cluster
	rng      *rand.Rand
	a        *client
	ours     []*client
	bodies   []string // by number
	pending  map[int]bool
	answers  map[int]int
	wire     []parcel // taken by the pump, and not given back yet
	underway []uint64 // ids that were published
}

// A relayer is the sender of one relay.
type relayer struct {
	*client
	w  *world
	n  int
	to string
}

func (s *relayer) Replied(o *hub.Reply) {
	if s.w.answers[s.n]++; string(o.To) != s.to || o.Ack != int64(s.n) || s.w.answers[s.n] > 1 {
		s.w.Errorf("answer %d to relay %d: to %q, acknowledgement %d", s.w.answers[s.n], s.n, o.To, o.Ack)
	}
}

// names are those that relays go to; nobody has the last one.
var names = []string{"x", "y", "z", "gone"}

// instance is some other one.
func (w *world) instance() string { return []string{"n.1", "m.1", "n.2"}[w.rng.IntN(3)] }

// name is one that somebody may have.
func (w *world) name() string { return names[w.rng.IntN(3)] }

func (w *world) send() {
	n, to := len(w.bodies), names[w.rng.IntN(4)]
	size := []int{10, 100, 300, 2000, 5000, 70000}[min(w.rng.IntN(6), w.rng.IntN(12))]
	body := fmt.Sprintf("\"%d:%s:%s\"", n, to, strings.Repeat(string(rune('a'+n%26)), size))
	w.bodies = append(w.bodies, body)
	r := &hub.Relay{Kind: hub.Candidate, From: w.a.User(), To: []byte(to), Payload: []byte(body), Ack: int64(n), Sender: &relayer{w.a, w, n, to}}
	if w.rng.IntN(5) == 0 {
		r.Attachments = [][]byte{[]byte(body)}
	}
	w.pending[n] = w.Hub.Relay(r) == hub.Pending
	clear(r.Payload) // the reader's buffer is used again
	clear(r.To)
}

// arrived checks a body that came through.
func (w *world) arrived(body, to string) {
	number, _, _ := strings.Cut(strings.Trim(body, `"`), ":")
	n, err := strconv.Atoi(number)
	if err != nil || n >= len(w.bodies) || w.bodies[n] != body || to != "" && !strings.HasPrefix(body, `"`+number+":"+to+":") {
		w.Errorf("altered: %.60q to %q", body, to)
	}
}

// take is the first half of a step of the pump.
func (w *world) take() {
	out, looked := w.relays.take()
	w.wire = append(w.wire, out...)
	for _, name := range looked {
		at := []*holder{nil, {instance: us, epoch: 1}, {instance: w.instance(), epoch: 1}}
		h, away := at[w.rng.IntN(3)], ""
		switch w.rng.IntN(8) {
		case 0:
			away = "page m.1 1 "
		case 1, 2:
			if h != nil {
				away = h.registration()
			}
		}
		w.found(w.session, name, h, away)
	}
}

// publish is the other half: some of what leaves reaches nobody.
func (w *world) publish() {
	for _, p := range w.wire {
		in := reader{p: p.message}
		in.text()
		for len(in.p) > 0 {
			if in.byte() == itemAnswer {
				in.number()
				in.byte()
				continue
			}
			id := in.number()
			if r := in.relay(); r != nil {
				w.arrived(string(r.Payload), string(r.To))
				w.underway = append(w.underway, id)
			}
		}
		if in.failed {
			w.Errorf("malformed: %.60q", p.message)
		}
		if w.rng.IntN(5) == 0 {
			w.unreached(p.message)
		}
	}
	w.relays.sent(w.wire)
	w.wire = nil
}

// answerSome has another instance answer, some relays twice, and some that it never
// got; and send one.
func (w *world) answerSome() {
	message := appendText(nil, "n.1")
	for range w.rng.IntN(6) {
		id := w.rng.Uint64N(uint64(len(w.bodies)) + 2)
		if len(w.underway) > 0 && w.rng.IntN(4) > 0 {
			id = w.underway[w.rng.IntN(len(w.underway))]
		}
		codes := []hub.Outcome{hub.OK, hub.OK, codeMoved, hub.TooLarge, hub.NotFound, hub.Away, hub.Away}
		message = appendAnswer(message, id, codes[w.rng.IntN(len(codes))])
	}
	if n := len(w.bodies); n > 0 {
		r := &hub.Relay{Kind: hub.Candidate, From: w.a.User(), To: []byte(w.name()), Payload: []byte(w.bodies[w.rng.IntN(n)])}
		message = append(append(message, itemRelay, 77), encodeRelay(r)...)
	}
	w.receive(w.session, string(message))
}

// rejoin ends the session, and begins another one.
func (w *world) rejoin() {
	s := w.session
	w.session, w.wire = nil, nil // the pump has ended
	w.relays.drop(w.Cluster)
	w.alone.Store(w.rng.IntN(2) == 0)
	w.relays.resume(w.Cluster)
	w.alone.Store(false)
	w.session = s
	w.relays.resume(w.Cluster)
}

func (w *world) step() {
	switch w.rng.IntN(17) {
	case 0, 1:
		w.take()
	case 2, 3:
		w.publish()
	case 4, 5:
		w.answerSome()
	case 6: // a name moves
		w.testOther(w.name(), w.instance())
	case 7: // or comes here
		if name := w.name(); w.rng.IntN(3) == 0 && (w.Hub.Find([]byte(name)) == nil || w.Hub.Find([]byte(name)).Instance != "") {
			w.ours = append(w.ours, w.testUser(w.T, name))
		}
		w.relays.resume(w.Cluster)
	case 8: // time passes
		w.carryOut(w.relays.expire(w.Cluster, time.Now().Add(time.Duration(w.rng.Int64N(int64(6*time.Second))))), nil)
	case 9:
		if w.rng.IntN(4) == 0 {
			w.rejoin()
		}
	case 10: // the directory changes, or an instance is gone
		w.relays.wake(w.Cluster, w.name())
		if w.rng.IntN(4) == 0 {
			w.relays.lost(w.Cluster, []string{w.instance()})
		}
	default:
		w.send()
	}
}

// check holds the books against each other.
func (w *world) check() {
	rs := &w.relays
	size, waiting, held := 0, 0, 0
	flying := make(map[*lane]int)
	aged := make(map[uint64]bool)
	rooms := make(map[*byte]bool)
	room := func(b []byte) {
		if cap(b) == 0 {
			return
		}
		if p := &b[:1][0]; rooms[p] {
			w.Error("two have the same room")
		} else {
			rooms[p] = true
		}
	}
	for _, a := range rs.byAge {
		aged[a.id] = true
	}
	for id, m := range rs.open {
		size += m.size()
		room(m.encoded)
		if m.id != id || m.lane != rs.lanes[string(m.outcome.To)] || m.lane == nil || !aged[id] {
			w.Errorf("relay %d is %+v", id, m)
		}
		if m.flying {
			flying[m.lane]++
		} else {
			waiting++
		}
	}
	for name, l := range rs.lanes {
		if l.flying != flying[l] {
			w.Errorf("to %s %d are flying, not %d", name, flying[l], l.flying)
		}
		if l.held != nil {
			held += len(l.waiting)
		}
		for i, m := range l.waiting {
			waiting--
			if m.flying || rs.open[m.id] != m || m.lane != l || i > 0 && l.waiting[i-1].id >= m.id {
				w.Errorf("to %s waits %+v", name, m)
			}
		}
	}
	if size != rs.size || waiting != 0 || held != rs.holding {
		w.Errorf("%d bytes, not %d; %d wait in no lane; %d are held, not %d", size, rs.size, waiting, held, rs.holding)
	}
	for _, b := range rs.spare {
		room(b)
	}
	for _, messages := range rs.out {
		for _, b := range messages {
			room(b)
		}
	}
}

// Whatever happens, and in whatever order: every relay that was taken over is
// answered once, nothing is altered, and nothing is left behind.
func TestRelaysAgainstModel(t *testing.T) {
	t.Parallel()
	first := rand.Uint64()
	for i := range uint64(100) {
		t.Run(strconv.FormatUint(first+i, 10), func(t *testing.T) {
			w := &world{
				T: t, Cluster: newCluster(t), rng: rand.New(rand.NewPCG(first+i, 0)),
				pending: make(map[int]bool), answers: make(map[int]int),
			}
			if i%2 == 0 {
				w.Grace = time.Minute
			}
			w.a = w.testUser(t, "a")
			for step := 0; step < 400 && !t.Failed(); step++ {
				w.step()
				w.check()
			}
			for range maxTries + 1 { // what the directory is asked for is found, or not
				w.take()
				w.carryOut(w.relays.expire(w.Cluster, time.Now().Add(w.Grace+overtime+2*patience)), nil)
			}
			w.relays.sent(w.wire)
			w.check()
			w.testEmpty(t)
			for n, pending := range w.pending {
				if pending != (w.answers[n] == 1) {
					t.Errorf("relay %d was answered %d times", n, w.answers[n])
				}
			}
			for _, c := range w.ours {
				for _, body := range c.bodies() {
					w.arrived(body, "")
				}
			}
		})
	}
}
