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
}

// log is what has changed and was not told to everybody yet. Each member has a
// cursor into it, is told what lies behind that before anything else is sent
// to it, and otherwise by the hub's goroutine, which goes through all members:
// what changes while it goes waits for the next round, and leaves together.
type log struct {
	head    atomic.Uint64 // position behind the last entry
	base    uint64        // position of entries[0]
	entries []*announcement
	trimmed sync.Cond
}

// maxLog bounds the log: past it, registrations wait for the hub's goroutine.
// Departures do not, and there are no more of them than connections.
const maxLog = 1 << 14

// since returns the entries from position on. Hub.mu is held; the result stays
// as it is without.
// A member that has left may ask for what is gone; it is told nothing.
func (l *log) since(position uint64) []*announcement {
	if position < l.base {
		return nil
	}
	return l.entries[position-l.base:]
}

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
	h.log.entries = append(h.log.entries, &announcement{
		args:   events.AppendPresence(nil, event, u),
		except: [2]events.Peer{except1, except2},
	})
	h.log.head.Add(1)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Hub) waitForRoom() {
	h.mu.Lock()
	for len(h.log.entries) >= maxLog && !h.draining {
		h.log.trimmed.Wait()
	}
	h.mu.Unlock()
}

// tell queues news for m and moves its cursor. m.telling is held.
func (m *Member) tell(news []*announcement, batch *wire.Batch) {
	for _, a := range news {
		if a.except[0] != m.peer && a.except[1] != m.peer {
			m.watcher.Announce(a.args, batch)
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
		h.log.entries = append([]*announcement(nil), h.log.since(head)...)
		h.log.base = head
		h.log.trimmed.Broadcast()
		h.mu.Unlock()
	}
}
