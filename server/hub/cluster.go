package hub

// Users of other instances stand in the directory beside those of this one:
// they are found, listed and announced alike. Only Online does not count them.

// A Cluster is several instances, of which each has a Hub for its own part. Claim
// and Lookup wait for it, some seconds at most; the others do not block.
type Cluster interface {
	// Claim asks for a name, and calls commit, which registers m, when it is
	// the name's turn among all instances.
	Claim(m *Member, asked Claim, commit func(epoch uint64) Outcome) Outcome
	// Released takes note that a name of ours has become free, and was not taken
	// over.
	Released(u *User)
	// Lookup returns the user of a name that the hub does not know, or nil.
	Lookup(id string) *User
	// Reachable reports whether a user whom the hub knows can be sent relays at
	// once: it is certain that this instance has them still, and nothing that was
	// sent before is on its way.
	Reachable(id []byte) bool
	// Relay takes over a relay to a user who is not. The outcome is Pending, or an
	// error's.
	Relay(r *Relay) Outcome
}

// Lookup returns the user of a name, or nil. known is false where the other
// instances have to be asked, by AwaitLookup.
func (h *Hub) Lookup(id string) (u *User, known bool) {
	u = h.Find([]byte(id))
	return u, u != nil || h.cluster == nil
}

// AwaitLookup is Lookup that asks the other instances.
func (h *Hub) AwaitLookup(id string) *User {
	if u, known := h.Lookup(id); known {
		return u
	}
	return h.cluster.Lookup(id)
}

// BindRemote gives the name to a user of another instance. Where a client of
// ours held it, that client is disconnected. With quiet, a user of another
// instance is replaced without a word: the same client, as far as others can
// tell.
func (h *Hub) BindRemote(u *User, quiet bool) {
	h.mu.Lock()
	old := h.Find([]byte(u.ID))
	switch {
	case old == nil:
		if h.presence {
			h.roster.Add(u)
		}
		h.tell(u, true, nil, nil)
	case quiet && old.Instance != "":
		old.End()
		if h.presence {
			h.roster.Replace(old, u)
		}
	default:
		h.takeovers.Add(1)
		h.release(old)
		h.tell(old, false, old.Peer, nil)
		if h.presence {
			h.roster.Add(u)
		}
		h.tell(u, true, old.Peer, nil)
	}
	h.bind(u.ID, u)
	h.mu.Unlock()
	if old != nil && old.Instance == "" {
		old.Peer.Replaced()
	}
}

// UnbindRemote frees the name of a user of another instance, if it still holds
// it.
func (h *Hub) UnbindRemote(u *User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Find([]byte(u.ID)) != u {
		return
	}
	h.release(u)
	h.bind(u.ID, nil)
	h.tell(u, false, nil, nil)
}

// Users returns everybody who is in the directory: those of this instance, and
// those of others.
func (h *Hub) Users() (ours, others []*User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for _, u := range s.users {
			if u.Instance == "" {
				ours = append(ours, u)
			} else {
				others = append(others, u)
			}
		}
		s.mu.RUnlock()
	}
	return ours, others
}

// Others is how many users of other instances there are.
func (h *Hub) Others() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(0, h.roster.Len()-h.Online())
}
