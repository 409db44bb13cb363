// Package hub knows who is online: which connection holds which name, and who
// is to be told when that changes.
//
// All changes are made one after the other, so that takeover, release and
// close of one name have an order that everybody sees alike; lookups, of which
// every relay makes one, do not wait for them. No lock is held while bytes are
// written to a network.
package hub

import (
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// A Hub is the directory of one server. Make it with New.
type Hub struct {
	presence  bool    // everybody is told of everybody
	watchable bool    // users can be watched
	cluster   Cluster // nil: there is one instance
	seed      maphash.Seed
	shards    [shards]shard
	online    atomic.Int64

	grace     time.Duration
	deadlines *wire.Deadlines
	held      holdTotals
	awayUsers atomic.Int64
	absences  *wire.Histogram

	takeovers atomic.Uint64
	arrivals  atomic.Uint64 // changes that were announced
	goings    atomic.Uint64

	mu       sync.Mutex // orders all changes; guards what follows
	roster   Roster
	audience []*Member // those that are told of everybody
	watched  watchIndex
	due      []*Member // watchers that are to be told something
	others   int       // users of other instances
	draining bool
	// unannounced are the users that left since Drain, by ID. Their departure was not
	// announced and they are still on the lists, so their return is not announced either.
	unannounced map[string]*User
	log         log

	wake chan struct{} // the log has grown
	stop chan struct{}
	done chan struct{}
}

const shards = 64

type shard struct {
	mu    sync.RWMutex
	users map[string]*User
}

// A Member is one connection as the hub knows it. Its owner embeds it and
// leaves it alone.
type Member struct {
	listener Listener
	hears    bool // it is told of everybody who comes and goes
	left     bool // guarded by Hub.mu
	// released: it has no registration any more, though its last one may be away.
	released atomic.Bool

	user  atomic.Pointer[User]
	watch atomic.Pointer[watch] // nil: it has watched nobody yet

	// guarded by Hub.mu
	index int // in Hub.audience, counted from 1

	// telling is held while the member is told of changes, so that it hears of
	// them in their order. It is taken before Hub.mu.
	telling sync.Mutex
	cursor  atomic.Uint64 // how much of the log it was told; set under telling
	listed  wire.Instant  // when its last list was due; guarded by telling
}

// A Listener is what a member hears the hub by. Its methods do not block; what
// they queue, the batch writes.
type Listener interface {
	Peer
	// Spell returns what Tell is to be called with next: what the client gets
	// when it has registered as u, or asked for the list of users. u may be nil.
	// The hub is locked meanwhile.
	Spell(users *Roster, u *User) []byte
	// SpellWatched is Spell for the list of the users that the client watches and that
	// are online.
	SpellWatched(online *Roster) []byte
	// Tell queues what Spell or SpellWatched returned, and reports whether there was room.
	Tell(spelled []byte, batch *wire.Batch) bool
	// Announce queues a change, and reports whether there was room.
	Announce(c *Change, batch *wire.Batch) bool
	// Busy reports whether the client has not taken yet what it was sent.
	Busy() bool
}

// User is the member's registration, or nil.
func (m *Member) User() *User {
	if u := m.user.Load(); u != nil && !u.Gone() && !m.released.Load() {
		return u
	}
	return nil
}

// Options configure a Hub.
type Options struct {
	// Presence: everybody is told of everybody. Without it lists are empty.
	Presence bool
	// Watched, with Presence: clients are told of the users that they watch, and of
	// nobody else.
	Watched bool
	// Cluster are the other instances; nil: there is one.
	Cluster Cluster
	// Grace is how long a user whose connection broke is away; 0: it has left.
	Grace time.Duration
	// Deadlines time that; nil only without a Grace.
	Deadlines *wire.Deadlines
	// Account limits the memory of held relays, together with all else that is held
	// for clients; nil means no limit.
	Account *wire.Account
}

// New starts a hub. Close ends it.
func New(opts Options) *Hub {
	h := &Hub{
		presence:  opts.Presence && !opts.Watched,
		watchable: opts.Presence,
		cluster:   opts.Cluster,
		grace:     opts.Grace,
		absences:  newAbsences(),
		deadlines: opts.Deadlines,
		held:      holdTotals{account: opts.Account, holder: opts.Account.Open(nil)},
		seed:      maphash.MakeSeed(),
		wake:      make(chan struct{}, 1),
		stop:      make(chan struct{}),
		done:      make(chan struct{}),
	}
	for i := range h.shards {
		h.shards[i].users = make(map[string]*User)
	}
	go h.announce()
	return h
}

// Drain refuses new registrations from now on, and answers the relays that are
// held: nobody can come back for them here. Users that leave from now on
// are not announced, since all of them do, and stay on the lists.
func (h *Hub) Drain() {
	h.mu.Lock()
	h.draining = true
	h.unannounced = make(map[string]*User)
	var failed []*Held
	for u := range h.absent() {
		failed = append(failed, h.forget(u)...) // the others wait for it
	}
	h.mu.Unlock()
	Fail(failed)
}

// Draining reports whether Drain was called.
func (h *Hub) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// Close ends the hub's goroutine and waits for it.
func (h *Hub) Close() {
	h.Drain()
	close(h.stop)
	<-h.done
}

// Online is the number of users.
func (h *Hub) Online() int { return int(h.online.Load()) }

// Totals are figures that only grow.
type Totals struct {
	Takeovers uint64
	// Changes that were announced: users that came, and that went.
	Connected, Disconnected uint64
}

// Totals returns the figures of now.
func (h *Hub) Totals() Totals {
	return Totals{h.takeovers.Load(), h.arrivals.Load(), h.goings.Load()}
}

// Find returns who holds the name, or nil.
func (h *Hub) Find(id []byte) *User {
	s := &h.shards[maphash.Bytes(h.seed, id)%shards]
	s.mu.RLock()
	u := s.users[string(id)]
	s.mu.RUnlock()
	return u
}

// bind sets who holds the name; nil frees it. h.mu is held.
func (h *Hub) bind(id string, u *User) {
	s := &h.shards[maphash.String(h.seed, id)%shards]
	if former := s.users[id]; former != nil && former.Instance != "" {
		h.others--
	}
	if u != nil && u.Instance != "" {
		h.others++
	}
	s.mu.Lock()
	if u != nil {
		s.users[id] = u
	} else {
		delete(s.users, id)
	}
	s.mu.Unlock()
}

// Join makes a connection a member. With hears it is told who comes and goes.
func (h *Hub) Join(m *Member, listener Listener, hears bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.listener = listener
	if !hears || !h.presence {
		return
	}
	m.hears = true
	m.cursor.Store(h.log.head.Load())
	h.audience = append(h.audience, m)
	m.index = len(h.audience)
}

// Leave ends the membership, and the registration if the member still has one.
// unacknowledged are relays that its connection was given and the device has not
// acknowledged. The caller must Fail the result, with nothing locked.
func (h *Hub) Leave(m *Member, ending Ending, unacknowledged []*Held) (failed []*Held) {
	h.mu.Lock()
	if m.left {
		h.mu.Unlock()
		return nil
	}
	m.left = true
	h.unhear(m)
	h.endWatch(m)
	u := m.User()
	if u != nil {
		failed = h.part(u, ending, unacknowledged)
	}
	h.mu.Unlock()
	if u == nil { // another connection took the name meanwhile
		failed = h.putBack(m.Registration(), unacknowledged)
	}
	return failed
}

// unhear takes m out of the audience. h.mu is held.
func (h *Hub) unhear(m *Member) {
	if m.index == 0 {
		return
	}
	last := len(h.audience) - 1
	h.audience[m.index-1] = h.audience[last]
	h.audience[m.index-1].index = m.index
	h.audience[last] = nil
	h.audience = h.audience[:last]
	m.index = 0
}

// part makes u, which has lost its connection, away, or frees its name. It returns the
// relays that fail for that. h.mu is held.
func (h *Hub) part(u *User, ending Ending, unacknowledged []*Held) []*Held {
	switch {
	case ending == Goodbye || h.grace == 0:
		return append(unacknowledged, h.free(u)...)
	case h.draining: // it is away for the other instances
		if h.cluster != nil {
			h.cluster.Left(u)
		}
		return append(unacknowledged, h.forget(u)...)
	}
	h.leaveAway(u, ending, unacknowledged)
	return nil
}

// Release ends the registration that the member has, as its connection's breaking
// does; it may register again. unacknowledged and the result are as of Leave.
func (h *Hub) Release(m *Member, unacknowledged []*Held) (failed []*Held) {
	h.mu.Lock()
	u := m.User()
	if u == nil || m.left {
		h.mu.Unlock()
		return h.putBack(m.Registration(), unacknowledged)
	}
	m.released.Store(true)
	failed = h.part(u, Broke, unacknowledged)
	h.mu.Unlock()
	return failed
}

// free ends a registration of ours, and frees its name. It returns the relays that
// are held for it. h.mu is held.
func (h *Hub) free(u *User) []*Held {
	held := h.forget(u)
	if h.cluster != nil {
		h.cluster.Released(u)
	}
	return held
}

// forget is free without the other instances. h.mu is held.
func (h *Hub) forget(u *User) []*Held {
	announced := false
	if u.away != nil {
		announced = h.endAbsence(u).announced
	} else {
		h.online.Add(-1)
	}
	if u.question != nil {
		u.question.settle(false)
	}
	u.left.Store(true)
	u.End()
	h.bind(u.ID, nil)
	switch {
	case announced:
	case h.draining:
		h.unannounced[u.ID] = u
	default:
		if h.presence {
			h.roster.Remove(u)
		}
		h.tell(u, false, u.Peer, nil)
	}
	if kept := u.waiting.Swap(nil); kept != nil {
		return kept.finish()
	}
	return nil
}

// absent goes through the users of ours that are away. h.mu is held.
func (h *Hub) absent() iter.Seq[*User] {
	return func(yield func(*User) bool) {
		if h.awayUsers.Load() == 0 {
			return
		}
		for i := range h.shards {
			s := &h.shards[i]
			s.mu.RLock()
			users := slices.Collect(maps.Values(s.users))
			s.mu.RUnlock()
			for _, u := range users {
				if u.away != nil && !yield(u) {
					return
				}
			}
		}
	}
}
