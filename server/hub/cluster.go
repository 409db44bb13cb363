package hub

// Users of other instances stand in the directory beside those of this one:
// they are found, listed and announced alike. Only Online does not count them.

// A Cluster is several instances, of which each has a Hub for its own part. Claim
// and Lookup wait for it, some seconds at most; the others do not block.
type Cluster interface {
	// Claim asks for a name, and calls commit, which registers m, when it is
	// the name's turn among all instances.
	Claim(m *Member, asked Claim, commit func(Turn) Outcome) Outcome
	// Released takes note that a name of ours has become free, and was not taken
	// over.
	Released(u *User)
	// PageGone takes note that a name of ours has become free, while relays to it are
	// held; Released follows, unless somebody takes the name.
	PageGone(u *User)
	// Left takes note that a user of ours is away.
	Left(u *User)
	// Settled takes note of the verdict on the takeover of a connection of ours: u
	// has the name now, and is another device or not. It reports whether Settle will
	// be called, in order with the other changes.
	Settled(u *User, two bool) bool
	// Lookup returns the user of a name that the hub does not know, or nil.
	Lookup(id string) *User
	// Reachable reports whether a user whom the hub knows can be sent relays at
	// once: it is certain that this instance has them still, and nothing that was
	// sent before is on its way.
	Reachable(id []byte) bool
	// Relay takes over a relay to a user who is not. The outcome is Pending, or an
	// error's.
	Relay(r *Relay) Outcome
	// Failed has a user of another instance told that a relay which was acknowledged
	// to it is not delivered after all.
	Failed(sender *User, r *Reply)
}

// A Turn is what all instances agree on when a name is given away.
type Turn struct {
	// Epoch tells the registrations of one instance apart.
	Epoch uint64
	// Returned: the user who had the name on another instance was away, and is back.
	Returned bool
	// Former is the instance that had the name, lives, and will report what it has for
	// it, by its relays and Reported; empty: there is none.
	Former string
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

// BindRemote gives the name to a user of another instance. A client of ours that
// held it is disconnected, and what it has not acknowledged is handed on to the other
// instance. returned: the user was away, or is where it was, and nobody is told.
// Where there is a grace and it may be the same user, nobody is told either before
// the instance of the former connection has asked that (see Question).
func (h *Hub) BindRemote(u *User, returned bool) {
	h.mu.Lock()
	old := h.Find([]byte(u.ID))
	if old == nil {
		h.arrive(u)
		h.mu.Unlock()
		return
	}
	same := old.Key() == "" || old.Key() == u.Key()
	live := old.Instance == "" && old.away == nil
	if old.question != nil {
		old.question.settle(false)
	}
	announced := false // that the former user left
	switch {
	case old.away != nil:
		announced = h.endAbsence(old).announced
		returned = !announced
	case live:
		h.online.Add(-1)
		returned = false
	}
	if !returned {
		h.takeovers.Add(1)
	}
	var held []*Held
	if kept := old.waiting.Swap(nil); kept != nil {
		held = kept.finish()
	}
	if same {
		h.newHold(u).prepend(held) // whatever comes now waits behind it
		held = nil
		old.successor.Store(u)
	} else {
		old.left.Store(true)
	}
	old.End()
	var question *Question
	switch {
	case same && !announced && (returned || h.grace > 0):
		if h.presence {
			h.roster.Replace(old, u)
		}
		h.bind(u.ID, u)
		if live {
			question = h.ask(old, u)
		}
	default:
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
	if live {
		held = append(old.Peer.Replaced(question), held...)
	}
	if same {
		held = h.putBack(u, held)
		h.deliver(u)
	}
	Fail(held)
}

// arrive gives u a name that nobody holds. h.mu is held.
func (h *Hub) arrive(u *User) {
	left := h.unannounced[u.ID]
	if left == nil {
		h.bindRemote(u)
		h.tell(u, true, nil, nil)
		return
	}
	delete(h.unannounced, u.ID)
	if h.presence {
		h.roster.Replace(left, u)
	}
	h.bind(u.ID, u)
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
		sent := r.Relay
		sent.Sender = &forwarded{h, r}
		if outcome := h.cluster.Relay(&sent); outcome != Pending {
			r.reply(outcome, false)
		}
	}
}

// A forwarded relay is answered as it is where it was held.
type forwarded struct {
	hub *Hub
	*Held
}

// ID is for logs.
func (f *forwarded) ID() string { return "forwarded" }

// Replied tells the sender.
func (f *forwarded) Replied(o *Reply) {
	if o.Outcome == OK && f.Acknowledged {
		f.hub.held.redelivered.Add(1)
	}
	f.reply(o.Outcome, o.Quiet)
}

// ForgetRemote forgets a user of another instance, of whom nobody needs to know.
func (h *Hub) ForgetRemote(u *User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Find([]byte(u.ID)) == u {
		if h.presence {
			h.roster.Remove(u)
		}
		h.bind(u.ID, nil)
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

// Users returns everybody who is in the directory: those of this instance, connected
// or away, and those of others.
func (h *Hub) Users() (connected, away, others []*User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		for _, u := range s.users {
			switch {
			case u.Instance != "":
				others = append(others, u)
			case u.away == nil:
				connected = append(connected, u)
			case !u.away.announced:
				away = append(away, u)
			}
		}
		s.mu.RUnlock()
	}
	return connected, away, others
}

// Others is how many users of other instances there are.
func (h *Hub) Others() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.others
}
