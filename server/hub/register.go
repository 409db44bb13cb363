package hub

import "github.com/oodaa/signaling/server/wire"

// A Claim is a name that a member asks for.
type Claim struct {
	ID, Key string
	Turn    // where there are several instances
	// Guarded: the name is taken from a holder with a key only by who has Proved
	// to hold the same key. Keys are public: to name one proves nothing.
	Guarded, Proved bool
}

// RegisterWaits reports whether Register may wait: for other instances.
func (h *Hub) RegisterWaits() bool { return h.cluster != nil }

// Register gives the name to the member, takes it from the member that held it,
// and releases the name that the member had. Where the member holds the name
// already, only its key is set. The member's Listener is told, in order with the
// announcements, and behind that gets the relays that were held for the name. The
// outcome is OK, InvalidProof for a name that is guarded, or Unavailable.
func (h *Hub) Register(m *Member, claim Claim, batch *wire.Batch) Outcome {
	if h.cluster == nil {
		return h.Bind(m, claim, batch)
	}
	return h.cluster.Claim(m, claim, func(turn Turn) Outcome {
		claim.Turn = turn
		return h.Bind(m, claim, batch)
	})
}

// Bind is Register for this instance alone.
func (h *Hub) Bind(m *Member, claim Claim, batch *wire.Batch) Outcome {
	var own wire.Batch
	m.telling.Lock()
	h.mu.Lock()
	e, outcome := h.enter(m, claim)
	if outcome != OK {
		h.mu.Unlock()
		m.telling.Unlock()
		return outcome
	}
	h.list(m, batched(batch, &own))
	if e.replaced != nil {
		unacknowledged := e.replaced.Replaced(e.question)
		if e.same {
			e.failed = append(e.failed, h.putBack(e.user, unacknowledged)...)
		} else {
			e.failed = append(unacknowledged, e.failed...)
		}
	}
	if e.user != nil {
		h.deliver(e.user)
	}
	own.Flush()
	Fail(e.failed)
	return OK
}

// An entry is what a registration leaves to do once nothing is locked.
type entry struct {
	user     *User     // nil: the member had the name before
	replaced Peer      // the connection that had it; may be nil
	same     bool      // both are the same user's
	question *Question // for replaced, to settle whether that is so
	failed   []*Held   // relays that nobody gets
}

// enter gives the name to the member, and announces what there is to announce.
// h.mu is held.
func (h *Hub) enter(m *Member, claim Claim) (e entry, outcome Outcome) {
	had := m.user.Load()
	if m.released.Load() {
		had = nil
	}
	// A member that was replaced will be disconnected, and must not take the name
	// along.
	if h.draining || m.left || had != nil && had.Gone() {
		return e, Unavailable
	}
	if had != nil && had.ID == claim.ID {
		had.SetKey(claim.Key)
		return e, OK
	}
	former := h.Find([]byte(claim.ID))
	e.same = former != nil && sameUser(former, claim)
	if former != nil && claim.Guarded && !e.same && !former.hidden.Load() {
		return e, InvalidProof
	}
	if had != nil {
		e.failed = h.free(had)
	}
	u := NewUser(claim.ID, claim.Key, m.listener)
	u.Epoch = claim.Epoch
	e.user = u
	kept := h.newHold(u)
	if claim.Former != "" && h.grace > 0 {
		h.await(kept, u, claim.Former)
	}
	switch {
	case former == nil:
		h.settle(m, u)
		h.tell(u, true, m.listener, nil)
	case former.away != nil && e.same:
		h.comeBack(m, former, u)
	case former.Instance != "" && claim.Returned:
		h.succeed(m, former, u)
	case former.away != nil:
		e.failed = append(e.failed, h.free(former)...)
		h.settle(m, u)
		h.tell(u, true, m.listener, nil)
	default:
		if former.Instance == "" {
			e.replaced = former.Peer
		}
		var failed []*Held
		e.question, failed = h.takeOver(m, former, u, e.same)
		e.failed = append(e.failed, failed...)
	}
	return e, OK
}

// settle makes u the member's registration. h.mu is held.
func (h *Hub) settle(m *Member, u *User) {
	m.have(u)
	h.bind(u.ID, u)
	h.online.Add(1)
	if h.presence {
		h.roster.Add(u)
	}
}

// succeed makes u the member's registration in the place of former, by which the
// same user goes on. h.mu is held.
func (h *Hub) succeed(m *Member, former, u *User) {
	former.successor.Store(u)
	former.End()
	m.have(u)
	h.bind(u.ID, u)
	h.online.Add(1)
	if h.presence {
		h.roster.Replace(former, u)
	}
}

// have makes u the member's registration, as m.User tells it.
func (m *Member) have(u *User) {
	m.user.Store(u)
	m.released.Store(false)
}

// List tells m the list of users, in order with the announcements.
func (h *Hub) List(m *Member, batch *wire.Batch) {
	var own wire.Batch
	m.telling.Lock()
	h.mu.Lock()
	h.list(m, batched(batch, &own))
	own.Flush()
}

// list tells m all that has changed so far, and then the list. m.telling and h.mu
// are held, and released.
func (h *Hub) list(m *Member, batch *wire.Batch) {
	if w := m.watch.Load(); w != nil {
		h.listWatched(m, w, m.listener.Spell(h.onlineOf(m, w), m.User()), batch)
		m.telling.Unlock()
		return
	}
	roster := &h.roster
	if !h.presence {
		roster = nil
	}
	h.listHeard(m, m.listener.Spell(roster, m.User()), batch)
	m.telling.Unlock()
}

// listHeard tells m what it has not been told of everybody, and then spelled.
// m.telling and h.mu are held; h.mu is released.
func (h *Hub) listHeard(m *Member, spelled []byte, batch *wire.Batch) {
	var news []*Change
	head := h.log.head.Load()
	if m.hears {
		news, _ = h.log.since(m.cursor.Load())
	}
	h.mu.Unlock()
	if m.hears {
		m.hear(news, maxLogSize, batch)
		m.cursor.Store(head) // the list has it all
	}
	m.listener.Tell(spelled, batch)
}
