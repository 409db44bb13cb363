package cluster

import (
	"context"
	"encoding/binary"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
	"unique"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// relays are those on their way to other instances, and those that wait.
type relays struct {
	mu      sync.Mutex
	last    uint64              // id
	lanes   map[string]*lane    // by the target's name
	open    map[uint64]*relay   // those without an answer, by id
	byAge   []aged              // all of open, and some that are answered
	size    int                 // bytes of open
	out     map[string][][]byte // what is to be published, by instance
	spare   [][]byte            // of out, to be used again
	lookup  []string            // names to ask the directory for
	holding int                 // relays that are held
	account *wire.Account       // of memory
	holder  wire.Holder         // of what all of them take
	expired uint64              // those that nobody came for
	dead    map[string]bool     // instances whose leases have ended
	fences  map[fence]refusal
	// instances are what processes were when they were heard of last. There is
	// one for each start of another instance.
	instances map[string]string
}

// maxRelays bounds the bytes of all relays that wait or are on their way; past
// it they are answered with an error.
const maxRelays = 64 << 20

// A relay is one that this instance sends, until it is answered. Then it is used
// again, with its room: nothing keeps one but open, and a lane where it waits.
type relay struct {
	id      uint64
	encoded []byte // by appendRelay
	lane    *lane
	outcome hub.Reply // To is a part of encoded
	sender  hub.Sender
	from    *hub.User
	address string
	// deadline is until when it is to be answered, if it is not held.
	deadline time.Time
	tries    int
	flying   bool // sent, and has not come back
}

// relaySize is what a relay takes beside its message.
const relaySize = 256

func (m *relay) size() int { return relaySize + cap(m.encoded) }

var relayPool = sync.Pool{New: func() any { return new(relay) }}

// maxRoom is the most room that a relay keeps. Candidates, nine in ten of all
// relays, take less; with more, a few large ones would leave their room to many
// small ones, which then fill maxRelays with what they do not use.
const maxRoom = 1 << 10

func (m *relay) free() {
	room := m.encoded[:0]
	if cap(room) > maxRoom {
		room = nil
	}
	*m = relay{encoded: room}
	relayPool.Put(m)
}

// aged says until when a relay is to be answered.
type aged struct {
	id       uint64
	deadline time.Time
}

// A lane is the way to one name. What is sent to one name arrives in its order:
// while anything waits, what comes next waits behind it.
// An idle one is kept for a moment, since more is likely to come.
type lane struct {
	name    string
	waiting []*relay // in the order of their ids
	room    [1]*relay
	flying  int
	at, key string   // the instance that those were sent to, and the user's key
	looking bool     // the directory is being asked
	here    []*relay // are being put on the connection of a user of ours, by carryOut
	held    *hold    // nil: nothing is
}

// idle reports whether nothing is on its way, or held.
func (l *lane) idle() bool {
	return len(l.waiting) == 0 && l.flying == 0 && !l.looking && len(l.here) == 0
}

// work is what a change of the lanes leaves to do for carryOut, when relays.mu is
// released: all of it may write to connections.
type work struct {
	over []*relay // have their outcome, which their senders are to be told
	here []*lane  // have relays for a user of ours
}

// maxTries is how often a relay is sent at most, unless its target has come to another
// instance since.
const maxTries = 3

// Reachable reports whether relays to a user whom the hub knows can be delivered
// at once: it is certain that our users are ours still, and nothing that was sent
// to the name before is on its way.
func (c *Cluster) Reachable(id []byte) bool {
	return c.serving() && !c.relays.underway(id)
}

// underway reports whether relays to the name wait, or are on their way to where
// it was before and may come back.
func (rs *relays) underway(id []byte) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	l := rs.lanes[string(id)]
	return l != nil && !l.idle()
}

// Relay takes a relay over to send it to the instance of its target. The
// answer is Pending, or NotFound where too much is on its way already.
func (c *Cluster) Relay(r *hub.Relay) hub.Outcome {
	m := relayPool.Get().(*relay)
	encoded, to := appendRelay(slices.Grow(m.encoded, encodedSize(r)), r)
	m.encoded, m.sender, m.from, m.address = encoded, r.Sender, r.From, r.Address
	m.outcome = hub.Reply{Kind: r.Kind, To: to, Ack: r.Ack}
	deadline := time.Now().Add(patience)
	rs := &c.relays
	rs.mu.Lock()
	if rs.size+m.size() > maxRelays {
		rs.mu.Unlock()
		m.free()
		return hub.NotFound
	}
	rs.last++
	m.id, m.deadline = rs.last, deadline
	rs.open[m.id] = m
	rs.add(m.size())
	rs.byAge = append(rs.byAge, aged{m.id, deadline})
	l := rs.lanes[string(r.To)]
	if l == nil {
		l = &lane{name: string(r.To)}
		l.waiting = l.room[:0]
		rs.lanes[l.name] = l
	}
	m.lane = l
	l.waiting = append(l.waiting, m)
	var left work
	switch {
	case l.held != nil:
		rs.holdOne(l, m, &left)
	case len(l.waiting) == 1:
		rs.advance(c, l, &left)
	}
	rs.mu.Unlock()
	c.carryOut(left, nil)
	c.kick()
	return hub.Pending
}

// advance sends what waits in a lane, as far as it is known where to. rs.mu is
// held.
func (rs *relays) advance(c *Cluster, l *lane, left *work) {
	for len(l.waiting) > 0 && !l.looking && l.held == nil && len(l.here) == 0 {
		if !c.serving() {
			return // until resume
		}
		u := c.Hub.Find([]byte(l.name))
		switch {
		case u != nil && u.Instance == "":
			if l.flying > 0 {
				return // they may come back, and were first
			}
			for len(l.waiting) > 0 {
				rs.deliver(l, left)
			}
		case c.current() == nil:
			if !c.alone.Load() {
				return // until resume
			}
			rs.finish(l.next(), hub.NotFound, left)
		case l.flying > 0 && rs.at(u) != l.at:
			return // likewise
		case u != nil && l.waiting[0].tries == 0:
			rs.send(c, l, rs.at(u), u.Key())
		default:
			if l.flying > 0 {
				return
			}
			rs.ask(l)
		}
	}
}

// ask queues a lookup of the name of a lane. rs.mu is held.
func (rs *relays) ask(l *lane) {
	l.looking = true
	rs.lookup = append(rs.lookup, l.name)
}

// finish ends a relay that waits in no lane any more. rs.mu is held.
func (rs *relays) finish(m *relay, code hub.Outcome, left *work) {
	rs.forget(m)
	m.outcome.Outcome = code
	left.over = append(left.over, m)
}

// deliver takes the first relay of a lane, to be put on the connection of a user of
// ours. Until that has been done, what comes next waits in the lane. rs.mu is held.
func (rs *relays) deliver(l *lane, left *work) {
	m := l.next()
	rs.forget(m) // it is not open any more: it gets its outcome now
	if l.here = append(l.here, m); len(l.here) == 1 {
		left.here = append(left.here, l)
	}
}

// reopen is the opposite of forget. rs.mu is held.
func (rs *relays) reopen(m *relay) {
	rs.open[m.id] = m
	rs.add(m.size())
	m.deadline = time.Now().Add(patience)
	rs.byAge = append(rs.byAge, aged{m.id, m.deadline})
}

// add counts n bytes in, or out where n is negative. rs.mu is held.
func (rs *relays) add(n int) {
	rs.size += n
	rs.holder.Add(0, n)
}

// forget takes a relay out of those without an answer. rs.mu is held.
func (rs *relays) forget(m *relay) {
	delete(rs.open, m.id)
	rs.add(-m.size())
}

// delivered goes on with lanes whose relays have been put on connections. Where their
// user had left meanwhile, or is not known yet to have come, they wait again.
func (rs *relays) delivered(c *Cluster, lanes []*lane) (left work) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, l := range lanes {
		for _, m := range l.here {
			switch {
			case m.outcome.Outcome != codeMoved:
				left.over = append(left.over, m)
			case c.Grace > 0:
				m.tries++
				rs.reopen(m)
				rs.back(l, m, &left)
				if m.tries >= maxTries && l.held == nil {
					rs.hold(l, nil, "", &left)
				}
			default:
				m.outcome.Outcome = hub.NotFound
				left.over = append(left.over, m)
			}
		}
		clear(l.here)
		l.here = l.here[:0]
		rs.advance(c, l, &left)
	}
	return left
}

// next takes the first relay that waits. The slice is used again once it is
// empty.
func (l *lane) next() *relay {
	m := l.waiting[0]
	l.waiting[0] = nil
	if l.waiting = l.waiting[1:]; len(l.waiting) == 0 {
		l.waiting = l.room[:0]
	}
	return m
}

// note takes note of what a process is now.
func (rs *relays) note(h *holder) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if process := h.process(); rs.instances[process] != h.instance {
		rs.instances[process] = h.instance
	}
}

// at is the instance that a user is on; empty for nil. rs.mu is held.
func (rs *relays) at(u *hub.User) string {
	if u == nil {
		return ""
	}
	return rs.instances[u.Instance]
}

// send queues the first relay of a lane for an instance. rs.mu is held.
func (rs *relays) send(c *Cluster, l *lane, instance, key string) {
	m := l.next()
	m.flying = true
	l.flying++
	l.at, l.key = instance, key
	m.tries++
	if c.Log.Enabled(context.Background(), slog.LevelDebug) {
		if s := c.current(); s != nil {
			c.Log.Debug("relay sent", "node", c.Name, "relay", relayID(s.instance, m.id), "connection", m.sender.ID(), "to", instance)
		}
	}
	var head [1 + binary.MaxVarintLen64]byte
	head[0] = itemRelay
	rs.publish(c, instance, binary.AppendUvarint(head[:1], m.id), m.encoded)
}

// relayID names a relay in the logs of both instances.
func relayID(instance string, id uint64) string { return instance + "/" + strconv.FormatUint(id, 10) }

// found goes on with a lane whose name the directory was asked for. h is nil if
// nobody holds it. away is what the directory says there of the name.
func (c *Cluster) found(s *session, name string, h *holder, away string) {
	rs := &c.relays
	rs.mu.Lock()
	l := rs.lanes[name]
	if l == nil {
		rs.mu.Unlock()
		return
	}
	l.looking = false
	isAway := h != nil && away == h.registration()
	page, isGone := parsePage(away)
	var left work
	switch {
	case l.held != nil && l.held.page != "" && l.held.page != away: // another user has had the name
		rs.giveUp(l, &left)
	case h == nil && isGone && c.Grace > 0 && (l.held == nil || l.held.isFor(page.key)):
		rs.holdForPage(l, away, page.key, &left)
	case l.held != nil && (h == nil || !l.held.isFor(h.key)):
		rs.giveUp(l, &left)
	case h != nil && rs.stays(l, h, isAway):
	case l.held != nil:
		rs.release(l)
	}
	at := l.at
	for len(l.waiting) > 0 && l.held == nil {
		exhausted := h != nil && l.waiting[0].tries >= maxTries && at == h.instance
		switch {
		case h == nil:
			rs.finish(l.next(), hub.NotFound, &left)
		case c.Grace > 0 && (isAway || rs.dead[h.instance] || exhausted),
			c.Grace > 0 && h.instance == s.instance && !h.isOurs(c.Hub.Find([]byte(name))):
			rs.hold(l, h, h.key, &left)
		case exhausted:
			rs.finish(l.next(), hub.NotFound, &left)
		case h.instance != s.instance:
			rs.send(c, l, h.instance, h.key)
		default:
			// What the directory gave to us the hub may not know of yet; who
			// got it was not told so either.
			rs.deliver(l, &left)
		}
	}
	rs.mu.Unlock()
	c.carryOut(left, nil)
}

// carryOut does what changes of the lanes have left to do. No lock is held: it
// writes to connections, or has the batch do so.
func (c *Cluster) carryOut(left work, batch *wire.Batch) {
	c.answer(left.over, batch)
	for len(left.here) > 0 {
		for _, l := range left.here {
			for _, m := range l.here {
				m.outcome.Outcome = c.deliver(m, batch)
			}
		}
		left = c.relays.delivered(c, left.here)
		c.answer(left.over, batch)
	}
}

// deliver puts a relay of ours on the connection of a user of ours.
func (c *Cluster) deliver(m *relay, batch *wire.Batch) hub.Outcome {
	in := reader{p: m.encoded, hub: c.Hub}
	r := in.relay()
	if r == nil {
		return hub.NotFound
	}
	r.From, r.Sender, r.Ack, r.Address = m.from, m.sender, m.outcome.Ack, m.address
	if batch != nil {
		r.Batch = batch
	}
	return c.deliverTo(r)
}

// deliverTo is deliver of what is decoded; codeMoved says that no user of ours
// has the name.
func (c *Cluster) deliverTo(r *hub.Relay) hub.Outcome {
	for {
		u := c.Hub.Find(r.To)
		if u == nil || u.Instance != "" {
			return codeMoved
		}
		code := u.Relay(r)
		if code == hub.NotFound && c.Grace > 0 && u.Over() { // as the hub is about to hear
			if r.Remote == "" {
				return codeMoved
			}
			return hub.Away
		}
		if code != hub.NotFound || !u.Gone() || c.Hub.Find(r.To) == u {
			return code
		}
	}
}

// answer tells the senders. The relays are not theirs, and used again. Those that
// are Pending the hub answers.
func (c *Cluster) answer(over []*relay, batch *wire.Batch) {
	for _, m := range over {
		if m.outcome.Outcome == hub.Pending {
			m.free()
			continue
		}
		if batch != nil {
			m.outcome.Batch = batch
		}
		c.counts.sent.count(m.outcome.Outcome)
		m.sender.Replied(&m.outcome)
		m.free()
	}
}

// receive handles what another instance published to this one. Relays that
// come while it is not certain that our users are ours still are dropped: their
// senders will not wait for them for ever.
func (c *Cluster) receive(s *session, payload string) {
	s.payload = append(s.payload[:0], payload...)
	in := reader{p: s.payload, hub: c.Hub}
	from := string(in.text())
	in.sender = unique.Make(processOf(from)).Value()
	var batch wire.Batch
	answers := s.answers[:0]
	var left work
	for len(in.p) > 0 {
		switch in.byte() {
		case itemRelay:
			id := in.number()
			r := in.relay()
			if in.failed || !c.serving() {
				break
			}
			code := hub.Unavailable // of a later release: not to be guessed at
			if r != nil {
				r.Batch, r.Remote = &batch, from
				r.Sender, r.Ack = s.sender(from), int64(id)
				code = c.admit(from, id, r)
			}
			if code == hub.Pending {
				break
			}
			answers = appendAnswer(answers, id, code)
			c.counts.received.count(code)
			if c.Log.Enabled(context.Background(), slog.LevelDebug) {
				c.Log.Debug("relay received", "node", c.Name, "relay", relayID(from, id), "delivered", code == hub.OK)
			}
		case itemAnswer:
			id, code := in.number(), in.code()
			if !in.failed {
				c.relays.answered(c, id, code, &left)
			}
		case itemReport:
			in.number()
			if content := in.text(); !in.failed {
				c.reported(content)
			}
		case itemFailed:
			in.number()
			if content := in.text(); !in.failed {
				c.failed(content)
			}
		default: // of a later release
			id := in.number()
			in.text()
			if !in.failed {
				answers = appendAnswer(answers, id, hub.Unavailable)
			}
		}
	}
	if in.failed {
		c.Log.Warn(errMessage.Error(), "node", c.Name, "instance", from)
	}
	c.carryOut(left, &batch)
	batch.Flush()
	if len(answers) > 0 {
		c.relays.mu.Lock()
		c.relays.publish(c, from, answers)
		c.relays.mu.Unlock()
	}
	s.answers = answers
	if max(cap(s.payload), cap(s.answers)) > maxPublish {
		s.payload, s.answers = nil, nil // a rare one
	}
	c.kick()
}

// answered takes note of an answer.
func (rs *relays) answered(c *Cluster, id uint64, code hub.Outcome, left *work) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	m := rs.open[id]
	if m == nil || !m.flying {
		return
	}
	m.flying = false
	l := m.lane
	l.flying--
	switch {
	case code == codeMoved:
		rs.back(l, m, left)
	case code == hub.Away && l.held == nil:
		rs.back(l, m, left)
		rs.hold(l, nil, l.key, left)
	case code == hub.Away:
		rs.back(l, m, left)
	default:
		// It is too late for those that came back although one that was sent
		// after them did not.
		for len(l.waiting) > 0 && l.waiting[0].id < id {
			late := l.next()
			if l.held != nil {
				rs.count(l, late, -1)
			}
			rs.finish(late, hub.NotFound, left)
		}
		rs.finish(m, code, left)
	}
	rs.advance(c, l, left)
}

// back puts a relay that came back before those that were sent after it. rs.mu is
// held.
func (rs *relays) back(l *lane, m *relay, left *work) {
	at := 0
	for at < len(l.waiting) && l.waiting[at].id < m.id {
		at++
	}
	l.waiting = append(l.waiting, nil)
	copy(l.waiting[at+1:], l.waiting[at:])
	l.waiting[at] = m
	if l.held != nil {
		rs.holdOne(l, m, left)
	}
}

// maxPublish is from which size on a message to an instance is not added to.
// Redis disconnects who is far behind, for which one large message is enough.
const maxPublish = 1 << 20

// publish queues items for an instance. rs.mu is held.
func (rs *relays) publish(c *Cluster, instance string, items ...[]byte) {
	s := c.current()
	if s == nil {
		return // drop has answered them, or will
	}
	messages := rs.out[instance]
	last := len(messages) - 1
	if last < 0 || len(messages[last]) >= maxPublish {
		messages = append(messages, appendText(rs.room(), s.instance))
		last++
	}
	for _, item := range items {
		messages[last] = append(messages[last], item...)
	}
	rs.out[instance] = messages
}

// room returns room for a message. rs.mu is held.
func (rs *relays) room() []byte {
	last := len(rs.spare) - 1
	if last < 0 {
		return nil
	}
	room := rs.spare[last]
	rs.spare = rs.spare[:last]
	return room
}

// How many messages' room is kept, and of which size at most.
const (
	maxSpares = 16
	maxSpare  = 64 << 10
)

// sent takes the room of what was published back.
func (rs *relays) sent(out []parcel) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, p := range out {
		if len(rs.spare) < maxSpares && cap(p.message) <= maxSpare {
			rs.spare = append(rs.spare, p.message[:0])
		}
	}
}

// resume goes on with all lanes: it is certain again who is where.
func (rs *relays) resume(c *Cluster) {
	rs.mu.Lock()
	var left work
	for _, l := range rs.lanes {
		rs.advance(c, l, &left)
	}
	rs.mu.Unlock()
	c.carryOut(left, nil)
	c.kick()
}

// drop answers all that was on its way when the session ended: whether it
// arrived will not be known. What waits goes on waiting.
func (rs *relays) drop(c *Cluster) {
	rs.mu.Lock()
	var left work
	for _, a := range rs.byAge {
		if m := rs.open[a.id]; m != nil && m.flying {
			rs.finish(m, hub.NotFound, &left)
		}
	}
	for _, l := range rs.lanes {
		l.flying, l.looking = 0, false
		if l.held != nil {
			l.held.again = false
		}
	}
	clear(rs.out)
	rs.lookup = rs.lookup[:0]
	rs.mu.Unlock()
	c.carryOut(left, nil)
	if c.serving() {
		rs.resume(c)
	}
}

const (
	// sweepEvery is how often relays are looked for that were not answered in
	// time.
	sweepEvery = 250 * time.Millisecond
	// grace is how long those that were sent to where a name was before may
	// keep others waiting.
	grace = time.Second
)

// sweep answers relays that were not answered in time, until ctx ends; then it
// answers all.
func (c *Cluster) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.goOnAlone()
			c.carryOut(c.relays.expire(c, now), nil)
		case <-ctx.Done():
			c.carryOut(c.relays.expire(c, time.Now().Add(2*patience)), nil)
			return
		}
	}
}

// expire ends the relays whose deadline has passed, with an error.
func (rs *relays) expire(c *Cluster, now time.Time) (left work) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.lookAfter(c, now, &left)
	var stuck []*lane
	for _, a := range rs.byAge {
		if a.deadline.After(now.Add(patience - grace)) {
			break
		}
		m := rs.open[a.id]
		if m == nil || m.deadline.After(a.deadline) {
			continue
		}
		l := m.lane
		switch {
		case l.held != nil && !m.flying:
			continue
		case c.Grace > 0 && m.flying:
			if a.deadline.Add(renewEvery).After(now) {
				continue // its instance may turn out to be gone
			}
		case a.deadline.After(now) && !(m.flying && rs.moved(c, l)):
			continue
		}
		if m.flying {
			l.flying--
		} else {
			l.waiting = without(l.waiting, m)
		}
		stuck = append(stuck, l)
		rs.finish(m, hub.NotFound, &left)
	}
	rs.byAge = slices.DeleteFunc(rs.byAge, func(a aged) bool {
		m := rs.open[a.id]
		return m == nil || m.deadline.After(a.deadline)
	})
	for _, l := range stuck {
		rs.advance(c, l, &left)
	}
	for name, l := range rs.lanes {
		if l.idle() {
			delete(rs.lanes, name)
		}
	}
	return left
}

// moved reports whether relays wait for those on their way to where the name
// was before. rs.mu is held.
func (rs *relays) moved(c *Cluster, l *lane) bool {
	if len(l.waiting) == 0 {
		return false
	}
	u := c.Hub.Find([]byte(l.name))
	if u == nil {
		return c.Presence // else nobody of another instance is known
	}
	return rs.at(u) != l.at
}

func without(list []*relay, m *relay) []*relay {
	if len(list) > 0 && list[0] == m { // the oldest is the first, mostly
		return list[1:]
	}
	if i := slices.Index(list, m); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
