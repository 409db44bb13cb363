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
	"sync"
	"sync/atomic"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/wire"
)

// A Hub is the directory of one server. Make it with New.
type Hub struct {
	presence bool
	seed     maphash.Seed
	shards   [shards]shard
	online   atomic.Int64

	takeovers atomic.Uint64
	arrivals  atomic.Uint64 // changes that were announced
	goings    atomic.Uint64

	mu       sync.Mutex // orders all changes; guards what follows
	roster   events.Roster
	watching []*Member
	draining bool
	log      log
	ledger   Ledger // nil: nobody else is to know

	wake chan struct{} // the log has grown
	stop chan struct{}
	done chan struct{}
}

const shards = 64

type shard struct {
	mu    sync.RWMutex
	users map[string]*events.User
}

// A Member is one connection as the hub knows it. Its owner embeds it and
// leaves it alone.
type Member struct {
	peer    events.Peer
	watcher Watcher // nil if it is told nothing

	user atomic.Pointer[events.User]

	// guarded by Hub.mu
	index int // in Hub.watching, counted from 1
	left  bool

	// telling is held while the member is told of changes, so that it hears of
	// them in their order. It is taken before Hub.mu.
	telling sync.Mutex
	cursor  atomic.Uint64 // how much of the log it was told; set under telling
}

// A Watcher is told who comes and goes. Its methods only queue, and leave
// writing to the batch.
type Watcher interface {
	// Announce queues one announcement, the arguments of an event.
	Announce(args []byte, batch *wire.Batch)
}

// User is the member's registration, or nil.
func (m *Member) User() *events.User {
	if u := m.user.Load(); u != nil && !u.Gone() {
		return u
	}
	return nil
}

// New starts a hub. Without presence nobody is told of anybody, and lists are
// empty. Close ends it.
func New(presence bool) *Hub {
	h := &Hub{
		presence: presence,
		seed:     maphash.MakeSeed(),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	h.log.trimmed.L = &h.mu
	for i := range h.shards {
		h.shards[i].users = make(map[string]*events.User)
	}
	go h.announce()
	return h
}

// A Ledger is told when names that were registered here become free.
type Ledger interface {
	// Released is called for a registration that has ended and was not taken
	// over. It only takes note: the hub waits for it.
	Released(u *events.User)
}

// Report makes l the hub's ledger. It must be called before the first Join.
func (h *Hub) Report(l Ledger) { h.ledger = l }

// Drain refuses newcomers from now on.
func (h *Hub) Drain() {
	h.mu.Lock()
	h.draining = true
	h.log.trimmed.Broadcast()
	h.mu.Unlock()
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
func (h *Hub) Find(id []byte) *events.User {
	s := &h.shards[maphash.Bytes(h.seed, id)%shards]
	s.mu.RLock()
	u := s.users[string(id)]
	s.mu.RUnlock()
	return u
}

// bind sets who holds the name; nil frees it. h.mu is held.
func (h *Hub) bind(id string, u *events.User) {
	s := &h.shards[maphash.String(h.seed, id)%shards]
	s.mu.Lock()
	if u != nil {
		s.users[id] = u
	} else {
		delete(s.users, id)
	}
	s.mu.Unlock()
}

// Join makes a connection a member. watcher may be nil.
func (h *Hub) Join(m *Member, peer events.Peer, watcher Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	m.peer = peer
	if watcher == nil || !h.presence {
		return
	}
	m.watcher = watcher
	m.cursor.Store(h.log.head.Load())
	h.watching = append(h.watching, m)
	m.index = len(h.watching)
}

// Leave ends the membership, and the registration if the member still has one.
func (h *Hub) Leave(m *Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m.left {
		return
	}
	m.left = true
	if m.index > 0 {
		last := len(h.watching) - 1
		h.watching[m.index-1] = h.watching[last]
		h.watching[m.index-1].index = m.index
		h.watching[last] = nil
		h.watching = h.watching[:last]
		m.index = 0
	}
	if u := m.User(); u != nil {
		h.free(u)
	}
}

// Release ends the registration that the member has; it may register again.
func (h *Hub) Release(m *Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if u := m.User(); u != nil && !m.left {
		h.free(u)
		m.user.Store(nil)
	}
}

// release ends the registration u. h.mu is held.
func (h *Hub) release(u *events.User) {
	u.End()
	if u.Instance == "" {
		h.online.Add(-1)
	}
	if h.presence {
		h.roster.Remove(u)
	}
}

// free releases a registration of ours, and its name. h.mu is held.
func (h *Hub) free(u *events.User) {
	h.release(u)
	h.bind(u.ID, nil)
	h.tell(events.PeerDisconnected, u, u.Peer, nil)
	if h.ledger != nil {
		h.ledger.Released(u)
	}
}

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

// Register is RegisterAs of a claim that is just a name and a key.
func (h *Hub) Register(m *Member, id, key string, batch *wire.Batch, listed func(args []byte)) events.Code {
	return h.RegisterAs(m, Claim{ID: id, Key: key}, batch, listed)
}

// RegisterAs gives the name to the member, takes it from who held it, and
// releases the name that the member had. Where the member holds the name
// already, only its key is set. listed, where not nil, is called with the user
// list as it is then, in order with the announcements. The outcome is OK,
// InvalidProof for a name that is guarded, or Unavailable.
func (h *Hub) RegisterAs(m *Member, claim Claim, batch *wire.Batch, listed func(args []byte)) events.Code {
	m.telling.Lock()
	h.mu.Lock()
	own := m.user.Load()
	// Who was replaced will be disconnected, and must not take the name along.
	if h.draining || m.left || own != nil && own.Gone() {
		h.mu.Unlock()
		m.telling.Unlock()
		return events.Unavailable
	}
	replaced := h.Find([]byte(claim.ID))
	if replaced == own {
		replaced = nil
	}
	if replaced != nil && claim.Guarded && replaced.Key() != "" && (!claim.Proved || replaced.Key() != claim.Key) {
		h.mu.Unlock()
		m.telling.Unlock()
		return events.InvalidProof
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
			h.tell(events.PeerDisconnected, replaced, m.peer, replaced.Peer)
		}
		u := events.NewUser(claim.ID, claim.Key, m.peer)
		u.Epoch = claim.Epoch
		m.user.Store(u)
		h.bind(u.ID, u)
		h.online.Add(1)
		if h.presence {
			h.roster.Add(u)
		}
		if replaced != nil {
			h.tell(events.PeerConnected, u, m.peer, replaced.Peer)
		} else {
			h.tell(events.PeerConnected, u, m.peer, nil)
		}
	}
	h.list(m, batch, listed)
	if replaced != nil {
		replaced.Peer.Replaced()
	}
	return events.OK
}

// List calls listed with the user list, in order with the announcements.
func (h *Hub) List(m *Member, batch *wire.Batch, listed func(args []byte)) {
	m.telling.Lock()
	h.mu.Lock()
	h.list(m, batch, listed)
}

// list tells m all that has changed so far, and then the list. m.telling and
// h.mu are held, and released.
func (h *Hub) list(m *Member, batch *wire.Batch, listed func(args []byte)) {
	var args []byte
	if listed != nil {
		roster := &h.roster
		if !h.presence {
			roster = nil
		}
		args = roster.AppendUserList(nil, m.User())
	}
	var news []*announcement
	if m.watcher != nil {
		news = h.log.since(m.cursor.Load())
	}
	h.mu.Unlock()
	m.tell(news, batch)
	if listed != nil {
		listed(args)
	}
	m.telling.Unlock()
}
