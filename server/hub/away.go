package hub

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// A user whose connection broke is away: still there for everybody, for as long as
// the grace lasts, while relays to it are held. Who registers the name again in
// that time never left (contract, section 11).

// An Ending is how a member's connection ended.
type Ending uint8

const (
	// Broke: without a word. The user is away.
	Broke Ending = iota
	// PageGone: a browser closed the page, or loaded it again. That is announced at
	// once, and relays are held for pageGrace.
	PageGone
	// Goodbye: the client said so. Nothing is held.
	Goodbye
)

// Grace is how long a user whose connection broke is away; 0: not at all.
func (h *Hub) Grace() time.Duration { return h.grace }

// pageGrace is how long relays are held for a page that may be loading again.
const pageGrace = 5 * time.Second

// An absence is the time for which a user is away. It belongs to one registration:
// its end touches no other.
type absence struct {
	hub      *Hub
	user     *User
	since    time.Time
	deadline wire.Deadline
	// announced: everybody has been told that the user left.
	announced bool
}

// holdTotals are what all holds have in common.
type holdTotals struct {
	account     *wire.Account
	holder      wire.Holder // of what others' relays take; nobody is ended for it
	bytes       atomic.Int64
	relays      atomic.Int64
	redelivered atomic.Uint64
	expired     atomic.Uint64
}

// add counts n bytes in, or out where n is negative.
func (t *holdTotals) add(n int) {
	t.bytes.Add(int64(n))
	t.holder.Add(0, n)
}

// newHold makes u a user whose relays are held. h.mu is held, or nobody else knows
// of u.
func (h *Hub) newHold(u *User) *hold {
	kept := &hold{totals: &h.held}
	u.waiting.Store(kept)
	return kept
}

// leave says that the user is not there any more. Relays of other instances go back
// there to be held. It reports false where the hold is over.
func (h *hold) leave() bool {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return false
	}
	h.away = true
	remote := h.giveBack()
	h.mu.Unlock()
	answerAway(remote)
	return true
}

// giveBack takes the relays of other instances, which are to be told [Away]. h.mu is
// held.
func (h *hold) giveBack() (remote []*Held) {
	of := func(r *Held) bool {
		if r.Relay.Remote == "" {
			return false
		}
		remote = append(remote, r)
		h.count(r, -1)
		return true
	}
	h.reported = slices.DeleteFunc(h.reported, of)
	h.queue = slices.DeleteFunc(h.queue, of)
	return remote
}

// answerAway gives relays of other instances back to these, wherever their senders are
// now. Nothing is written to a client.
func answerAway(relays []*Held) {
	for _, r := range relays {
		r.Relay.Sender.Replied(&Reply{Kind: r.Relay.Kind, To: r.Relay.To, Ack: r.Relay.Ack, Outcome: Away})
	}
}

// awayHold returns the hold of u, whose connection is over. h.mu is held.
func (h *Hub) awayHold(u *User) *hold {
	if kept := u.waiting.Load(); kept != nil && kept.leave() {
		return kept
	}
	kept := h.newHold(u)
	kept.leave()
	return kept
}

// leaveAway makes u, whose connection is over, away. h.mu is held.
func (h *Hub) leaveAway(u *User, ending Ending, unacknowledged []*Held) {
	h.awayHold(u).prepend(unacknowledged)
	a := &absence{hub: h, user: u, since: time.Now()}
	u.away = a
	h.online.Add(-1)
	h.awayUsers.Add(1)
	grace := h.grace
	if ending == PageGone {
		grace = min(grace, pageGrace)
		a.announced = true
		u.hidden.Store(true)
		if h.presence {
			h.roster.Remove(u)
		}
		h.tell(u, false, u.Peer, nil)
	}
	if h.cluster != nil {
		if a.announced {
			h.cluster.PageGone(u)
		} else {
			h.cluster.Left(u)
		}
	}
	h.deadlines.Set(&a.deadline, a.since.Add(grace), a)
}

// Expired ends the absence: the user has left.
func (a *absence) Expired(time.Time) {
	h := a.hub
	h.mu.Lock()
	if a.user.away != a {
		h.mu.Unlock()
		return // the user came back meanwhile
	}
	failed := h.free(a.user)
	h.mu.Unlock()
	h.held.expired.Add(uint64(len(failed)))
	Fail(failed)
}

// endAbsence ends the absence of u without announcing anything. h.mu is held.
func (h *Hub) endAbsence(u *User) *absence {
	a := u.away
	u.away = nil
	h.awayUsers.Add(-1)
	h.deadlines.Stop(&a.deadline)
	return a
}

// comeBack makes u, which the member registers, the registration of the same user
// as former, who is away. h.mu is held.
func (h *Hub) comeBack(m *Member, former, u *User) {
	absence := h.endAbsence(former)
	h.absences.Observe(time.Since(absence.since), 1)
	if kept := former.waiting.Swap(nil); kept != nil {
		u.waiting.Load().prepend(kept.finish())
	}
	if !absence.announced {
		h.succeed(m, former, u)
		return
	}
	former.successor.Store(u)
	former.End()
	h.settle(m, u)
	h.tell(u, true, m.listener, nil)
}

// sameUser reports whether a claim is by the user who had the name: the same key,
// where it had one.
func sameUser(old *User, claim Claim) bool {
	key := old.Key()
	return key == "" || key == claim.Key && (claim.Proved || !claim.Guarded)
}
