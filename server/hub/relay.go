package hub

import "github.com/oodaa/signaling/server/wire"

// A Relay is one offer, answer, candidate or custom message on its way. All it
// points to is valid only while it is handled.
type Relay struct {
	Kind Kind
	// From is the sender's registration.
	From *User
	// To is the target's user ID.
	To []byte
	// Payload is raw JSON, to be passed on byte for byte.
	Payload []byte
	// Attachments are the binary values that placeholders in Payload refer to,
	// by their number there.
	Attachments [][]byte
	// Message is the whole message as a Volli client sent it, else nil.
	Message []byte
	// Batch is the reader's, or nil.
	Batch *wire.Batch
	// Sender is told what became of the relay, with Ack, if it is Pending.
	Sender Sender
	Ack    int64
	// Remote is the instance that hands the relay over; empty: it is this one.
	Remote string
	// Address is what counts as one client where clients are limited; empty: not
	// known.
	Address string
}

// A Sender gets the replies to relays that were Pending.
type Sender interface {
	// Replied does not block, keeps nothing of r, and may be called from any
	// goroutine.
	Replied(r *Reply)
	// ID is the connection's, for logs.
	ID() string
}

// A Reply is what became of a relay that was Pending.
type Reply struct {
	Kind    Kind
	To      []byte
	Ack     int64 // of the Relay
	Outcome Outcome
	Batch   *wire.Batch // as in Relay
	// Quiet: the sender has had the same error for this name; only the
	// acknowledgement is to be answered.
	Quiet bool
}

// A Peer is one client's connection as the others see it. Its methods do not
// block, and may be called from any goroutine.
type Peer interface {
	// Relay puts r on the connection. OK says that it was queued there behind
	// all that was before it; NotFound that the connection is over or has no
	// form for r; TooLarge that it is over the limit of one message;
	// NotResponding that it does not fit in the outbox, upon which the connection
	// goes on; Pending that r.Sender gets the reply.
	Relay(r *Relay) Outcome

	// Replaced disconnects the client, whose name another connection took, and
	// returns the relays that it was sent and has not acknowledged. Relay returns
	// NotFound from then on. Where q is not nil, it is answered: the client is
	// asked whether it is still there, and told behind that question that it is
	// disconnected.
	Replaced(q *Question) []*Held

	// Over reports whether Relay returns NotFound from now on.
	Over() bool
}

// Relay hands r to its target, here or on another instance. r.From must be
// registered. Pending says that r.Sender gets a Reply.
func (h *Hub) Relay(r *Relay) Outcome {
	target := h.reachable(r.To)
	for target != nil {
		outcome := target.Relay(r)
		if outcome != NotFound {
			return outcome
		}
		if outcome, kept := h.holdFor(target, r); kept {
			return outcome
		}
		// The name may have changed hands since it was looked up.
		next := h.reachable(r.To)
		if next == target {
			if !target.Gone() && (h.grace == 0 || !target.Over()) {
				return NotFound
			}
			break // it may come back elsewhere, where this instance stops
		}
		target = next
	}
	if h.cluster == nil {
		return NotFound
	}
	return h.cluster.Relay(r)
}

// holdFor holds r for u, whose connection took no relay. If the connection is over, u
// will be away as soon as the hub knows; if it is not, kept is false.
func (h *Hub) holdFor(u *User, r *Relay) (outcome Outcome, kept bool) {
	if h.grace == 0 || !u.Over() {
		return NotFound, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if u.Gone() || h.draining {
		return NotFound, false
	}
	return h.awayHold(u).add(r)
}

// reachable returns the user that a relay can be handed to at once, or nil. A user of
// another instance always can be: what is handed on to it comes first.
func (h *Hub) reachable(id []byte) *User {
	reachable := h.cluster == nil || h.cluster.Reachable(id)
	u := h.Find(id)
	if !reachable && u != nil && u.Instance == "" {
		return nil
	}
	return u
}
