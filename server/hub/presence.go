package hub

import (
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// A Change is one user who came or went.
type Change struct {
	User   *User
	Online bool // the user came

	spelled [Forms]atomic.Pointer[[]byte] // nil: nobody has made it yet
	except  [2]Peer                       // whom it concerns, and is not told

	begin  int64         // position of the change in the log, in bytes
	undone atomic.Uint64 // of an arrival: position behind the entry that undoes it, or 0
	undoes uint64        // of a departure: position behind the entry that it undoes, or 0
}

// Forms is how many families there are that spell changes, each in a form of its own.
const Forms = 2

// Spelled is what a family sends for the change in the form that it uses. spell makes
// it, once for everybody.
func (c *Change) Spelled(form int, spell func(*Change) []byte) []byte {
	spelled := c.spelled[form].Load()
	if spelled == nil {
		made := spell(c)
		spelled = &made
		c.spelled[form].Store(spelled)
	}
	return *spelled
}

// spares reports whether m is not told of the change, because it concerns m.
func (c *Change) spares(m *Member) bool {
	return c.except[0] == m.listener || c.except[1] == m.listener
}

// size is about what the change takes when it is sent.
func (c *Change) size() int { return len(c.User.JSON) + 36 }

// log is what has changed lately. Each member has a cursor into it, is told what
// lies behind that before anything else is sent to it, and otherwise by the hub's
// goroutine. The log waits for nobody: it keeps the latest maxLogSize bytes, and a
// member whose cursor falls out of it is sent a list instead.
type log struct {
	head    atomic.Uint64 // position behind the last entry
	base    uint64        // position of entries[0]
	entries []*Change
	size    int              // bytes of entries
	written int64            // bytes of all entries that there ever were
	arrived map[*User]uint64 // positions of the arrivals in entries
}

const (
	maxLogSize = 1 << 20
	// crowdedSize is the backlog of a member, in bytes, above which a user who
	// joined and left within it is not announced to that member.
	crowdedSize = maxLogSize / 4
	// maxUnflushed is how many bytes of changes a member is sent before they are
	// written.
	maxUnflushed = 64 << 10
	// listInterval is how often a member whose cursor fell out of the log is sent
	// a list.
	listInterval = 5 * time.Second
	// retryInterval is how often the hub looks after members that were busy.
	retryInterval = 200 * time.Millisecond
)

// since returns the entries from position on, and whether they are all there.
// Hub.mu is held; the result stays as it is without.
func (l *log) since(position uint64) (news []*Change, all bool) {
	if position < l.base {
		return nil, false
	}
	return l.entries[position-l.base:], true
}

// append adds a change, and drops the oldest where there are too many. Hub.mu is
// held.
func (l *log) append(a *Change) {
	at := l.head.Load()
	if a.Online {
		if l.arrived == nil {
			l.arrived = make(map[*User]uint64)
		}
		l.arrived[a.User] = at
	} else if came, ok := l.arrived[a.User]; ok {
		l.entries[came-l.base].undone.Store(at + 1)
		a.undoes = came + 1
		delete(l.arrived, a.User)
	}
	l.entries = append(l.entries, a)
	a.begin = l.written
	l.size += a.size()
	l.written += int64(a.size())
	l.head.Add(1)
	for l.size > maxLogSize {
		l.drop(l.base + 1)
	}
}

// drop forgets what lies before position. Hub.mu is held.
func (l *log) drop(position uint64) {
	dropped := l.entries[:position-l.base]
	for _, a := range dropped {
		l.size -= a.size()
		if at, ok := l.arrived[a.User]; ok && at < position {
			delete(l.arrived, a.User)
		}
	}
	l.entries = l.entries[len(dropped):]
	if len(l.entries) == 0 {
		l.entries = nil
	}
	l.base = position
}

// tell appends a change. h.mu is held.
func (h *Hub) tell(u *User, online bool, except1, except2 Peer) {
	if !h.watchable {
		return
	}
	if online {
		h.arrivals.Add(1)
	} else {
		h.goings.Add(1)
	}
	c := &Change{User: u, Online: online, except: [2]Peer{except1, except2}}
	if h.presence {
		h.log.append(c)
	}
	if !h.notify(c) && !h.presence {
		return // nobody is to be told
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// hear queues news for m, as far as they fit, and moves its cursor. m.telling is
// held. It reports whether m has heard all of them.
func (m *Member) hear(news []*Change, limit int, batch *wire.Batch) bool {
	from := m.cursor.Load()
	to := from + uint64(len(news))
	size := 0
	crowded := len(news) > 0 && news[len(news)-1].begin-news[0].begin >= crowdedSize
	for i, a := range news {
		if undone := a.undone.Load(); crowded && (undone != 0 && undone <= to || a.undoes > from) {
			continue
		}
		if a.spares(m) {
			continue
		}
		if size >= limit || !m.listener.Announce(a, batch) {
			m.cursor.Store(from + uint64(i))
			return false
		}
		size += a.size()
	}
	m.cursor.Store(to)
	return true
}

// CatchUp tells m what has changed up to now, so that what is sent to it next
// comes after that.
func (h *Hub) CatchUp(m *Member, batch *wire.Batch) {
	if !h.behind(m) {
		return
	}
	var own wire.Batch
	m.telling.Lock()
	h.catchUp(m, maxLogSize, batched(batch, &own))
	m.telling.Unlock()
	own.Flush()
}

// behind reports whether there are changes that m has not been told.
func (h *Hub) behind(m *Member) bool {
	if w := m.watch.Load(); w != nil {
		return w.told.Load() != w.changes.Load()
	}
	return m.hears && m.cursor.Load() != h.log.head.Load()
}

// batched is batch, or own where there is none, so that nothing is written while
// a lock is held.
func batched(batch, own *wire.Batch) *wire.Batch {
	if batch != nil {
		return batch
	}
	return own
}

// catchUp queues what m has missed: the changes where the log has them, limit
// bytes at most, else a list. m.telling is held. It reports whether m has missed
// nothing any more.
func (h *Hub) catchUp(m *Member, limit int, batch *wire.Batch) bool {
	h.mu.Lock()
	w := m.watch.Load()
	switch {
	case m.left && w != nil:
		w.told.Store(w.changes.Load())
		h.mu.Unlock()
		return true
	case m.left:
		m.cursor.Store(h.log.head.Load())
		h.mu.Unlock()
		return true
	case w != nil:
		return h.catchUpWatch(m, w, limit, batch)
	}
	news, all := h.log.since(m.cursor.Load())
	if all {
		h.mu.Unlock()
		return m.hear(news, limit, batch)
	}
	if time.Since(m.listed.Time()) < listInterval {
		h.mu.Unlock()
		return false
	}
	spelled, head := m.listener.Spell(&h.roster, m.User()), h.log.head.Load()
	h.mu.Unlock()
	if !m.listener.Tell(spelled, batch) {
		return false
	}
	m.listed = wire.InstantOf(time.Now())
	m.cursor.Store(head)
	return true
}

// announce tells all members what has changed, until Close. A member that has not
// taken what it was sent before keeps its place in the log.
func (h *Hub) announce() {
	defer close(h.done)
	retry := time.NewTimer(0)
	defer retry.Stop()
	var members []*Member
	var batch wire.Batch
	for {
		select {
		case <-h.wake:
		case <-retry.C:
		case <-h.stop:
			return
		}
		h.mu.Lock()
		members = append(members[:0], h.audience...)
		head := h.log.head.Load()
		h.mu.Unlock()

		behind := h.tellWatchers(&batch)
		for _, m := range members {
			for m.cursor.Load() < head {
				if m.listener.Busy() {
					behind = true
					break
				}
				m.telling.Lock()
				at := m.cursor.Load()
				done := h.catchUp(m, maxUnflushed, &batch)
				stuck := !done && m.cursor.Load() == at
				m.telling.Unlock()
				batch.Flush()
				if stuck {
					behind = true
					break
				}
			}
		}
		clear(members)

		if behind {
			retry.Reset(retryInterval)
			continue
		}
		h.mu.Lock()
		if head > h.log.base {
			h.log.drop(head)
		}
		h.mu.Unlock()
	}
}
