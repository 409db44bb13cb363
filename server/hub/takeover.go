package hub

import (
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// A phone that changes networks is back before anybody knows that its former
// connection is dead, and looks like a second device. So a takeover asks the former
// connection, and only if there is an answer were there two (contract, section 11).

const (
	// verdictTime is how long the former connection has to answer.
	verdictTime = 2 * time.Second
	// verdictDelay is how much longer the verdict of another instance may take.
	verdictDelay = time.Second
)

// A Question is whether two connections of one name are two devices.
type Question struct {
	hub      *Hub
	old, new *User
	deadline wire.Deadline
	settled  chan struct{} // closed when there is a verdict

	// decided: there is a verdict, and two is it; the other instances are being told.
	decided, two bool
}

// takeOver gives u, which the member registers, the name of former, which has a
// connection. The result is the question whether they are the same device, or nil
// where the change has been announced, and the relays that fail for that. h.mu is
// held.
func (h *Hub) takeOver(m *Member, former, u *User, same bool) (*Question, []*Held) {
	h.takeovers.Add(1)
	if former.Instance == "" {
		h.online.Add(-1)
	}
	if former.question != nil {
		former.question.settle(false)
	}
	var held []*Held
	if kept := former.waiting.Swap(nil); kept != nil { // it was about to be delivered
		held = kept.finish()
	}
	if h.grace == 0 || !same {
		former.End()
		if h.presence {
			h.roster.Remove(former)
		}
		h.tell(former, false, m.listener, former.Peer)
		h.settle(m, u)
		h.tell(u, true, m.listener, former.Peer)
		return nil, held
	}
	u.waiting.Load().prepend(held)
	h.succeed(m, former, u)
	return h.ask(former, u), nil
}

// ask begins the question whether u is the same device as old. h.mu is held.
func (h *Hub) ask(old, u *User) *Question {
	q := &Question{hub: h, old: old, new: u, settled: make(chan struct{})}
	old.question, u.question = q, q
	wait := verdictTime
	if !q.ours() {
		wait += verdictDelay
	}
	h.deadlines.Set(&q.deadline, time.Now().Add(wait), q)
	return q
}

// ours reports whether the former connection is one of ours, which is asked here.
func (q *Question) ours() bool { return q.old.Instance == "" }

// Answer says whether the former connection has answered, and so there are two
// devices, or has ended without.
func (q *Question) Answer(there bool) {
	q.hub.mu.Lock()
	q.decide(there)
	q.hub.mu.Unlock()
}

// Expired says that it has not answered in time.
func (q *Question) Expired(time.Time) {
	q.hub.mu.Lock()
	if q.decided {
		q.settle(q.two)
	} else {
		q.decide(false)
	}
	q.hub.mu.Unlock()
}

// decide takes the verdict. Where others are to be told of two devices on several
// instances, that is done when the directory tells all of them, so that it comes
// before whatever the new connection sends. hub.mu is held.
func (q *Question) decide(two bool) {
	h := q.hub
	if q.new.question != q || q.decided {
		return
	}
	if h.cluster != nil && q.ours() && h.cluster.Settled(q.new, two) && two {
		q.decided, q.two = true, true
		h.deadlines.Set(&q.deadline, time.Now().Add(verdictDelay), q)
		return
	}
	q.settle(two)
}

// settle ends the question: there are two devices, of which one has gone and one
// has come, or there is one, which never left. hub.mu is held.
func (q *Question) settle(two bool) {
	if q.new.question != q {
		return
	}
	q.old.question, q.new.question = nil, nil
	q.hub.deadlines.Stop(&q.deadline)
	if two {
		q.hub.tell(q.old, false, q.new.Peer, q.old.Peer)
		q.hub.tell(q.new, true, q.new.Peer, q.old.Peer)
	}
	close(q.settled)
}

// Settle takes note of a verdict that all instances are told: on a registration of
// ours where instance is empty.
func (h *Hub) Settle(id, instance string, epoch uint64, two bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := h.Find([]byte(id))
	if u == nil || u.Instance != instance || u.Epoch != epoch {
		return // which does not matter any more
	}
	if q := u.question; q != nil && q.new == u {
		q.settle(two)
	} else if instance != "" && two {
		h.tell(u, false, nil, nil)
		h.tell(u, true, nil, nil)
	}
}

// Verdict is closed once it is settled whether the member's registration is of the
// same device as the one before it; nil: it is. What the client sends to others is
// to wait for it, so that no offer comes before the presence that belongs to it.
func (h *Hub) Verdict(m *Member) <-chan struct{} {
	u := m.User()
	if u == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if u.question == nil || u.question.new != u {
		return nil
	}
	return u.question.settled
}
