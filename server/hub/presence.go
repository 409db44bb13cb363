package hub

import (
	"sync"
	"sync/atomic"

	"github.com/oodaa/signaling/server/wire"
)

// A Change is one user who came or went.
type Change struct {
	User   *User
	Online bool // the user came
	// Spelled is what a family sends for it, made once for everybody; nil: nobody
	// has made it yet.
	Spelled atomic.Pointer[[]byte]

	except [2]Peer // whom it concerns, and is not told

	undone atomic.Uint64 // of an arrival: position behind the entry that undoes it, or 0
	undoes uint64        // of a departure: position behind the entry that it undoes, or 0
}

// size is about what the change takes when it is sent.
func (c *Change) size() int { return len(c.User.JSON) + 36 }

// log is what has changed and was not told to everybody yet. Each member has a
// cursor into it, is told what lies behind that before anything else is sent
// to it, and otherwise by the hub's goroutine, which goes through all members:
// what changes while it goes waits for the next round, and leaves together.
type log struct {
	head    atomic.Uint64 // position behind the last entry
	base    uint64        // position of entries[0]
	entries []*Change
	size    int              // bytes of entries
	arrived map[*User]uint64 // positions of the arrivals in entries
	trimmed sync.Cond
}

const (
	// maxLog and maxLogSize bound the log: past them, registrations wait for the
	// hub's goroutine. Departures do not, and there are no more of them than
	// connections.
	maxLog     = 1 << 14
	maxLogSize = 1 << 20
	// crowdedSize is the backlog, in bytes, above which a user who joined and
	// left within it is not announced.
	crowdedSize = maxLogSize / 4
	// mouthful is how many bytes a member is told before they are written, so
	// that who reads is not cut for what it was not sent yet.
	mouthful = 64 << 10
)

// since returns the entries from position on. Hub.mu is held; the result stays
// as it is without.
// A member that has left may ask for what is gone; it is told nothing.
func (l *log) since(position uint64) []*Change {
	if position < l.base {
		return nil
	}
	return l.entries[position-l.base:]
}

// append adds an arrival or a departure. Hub.mu is held.
func (l *log) append(a *Change) {
	at := l.head.Load()
	if a.Online {
		if l.arrived == nil {
			l.arrived = make(map[*User]uint64)
		}
		l.arrived[a.User] = at
	} else if came, ok := l.arrived[a.User]; ok && l.size >= crowdedSize {
		l.entries[came-l.base].undone.Store(at + 1)
		a.undoes = came + 1
		delete(l.arrived, a.User)
	}
	l.entries = append(l.entries, a)
	l.size += a.size()
	l.head.Add(1)
}

// trim forgets what lies before position. Hub.mu is held.
func (l *log) trim(position uint64) {
	told := l.entries[:position-l.base]
	for _, a := range told {
		l.size -= a.size()
		delete(l.arrived, a.User)
	}
	l.entries = append([]*Change(nil), l.entries[len(told):]...)
	l.base = position
	l.trimmed.Broadcast()
}

// full reports whether registrations have to wait. Hub.mu is held.
func (l *log) full() bool { return len(l.entries) >= maxLog || l.size >= maxLogSize }

// tell appends a change. h.mu is held.
func (h *Hub) tell(u *User, online bool, except1, except2 Peer) {
	if !h.presence {
		return
	}
	if online {
		h.arrivals.Add(1)
	} else {
		h.goings.Add(1)
	}
	h.log.append(&Change{User: u, Online: online, except: [2]Peer{except1, except2}})
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// crowded reports whether registrations have to wait for those who are to be
// told of others.
func (h *Hub) crowded() bool {
	if !h.presence {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.full() && !h.draining
}

// awaitRoom waits until that is over.
func (h *Hub) awaitRoom() {
	if !h.presence {
		return
	}
	h.mu.Lock()
	for h.log.full() && !h.draining {
		h.log.trimmed.Wait()
	}
	h.mu.Unlock()
}

// tell queues news for m and moves its cursor. m.telling is held.
func (m *Member) tell(news []*Change, batch *wire.Batch) {
	from := m.cursor.Load()
	to := from + uint64(len(news))
	size := 0
	for _, a := range news {
		if undone := a.undone.Load(); undone != 0 && undone <= to || a.undoes > from {
			continue
		}
		if a.except[0] == m.listener || a.except[1] == m.listener {
			continue
		}
		m.listener.Announce(a, batch)
		if size += a.size(); size >= mouthful && batch != nil {
			size = 0
			batch.Flush()
		}
	}
	m.cursor.Add(uint64(len(news)))
}

// CatchUp tells m what has changed up to now, so that what is sent to it next
// comes after that.
func (h *Hub) CatchUp(m *Member, batch *wire.Batch) {
	if !m.watches || m.cursor.Load() == h.log.head.Load() {
		return
	}
	m.telling.Lock()
	h.mu.Lock()
	news := h.log.since(m.cursor.Load())
	h.mu.Unlock()
	m.tell(news, batch)
	m.telling.Unlock()
}

// announce tells all members what has changed, until Close.
func (h *Hub) announce() {
	defer close(h.done)
	var members []*Member
	var batch wire.Batch
	for {
		select {
		case <-h.wake:
		case <-h.stop:
			return
		}
		h.mu.Lock()
		members = append(members[:0], h.watching...)
		base, head, news := h.log.base, h.log.head.Load(), h.log.since(h.log.base)
		h.mu.Unlock()

		for _, m := range members {
			m.telling.Lock()
			if at := m.cursor.Load(); at < head {
				m.tell(news[at-base:], &batch)
			}
			m.telling.Unlock()
			batch.Flush()
		}
		clear(members)

		h.mu.Lock()
		h.log.trim(head)
		h.mu.Unlock()
	}
}
