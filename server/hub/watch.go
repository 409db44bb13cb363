package hub

import (
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// A member can watch users. Then it is told of these and of nobody else: first
// which of them are online, and from then on exactly what changes (contract,
// section 12). A change costs as much as its user has watchers: it finds them in
// the index of names, and waits with each of them until that is told.

// MaxWatched is how many users one member can watch.
const MaxWatched = 1000

// A WatchList changes what a member watches.
type WatchList struct {
	How WatchHow
	IDs []string // as DecodeString returns them; may repeat each other
}

// WatchHow is what a WatchList does.
type WatchHow uint8

const (
	WatchOnly  WatchHow = iota // the IDs, and nobody else
	WatchAlso                  // the IDs too
	WatchNever                 // the IDs no longer
)

// A watched user is a name in the index, whether or not anybody holds it.
type watched struct {
	id    string
	first *sight // of those who watch it
}

// A sight is one member's watching of one user. It is in the user's list.
type sight struct {
	member     *Member
	next, prev *sight
}

// sightSize is about how many bytes a member takes for each user that it watches
// and that nobody else does, with the user's place in the index.
const sightSize = 150

// A watch is what one member watches, and the changes that it has not been told.
type watch struct {
	holder *wire.Holder // accounts for it

	// guarded by Hub.mu
	users   map[*watched]*sight
	pending []*Change
	stale   bool // changes were dropped, and a list is due instead
	queued  bool // the member is in Hub.due

	// How many changes there were, and how many of them the member was told. The
	// first is set under Hub.mu, the second under Member.telling.
	changes, told atomic.Uint64
}

// A watchIndex finds the watchers of a name. Hub.mu guards it.
type watchIndex struct {
	names map[string]*watched
	peak  int // number of names since the map was made
}

// minPeak is the number of names below which it does not matter how large the map is.
const minPeak = 1 << 10

// drop forgets a name that nobody watches any more. A map never shrinks, so it is
// made again when it is mostly empty.
func (x *watchIndex) drop(u *watched) {
	delete(x.names, u.id)
	if x.peak < minPeak || len(x.names) > x.peak/4 {
		return
	}
	names := make(map[string]*watched, len(x.names))
	for id, u := range x.names {
		names[id] = u
	}
	x.names, x.peak = names, len(names)
}

// Watch changes which users m watches, and tells it which of them are online, in
// order with the announcements. Without presence nobody is. holder accounts for
// the list as long as m is a member; it is the same in all calls for m. The outcome
// is OK, NotRegistered, InvalidList for more than MaxWatched users, upon which the
// list stays as it was, or Unavailable.
func (h *Hub) Watch(m *Member, list WatchList, holder *wire.Holder, batch *wire.Batch) Outcome {
	var own wire.Batch
	m.telling.Lock()
	h.mu.Lock()
	w, outcome := h.setWatch(m, list, holder)
	if outcome != OK {
		h.mu.Unlock()
		m.telling.Unlock()
		return outcome
	}
	all := w.changes.Add(1) // the list is one: nothing may overtake it
	spelled := m.listener.SpellWatched(h.onlineOf(m, w))
	if m.watch.Swap(w) == nil {
		h.unhear(m)
		h.listHeard(m, spelled, batched(batch, &own))
	} else {
		w.stale = false
		h.listWatched(m, w, spelled, batched(batch, &own))
	}
	w.told.Store(all)
	m.telling.Unlock()
	own.Flush()
	return OK
}

// setWatch changes which users m watches. h.mu is held.
func (h *Hub) setWatch(m *Member, list WatchList, holder *wire.Holder) (*watch, Outcome) {
	switch {
	case m.left:
		return nil, Unavailable
	case m.User() == nil:
		return nil, NotRegistered
	}
	w := m.watch.Load()
	if w == nil {
		w = &watch{holder: holder, users: make(map[*watched]*sight)}
	}
	before := len(w.users)
	switch {
	case !h.watchable:
	case list.How == WatchOnly:
		h.watchOnly(m, w, list.IDs)
	case list.How == WatchAlso:
		if !h.watchAlso(m, w, list.IDs) {
			return nil, InvalidList
		}
	case list.How == WatchNever:
		for _, id := range list.IDs {
			if u := h.watched.names[id]; u != nil && w.users[u] != nil {
				h.unsight(u, w.users[u])
				delete(w.users, u)
			}
		}
	}
	w.holder.Add(sightSize*(len(w.users)-before), 0)
	return w, OK
}

func (h *Hub) watchOnly(m *Member, w *watch, ids []string) {
	former := w.users
	w.users = make(map[*watched]*sight, len(ids))
	for _, id := range ids {
		u := h.watchedUser(id)
		switch s := former[u]; {
		case s != nil:
			w.users[u] = s
			delete(former, u)
		case w.users[u] == nil:
			w.users[u] = h.sight(m, u)
		}
	}
	for u, s := range former {
		h.unsight(u, s)
	}
}

// watchAlso adds users, unless they are too many.
func (h *Hub) watchAlso(m *Member, w *watch, ids []string) bool {
	var added []*watched
	for _, id := range ids {
		if u := h.watched.names[id]; u != nil && w.users[u] != nil {
			continue
		}
		if len(w.users) == MaxWatched {
			for _, u := range added {
				h.unsight(u, w.users[u])
				delete(w.users, u)
			}
			return false
		}
		u := h.watchedUser(id)
		w.users[u] = h.sight(m, u)
		added = append(added, u)
	}
	return true
}

// watchedUser is the user of that name in the index. If it is new there, the caller
// must add a sight of it.
func (h *Hub) watchedUser(id string) *watched {
	u := h.watched.names[id]
	if u == nil {
		u = &watched{id: id}
		if h.watched.names == nil {
			h.watched.names = make(map[string]*watched)
		}
		h.watched.names[id] = u
		h.watched.peak = max(h.watched.peak, len(h.watched.names))
	}
	return u
}

func (h *Hub) sight(m *Member, u *watched) *sight {
	s := &sight{member: m, next: u.first}
	if s.next != nil {
		s.next.prev = s
	}
	u.first = s
	return s
}

func (h *Hub) unsight(u *watched, s *sight) {
	if s.next != nil {
		s.next.prev = s.prev
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		u.first = s.next
	}
	if u.first == nil {
		h.watched.drop(u)
	}
}

// Unwatch has m no longer watch the users for whom f returns true. It does not tell m.
func (h *Hub) Unwatch(m *Member, f func(id string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := m.watch.Load()
	if w == nil || m.left {
		return
	}
	before := len(w.users)
	for u, s := range w.users {
		if f(u.id) {
			h.unsight(u, s)
			delete(w.users, u)
		}
	}
	w.holder.Add(sightSize*(len(w.users)-before), 0)
}

// endWatch ends what m watches. h.mu is held.
func (h *Hub) endWatch(m *Member) {
	w := m.watch.Load()
	if w == nil {
		return
	}
	for u, s := range w.users {
		h.unsight(u, s)
	}
	w.holder.Add(-sightSize*len(w.users), 0)
	w.users, w.pending = nil, nil
}

// onlineOf is the list of the users that m watches and that are online, m's own
// excepted. h.mu is held.
func (h *Hub) onlineOf(m *Member, w *watch) *Roster {
	own := m.User()
	all := new(page)
	for u := range w.users {
		if holder := h.Find([]byte(u.id)); holder != nil && holder != own && !holder.hidden.Load() {
			all.names = rawjson.AppendString(append(all.names, ','), u.id)
		}
	}
	return &Roster{pages: []*page{all}}
}

// notify has a change wait for all who watch its user, and reports whether anybody
// does. h.mu is held.
func (h *Hub) notify(c *Change) bool {
	u := h.watched.names[c.User.ID]
	if u == nil {
		return false
	}
	for s := u.first; s != nil; s = s.next {
		if c.spares(s.member) {
			continue
		}
		w := s.member.watch.Load()
		w.changes.Add(1)
		w.wait(c)
		h.queue(s.member, w)
	}
	return true
}

// minPending is how many changes may wait, however few users are watched.
const minPending = 16

// wait has changes wait. Where they are more than twice as many as the users, a list
// says the same in less. Hub.mu is held.
func (w *watch) wait(news ...*Change) {
	if w.stale || len(w.pending)+len(news) > max(minPending, 2*len(w.users)) {
		w.pending, w.stale = nil, true
		return
	}
	w.pending = append(w.pending, news...)
}

// queue has the hub's goroutine tell m what waits. h.mu is held.
func (h *Hub) queue(m *Member, w *watch) {
	if !w.queued {
		w.queued = true
		h.due = append(h.due, m)
	}
}

// listWatched tells m what has waited, and then spelled. m.telling and h.mu are
// held; h.mu is released.
func (h *Hub) listWatched(m *Member, w *watch, spelled []byte, batch *wire.Batch) {
	news, all := w.pending, w.changes.Load()
	w.pending = nil
	var list []byte
	if w.stale {
		w.stale = false
		list = m.listener.SpellWatched(h.onlineOf(m, w))
	}
	h.mu.Unlock()
	for _, c := range news {
		m.listener.Announce(c, batch)
	}
	if list != nil {
		m.listener.Tell(list, batch)
	}
	m.listener.Tell(spelled, batch)
	w.told.Store(all)
}

// catchUpWatch is catchUp for a member that watches users. m.telling and h.mu are
// held; h.mu is released.
func (h *Hub) catchUpWatch(m *Member, w *watch, limit int, batch *wire.Batch) bool {
	all := w.changes.Load()
	if w.stale {
		if time.Since(m.listed.Time()) < listInterval {
			h.mu.Unlock()
			return false
		}
		w.stale = false
		spelled := m.listener.SpellWatched(h.onlineOf(m, w))
		h.mu.Unlock()
		m.listed = wire.InstantOf(time.Now())
		m.listener.Tell(spelled, batch)
		w.told.Store(all)
		return true
	}
	news := w.pending
	w.pending = nil
	h.mu.Unlock()
	size := 0
	for i, c := range news {
		if size >= limit || !m.listener.Announce(c, batch) {
			h.mu.Lock()
			later := w.pending
			w.pending = nil
			w.wait(news[i:]...)
			w.wait(later...)
			h.mu.Unlock()
			w.told.Store(all - uint64(len(news)-i))
			return false
		}
		size += c.size()
	}
	w.told.Store(all)
	return true
}

// tellWatchers tells all watchers for whom something waits, and reports whether
// there are some left who have not taken what they were sent before.
func (h *Hub) tellWatchers(batch *wire.Batch) (behind bool) {
	h.mu.Lock()
	due := h.due
	h.due = nil
	for _, m := range due {
		m.watch.Load().queued = false
	}
	h.mu.Unlock()
	var late []*Member
	for _, m := range due {
		if !h.tellWatcher(m, batch) {
			late = append(late, m)
		}
	}
	if len(late) == 0 {
		return false
	}
	h.mu.Lock()
	for _, m := range late {
		h.queue(m, m.watch.Load())
	}
	h.mu.Unlock()
	return true
}

// tellWatcher tells m what waits for it, unless it is busy.
func (h *Hub) tellWatcher(m *Member, batch *wire.Batch) (done bool) {
	for !done && h.behind(m) {
		if m.listener.Busy() {
			return false
		}
		m.telling.Lock()
		before := m.watch.Load().told.Load()
		done = h.catchUp(m, maxUnflushed, batch)
		stuck := m.watch.Load().told.Load() == before
		m.telling.Unlock()
		batch.Flush()
		if !done && stuck {
			return false
		}
	}
	return true
}
