package hub

import "github.com/oodaa/signaling/events"

// Users of other instances stand in the directory beside those of this one:
// they are found, listed and announced alike. Only Online does not count them.

// A Cluster is the directory of several instances, of which each has a Hub for
// its own part. Its methods wait for it, some seconds at most.
type Cluster interface {
	// Claim asks for a name, and calls commit, which registers m, when it is
	// the name's turn among all instances.
	Claim(m *Member, asked Claim, commit func(epoch uint64) events.Code) events.Code
	// Lookup returns who holds a name that the hub does not know, or nil.
	Lookup(id string) *events.User
}

// BindRemote gives the name to a user of another instance. Where a client of
// ours held it, that client is disconnected. With quiet, a user of another
// instance is replaced without a word: the same client, as far as others can
// tell.
func (h *Hub) BindRemote(u *events.User, quiet bool) {
	h.mu.Lock()
	old := h.Find([]byte(u.ID))
	switch {
	case old == nil:
		if h.presence {
			h.roster.Add(u)
		}
		h.tell(events.PeerConnected, u, nil, nil)
	case quiet && old.Instance != "":
		old.End()
		if h.presence {
			h.roster.Replace(old, u)
		}
	default:
		h.takeovers.Add(1)
		h.release(old)
		h.tell(events.PeerDisconnected, old, old.Peer, nil)
		if h.presence {
			h.roster.Add(u)
		}
		h.tell(events.PeerConnected, u, old.Peer, nil)
	}
	h.bind(u.ID, u)
	h.mu.Unlock()
	if old != nil && old.Instance == "" {
		old.Peer.Replaced()
	}
}

// UnbindRemote frees the name of a user of another instance, if it still holds
// it.
func (h *Hub) UnbindRemote(u *events.User) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Find([]byte(u.ID)) != u {
		return
	}
	h.release(u)
	h.bind(u.ID, nil)
	h.tell(events.PeerDisconnected, u, nil, nil)
}

// Users returns everybody who is in the directory: those of this instance, and
// those of others.
func (h *Hub) Users() (ours, others []*events.User) {
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
