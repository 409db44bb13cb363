package hub

import "github.com/oodaa/signaling/server/wire"

// A Claim is a name that a member asks for.
type Claim struct {
	ID, Key string
	// Epoch tells the registrations of one instance apart, where there are
	// several.
	Epoch uint64
	// Guarded: the name is taken from a holder with a key only by who has Proved
	// to hold the same key. Keys are public: to name one proves nothing.
	Guarded, Proved bool
}

// RegisterWaits reports whether Register may wait now: for other instances, or for
// members who are to be told of others.
func (h *Hub) RegisterWaits() bool { return h.cluster != nil || h.crowded() }

// Register gives the name to the member, takes it from the member that held it,
// and releases the name that the member had. Where the member holds the name
// already, only its key is set. The member's Listener is told, in order with the
// announcements. The outcome is OK, InvalidProof for a name that is guarded, or
// Unavailable.
func (h *Hub) Register(m *Member, claim Claim, batch *wire.Batch) Outcome {
	h.awaitRoom()
	if h.cluster == nil {
		return h.Bind(m, claim, batch)
	}
	return h.cluster.Claim(m, claim, func(epoch uint64) Outcome {
		claim.Epoch = epoch
		return h.Bind(m, claim, batch)
	})
}

// Bind is Register for this instance alone.
func (h *Hub) Bind(m *Member, claim Claim, batch *wire.Batch) Outcome {
	m.telling.Lock()
	h.mu.Lock()
	own := m.user.Load()
	// Who was replaced will be disconnected, and must not take the name along.
	if h.draining || m.left || own != nil && own.Gone() {
		h.mu.Unlock()
		m.telling.Unlock()
		return Unavailable
	}
	replaced := h.Find([]byte(claim.ID))
	if replaced == own {
		replaced = nil
	}
	if replaced != nil && claim.Guarded && replaced.Key() != "" && (!claim.Proved || replaced.Key() != claim.Key) {
		h.mu.Unlock()
		m.telling.Unlock()
		return InvalidProof
	}
	if own != nil && own.ID == claim.ID {
		own.SetKey(claim.Key)
	} else {
		if own != nil {
			h.free(own)
		}
		if replaced != nil {
			h.takeovers.Add(1)
			h.release(replaced)
			h.tell(replaced, false, m.listener, replaced.Peer)
		}
		u := NewUser(claim.ID, claim.Key, m.listener)
		u.Epoch = claim.Epoch
		u.arriving.Lock()
		u.arrived.Store(false)
		defer u.arrive()
		m.user.Store(u)
		h.bind(u.ID, u)
		h.online.Add(1)
		if h.presence {
			h.roster.Add(u)
		}
		if replaced != nil {
			h.tell(u, true, m.listener, replaced.Peer)
		} else {
			h.tell(u, true, m.listener, nil)
		}
	}
	h.list(m, batch)
	if replaced != nil {
		replaced.Peer.Replaced()
	}
	return OK
}

// List tells m the list of users, in order with the announcements.
func (h *Hub) List(m *Member, batch *wire.Batch) {
	m.telling.Lock()
	h.mu.Lock()
	h.list(m, batch)
}

// list tells m all that has changed so far, and then the list. m.telling and
// h.mu are held, and released.
func (h *Hub) list(m *Member, batch *wire.Batch) {
	roster := &h.roster
	if !h.presence {
		roster = nil
	}
	spelled := m.listener.Spell(roster, m.User())
	var news []*Change
	if m.watches {
		news = h.log.since(m.cursor.Load())
	}
	h.mu.Unlock()
	m.tell(news, batch)
	m.listener.Tell(spelled, batch)
	m.telling.Unlock()
}
