package hub

import (
	"sync"
	"sync/atomic"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/wire"
)

// An announcement is one change, encoded once for everybody.
type announcement struct {
	args   []byte
	except [2]events.Peer // whom it concerns, and is not told
	user   *events.User

	undone atomic.Uint64 // of an arrival: position behind the entry that undoes it, or 0
	undoes uint64        // of a departure: position behind the entry that it undoes, or 0
}

// log is what has changed and was not told to everybody yet. Each member has a
// cursor into it, is told what lies behind that before anything else is sent
// to it, and otherwise by the hub's goroutine, which goes through all members:
// what changes while it goes waits for the next round, and leaves together.
type log struct {
	head    atomic.Uint64 // position behind the last entry
	base    uint64        // position of entries[0]
	entries []*announcement
	size    int                     // bytes of entries
	arrived map[*events.User]uint64 // positions of the arrivals in entries
	trimmed sync.Cond
}

const (
	// maxLog and maxLogSize bound the log: past them, registrations wait for the
	// hub's goroutine. Departures do not, and there are no more of them than
	// connections.
	maxLog     = 1 << 14
	maxLogSize = 1 << 20
	// crowded is how many bytes the log has from which on who comes and goes
	// within it is not spoken of: names that change faster than all can be told.
	crowded = maxLogSize / 4
	// mouthful is how many bytes a member is told before they are written, so
	// that who reads is not cut for what it was not sent yet.
	mouthful = 64 << 10
)

// since returns the entries from position on. Hub.mu is held; the result stays
// as it is without.
// A member that has left may ask for what is gone; it is told nothing.
func (l *log) since(position uint64) []*announcement {
	if position < l.base {
		return nil
	}
	return l.entries[position-l.base:]
}

// append adds an arrival or a departure. Hub.mu is held.
func (l *log) append(a *announcement, arrival bool) {
	at := l.head.Load()
	if arrival {
		if l.arrived == nil {
			l.arrived = make(map[*events.User]uint64)
		}
		l.arrived[a.user] = at
	} else if came, ok := l.arrived[a.user]; ok && l.size >= crowded {
		l.entries[came-l.base].undone.Store(at + 1)
		a.undoes = came + 1
		delete(l.arrived, a.user)
	}
	l.entries = append(l.entries, a)
	l.size += len(a.args)
	l.head.Add(1)
}

// trim forgets what lies before position. Hub.mu is held.
func (l *log) trim(position uint64) {
	told := l.entries[:position-l.base]
	for _, a := range told {
		l.size -= len(a.args)
		delete(l.arrived, a.user)
	}
	l.entries = append([]*announcement(nil), l.entries[len(told):]...)
	l.base = position
	l.trimmed.Broadcast()
}

// full reports whether registrations have to wait. Hub.mu is held.
func (l *log) full() bool { return len(l.entries) >= maxLog || l.size >= maxLogSize }

// tell appends a change. h.mu is held.
func (h *Hub) tell(event string, u *events.User, except1, except2 events.Peer) {
	if !h.presence {
		return
	}
	if event == events.PeerConnected {
		h.arrivals.Add(1)
	} else {
		h.goings.Add(1)
	}
	h.log.append(&announcement{
		args:   events.AppendPresence(nil, event, u),
		except: [2]events.Peer{except1, except2},
		user:   u,
	}, event == events.PeerConnected)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Crowded reports whether registrations have to wait for those who are to be
// told of others.
func (h *Hub) Crowded() bool {
	if !h.presence {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.full() && !h.draining
}

// AwaitRoom waits until that is over.
func (h *Hub) AwaitRoom() {
	h.mu.Lock()
	for h.log.full() && !h.draining {
		h.log.trimmed.Wait()
	}
	h.mu.Unlock()
}

// tell queues news for m and moves its cursor. m.telling is held.
func (m *Member) tell(news []*announcement, batch *wire.Batch) {
	from := m.cursor.Load()
	to := from + uint64(len(news))
	size := 0
	for _, a := range news {
		if undone := a.undone.Load(); undone != 0 && undone <= to || a.undoes > from {
			continue
		}
		if a.except[0] == m.peer || a.except[1] == m.peer {
			continue
		}
		m.watcher.Announce(a.args, batch)
		if size += len(a.args); size >= mouthful && batch != nil {
			size = 0
			batch.Flush()
		}
	}
	m.cursor.Add(uint64(len(news)))
}

// CatchUp tells m what has changed up to now, so that what is sent to it next
// comes after that.
func (h *Hub) CatchUp(m *Member, batch *wire.Batch) {
	if m.watcher == nil || m.cursor.Load() == h.log.head.Load() {
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
