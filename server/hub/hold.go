package hub

import (
	"bytes"
	"sync"
	"time"
)

const (
	// heldOverhead is what a held relay takes beside what it carries.
	heldOverhead = 256
	// maxRelayAge is how long after it was accepted a relay is delivered again.
	maxRelayAge = 60 * time.Second
)

// A Held relay waits for its target, or has been put on a connection that broke
// before the device had it. It owns what it points to.
type Held struct {
	Relay Relay
	// Accepted is when the sender sent it.
	Accepted time.Time
	// Acknowledged: the sender has been told that it was delivered.
	Acknowledged bool
}

func (r *Held) size() int {
	size := heldOverhead + len(r.Relay.To) + len(r.Relay.Payload)
	if r.Relay.Message != nil {
		size += len(r.Relay.Message) // Payload may be a part of it, and may not
	}
	for _, a := range r.Relay.Attachments {
		size += len(a)
	}
	return size
}

// keep returns a Held copy of r.
func keep(r *Relay) *Held {
	kept := &Held{Relay: *r, Accepted: time.Now()}
	kept.Relay.Batch = nil
	kept.Relay.To = bytes.Clone(r.To)
	kept.Relay.Payload = bytes.Clone(r.Payload)
	kept.Relay.Message = bytes.Clone(r.Message)
	kept.Relay.Attachments = nil
	for _, a := range r.Attachments {
		kept.Relay.Attachments = append(kept.Relay.Attachments, bytes.Clone(a))
	}
	return kept
}

// A hold keeps relays to one name, in their order, while its user is away, or has
// just registered, here or on another instance.
type hold struct {
	totals *holdTotals

	mu    sync.Mutex
	over  bool // nothing is kept any more
	away  bool // the user is, or its connection is over
	queue []*Held
	room  Room
	// reporter is the instance that had the name before, until it has reported what
	// it has for it. That is older than what comes from the others.
	reporter string
	reported []*Held
}

// add keeps r. kept is false where the hold is over, and r goes on to the user's
// connection. The outcome is Pending, or NotFound where there is no room: for
// this relay, or for one that the same sender sent before. It is Away where the
// user is and another instance, which then holds r, hands it over.
func (h *hold) add(r *Relay) (outcome Outcome, kept bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return OK, false
	}
	if h.away && r.Remote != "" {
		return Away, true
	}
	held := keep(r)
	if !h.room.Fits(r.From.ID, r.Address, held.size(), h.away) || h.totals.account.Full() {
		h.room.Refuse(r.From.ID)
		return NotFound, true
	}
	if h.reporter != "" && r.Remote == h.reporter {
		h.reported = append(h.reported, held)
	} else {
		h.queue = append(h.queue, held)
	}
	h.count(held, 1)
	return Pending, true
}

// prepend puts relays in front that were put on a connection before, in their
// order. They had room there, and are kept whatever there is. It reports false
// where the hold is over.
func (h *hold) prepend(relays []*Held) bool {
	h.mu.Lock()
	if h.over {
		h.mu.Unlock()
		return false
	}
	if len(relays) > 0 {
		h.queue = append(append(make([]*Held, 0, len(relays)+len(h.queue)), relays...), h.queue...)
	}
	for _, r := range relays {
		h.count(r, 1)
	}
	var remote []*Held
	if h.away {
		remote = h.giveBack()
	}
	h.mu.Unlock()
	answerAway(remote)
	return true
}

// count counts a relay in, with n of 1, or out, with -1. h.mu is held.
func (h *hold) count(r *Held, n int) {
	h.room.Count(r.Relay.From.ID, r.Relay.Address, r.size(), n)
	h.totals.relays.Add(int64(n))
	h.totals.add(n * r.size())
}

// take takes all relays. Where there are none, end is set, and the user is not away,
// the hold is over.
func (h *hold) take(end bool) []*Held {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !end {
		h.settle()
	}
	if h.reporter != "" {
		return nil
	}
	taken := h.queue
	h.queue = nil
	for _, r := range taken {
		h.count(r, -1)
	}
	if end && len(taken) == 0 && !h.away {
		h.over = true
	}
	return taken
}

// ended reports whether the hold is over.
func (h *hold) ended() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.over
}

// finish ends the hold, and returns the relays that were in it.
func (h *hold) finish() []*Held {
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	return h.take(false)
}

// deliver puts what is held for u on its connection, or hands it on to its instance,
// until there is nothing and relays go there by themselves. It stops where the
// connection is over: what is left waits for the next one. Nothing of the hub is
// locked.
func (h *Hub) deliver(u *User) {
	kept := u.waiting.Load()
	if kept == nil {
		return
	}
	for {
		relays := kept.take(true)
		if len(relays) == 0 {
			if kept.ended() {
				u.waiting.CompareAndSwap(kept, nil)
			}
			return
		}
		if u.Instance != "" {
			h.forward(relays)
			continue
		}
		for i, r := range relays {
			if r.dropped() {
				continue
			}
			outcome := NotFound
			if time.Since(r.Accepted) < maxRelayAge {
				if outcome = u.Peer.Relay(&r.Relay); outcome == NotFound && u.Over() {
					Fail(h.putBack(u, relays[i:]))
					return
				}
			}
			if outcome == OK && r.Acknowledged {
				h.held.redelivered.Add(1)
			}
			r.reply(outcome, false)
		}
	}
}

// putBack holds relays again that were taken from the hold of u, or were on its
// connection, in front of everything else that waits for the user, wherever that is
// now. Where it has gone, it returns them.
func (h *Hub) putBack(u *User, relays []*Held) (failed []*Held) {
	if u == nil || len(relays) == 0 {
		return relays
	}
	h.mu.Lock()
	u = u.latest()
	if u.Gone() {
		h.mu.Unlock()
		return relays
	}
	kept := u.waiting.Load()
	waits := kept != nil && kept.prepend(relays)
	if !waits {
		h.newHold(u).prepend(relays)
	}
	h.mu.Unlock()
	if !waits { // else whoever made the hold delivers
		h.deliver(u)
	}
	return nil
}

func (r *Held) dropped() bool { return Useless(r.Relay.Kind, r.Relay.From) }

// Useless reports whether a held relay of that kind and sender helps nobody any
// more: its sender has left, and it is part of a call.
func Useless(kind Kind, from *User) bool { return kind != Custom && from.departed() }

// reply tells the sender what became of the relay; with quiet, only by the
// acknowledgement. A sender that has moved to another connection is told there.
func (r *Held) reply(outcome Outcome, quiet bool) {
	to, ack := r.Relay.Sender, r.Relay.Ack
	if to == nil {
		return
	}
	if r.Acknowledged {
		if outcome == OK {
			return
		}
		ack = NoAck
	}
	if now := r.Relay.From.latest(); now != r.Relay.From && outcome != OK {
		if s, ok := now.Peer.(Sender); ok {
			to, ack = s, NoAck
		}
	}
	if quiet && ack == NoAck {
		return
	}
	to.Replied(&Reply{Kind: r.Relay.Kind, To: r.Relay.To, Ack: ack, Outcome: outcome, Quiet: quiet})
}

// NoAck is the Ack of an event without an acknowledgement.
const NoAck = -1

// Fail tells the senders that nobody came for their relays: each sender one error,
// and each acknowledgement its own.
func Fail(relays []*Held) {
	told := make(map[string]bool)
	for _, r := range relays {
		if r.dropped() {
			continue
		}
		r.reply(NotFound, told[r.Relay.From.ID])
		told[r.Relay.From.ID] = true
	}
}
