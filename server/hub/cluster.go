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
	if u = h.Find([]byte(id)); u != nil && u.hidden.Load() {
		u = nil
	}
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
// ours held it, that client is disconnected, and what it has not acknowledged is
// handed on to the other instance. With quiet, and where the user was away, nobody
// is told: it is the same user, who never left.
func (h *Hub) BindRemote(u *User, quiet bool) {
	h.mu.Lock()
	old := h.Find([]byte(u.ID))
	var replaced Peer
	var held []*Held
	same := old != nil && (old.Key() == "" || old.Key() == u.Key())
	switch {
	case old == nil:
		h.bindRemote(u)
		h.tell(u, true, nil, nil)
	case old.Instance != "" && quiet, old.Instance == "" && old.away != nil && same && !old.hidden.Load():
		if old.away != nil {
			h.endAbsence(old)
		}
		if kept := old.waiting.Swap(nil); kept != nil {
			held = kept.finish()
		}
		old.successor.Store(u)
		old.End()
		if h.presence {
			h.roster.Replace(old, u)
		}
		h.bind(u.ID, u)
	default:
		h.takeovers.Add(1)
		if old.question != nil {
			old.question.settle(false)
		}
		announced := false
		switch {
		case old.away != nil:
			announced = h.endAbsence(old).announced
		case old.Instance == "":
			h.online.Add(-1)
			replaced = old.Peer
		}
		if kept := old.waiting.Swap(nil); kept != nil {
			held = kept.finish()
		}
		if same {
			old.successor.Store(u)
		} else {
			old.left.Store(true)
		}
		old.End()
		if !announced {
			if h.presence {
				h.roster.Remove(old)
			}
			h.tell(old, false, old.Peer, nil)
		}
		h.bindRemote(u)
		h.tell(u, true, old.Peer, nil)
	}
	h.mu.Unlock()
	if replaced != nil {
		held = append(replaced.Replaced(nil), held...)
	}
	if same {
		h.forward(held)
	} else {
		Fail(held)
	}
}

func (h *Hub) bindRemote(u *User) {
	if h.presence {
		h.roster.Add(u)
	}
	h.bind(u.ID, u)
}

// forward hands relays on to the instance that has their target now.
func (h *Hub) forward(relays []*Held) {
	for _, r := range relays {
		if r.dropped() {
			continue
		}
		if outcome := h.cluster.Relay(&r.Relay); outcome != Pending {
			r.reply(outcome, false)
		}
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
	u.left.Store(true)
	u.End()
	if h.presence {
		h.roster.Remove(u)
	}
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
	return h.others
}
