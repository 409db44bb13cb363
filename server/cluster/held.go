package cluster

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/oodaa/signaling/server/hub"
)

// Relays to a user who is away are held by the instance of their sender, in their
// lane, so that they survive the end of the target's instance. The directory says
// when that is over: somebody else has the name, or nobody.

// A hold is what a lane has while the relays in it are held.
type hold struct {
	room  hub.Room
	since time.Time
	look  time.Time // when the directory is asked next
	// stuck is who has the name, and cannot be reached; nil: its instance has said
	// that the user is away.
	stuck *holder
	again bool // the directory has changed since it was asked
	// key is the user's public key: another key is another user. Empty: there is none.
	key string
	// page is the mark in the directory of a page that was closed, and may be loaded
	// again; empty: the user is away.
	page string
}

const (
	// lookEvery is how often the directory is asked for a user who is away, and
	// lookSeldom where its changes are heard of at once.
	lookEvery  = 500 * time.Millisecond
	lookSeldom = 2 * time.Second
	// overtime is how much longer than the grace relays are held at most: until the
	// end of an instance is noticed, and its names are freed.
	overtime = leaseTime + 3*renewEvery
)

// isFor reports whether relays are held for a user with that key.
func (held *hold) isFor(key string) bool { return held.key == "" || held.key == key }

// hold begins to hold what waits in a lane, for a user with that key. rs.mu is held.
func (rs *relays) hold(l *lane, stuck *holder, key string, left *work) {
	now := time.Now()
	l.held = &hold{since: now, look: now.Add(lookEvery), stuck: stuck, key: key}
	for _, m := range slices.Clone(l.waiting) {
		rs.holdOne(l, m, left)
	}
}

// holdForPage holds what is in a lane for a page that was closed. rs.mu is held.
func (rs *relays) holdForPage(l *lane, mark, key string, left *work) {
	if l.held == nil {
		rs.hold(l, nil, key, left)
	}
	l.held.page = mark
	if l.held.again {
		l.held.again = false
		rs.ask(l)
	}
}

// holdOne holds a relay that waits in a lane, if there is room. rs.mu is held.
func (rs *relays) holdOne(l *lane, m *relay, left *work) {
	m.tries = 0
	if l.held.room.Fits(m.from.ID, m.address, m.size(), true) && !rs.account.Full() {
		rs.count(l, m, 1)
		return
	}
	l.held.room.Refuse(m.from.ID)
	l.waiting = without(l.waiting, m)
	rs.finish(m, hub.NotFound, left)
}

// count counts a held relay in, with n of 1, or out, with -1. rs.mu is held.
func (rs *relays) count(l *lane, m *relay, n int) {
	l.held.room.Count(m.from.ID, m.address, m.size(), n)
	rs.holding += n
}

// release ends the hold of a lane: what was held may be sent. rs.mu is held.
func (rs *relays) release(l *lane) {
	rs.holding -= len(l.waiting)
	l.held = nil
	deadline := time.Now().Add(patience)
	for _, m := range slices.Clone(l.waiting) {
		if hub.Useless(m.outcome.Kind, m.from) {
			l.waiting = without(l.waiting, m)
			rs.forget(m)
			m.free()
			continue
		}
		m.deadline = deadline
		rs.byAge = append(rs.byAge, aged{m.id, deadline})
	}
}

// giveUp ends the hold of a lane whose target did not come back: each sender gets
// one error, and each acknowledgement its own. rs.mu is held.
func (rs *relays) giveUp(l *lane, left *work) {
	rs.release(l)
	told := make(map[hub.Sender]bool)
	for len(l.waiting) > 0 {
		m := l.next()
		m.outcome.Quiet = told[m.sender]
		told[m.sender] = true
		rs.expired++
		rs.finish(m, hub.NotFound, left)
	}
}

// wake goes on with a lane whose relays are held, after a change of the directory.
func (rs *relays) wake(c *Cluster, name string) {
	rs.mu.Lock()
	l := rs.lanes[name]
	if l == nil || l.held == nil {
		rs.mu.Unlock()
		return
	}
	var left work
	rs.look(c, l, &left)
	rs.mu.Unlock()
	c.carryOut(left, nil)
	c.kick()
}

// look asks where the target of held relays is. rs.mu is held.
func (rs *relays) look(c *Cluster, l *lane, left *work) {
	if l.flying > 0 {
		return // their answers come first
	}
	if u := c.Hub.Find([]byte(l.name)); u != nil && u.Instance == "" && l.held.page == "" {
		if l.held.isFor(u.Key()) {
			rs.release(l)
		} else {
			rs.giveUp(l, left)
		}
		rs.advance(c, l, left)
		return
	}
	if l.looking {
		l.held.again = true
		return
	}
	if c.current() != nil {
		rs.ask(l)
	}
}

// lookAfter asks where the targets of held relays are, as far as that is due, and
// gives up those that have been away for too long. rs.mu is held.
func (rs *relays) lookAfter(c *Cluster, now time.Time, left *work) {
	rs.removeFences(c, now)
	if rs.holding == 0 {
		return
	}
	for _, l := range rs.lanes {
		switch {
		case l.held == nil:
		case now.Sub(l.held.since) > c.Grace+overtime:
			rs.giveUp(l, left)
		case !now.Before(l.held.look):
			l.held.look = now.Add(lookEvery)
			if c.Presence && l.held.page == "" { // whose end nobody hears of
				l.held.look = now.Add(lookSeldom)
			}
			rs.look(c, l, left)
		}
	}
}

// stays reports whether what is held in a lane is held on, now that the directory
// says who has the name, and whether that is away. rs.mu is held.
func (rs *relays) stays(l *lane, h *holder, away bool) bool {
	if l.held == nil {
		return false
	}
	again := l.held.again
	l.held.again = false
	if !away && l.flying == 0 && (l.held.stuck == nil || *h != *l.held.stuck) {
		return false
	}
	if again {
		rs.ask(l)
	}
	return true
}

// lost takes note of the instances whose leases have ended. What was sent to them,
// and not answered, they will not deliver.
func (rs *relays) lost(c *Cluster, dead []string) {
	rs.mu.Lock()
	clear(rs.dead)
	for _, instance := range dead {
		rs.dead[instance] = true
	}
	var left work
	if c.Grace > 0 && len(dead) > 0 {
		for _, m := range rs.open {
			if m.flying && rs.dead[m.lane.at] {
				m.flying = false
				m.lane.flying--
				rs.back(m.lane, m, &left)
			}
		}
		for _, l := range rs.lanes {
			if rs.dead[l.at] {
				rs.advance(c, l, &left)
			}
		}
	}
	rs.mu.Unlock()
	c.carryOut(left, nil)
	c.kick()
}

// A fence keeps relays of one instance to one name in their order: once a user was
// away for some of them, those behind wait for them.
type fence struct{ instance, name string }

// A refusal is the last relay that a fence has refused.
type refusal struct {
	id uint64
	at time.Time
}

// admit hands a relay of another instance to its target, unless one before it was
// refused, and has not come again.
func (c *Cluster) admit(instance string, id uint64, r *hub.Relay) hub.Outcome {
	if c.relays.fenced(instance, r.To, id) {
		return hub.Away
	}
	code := c.deliverTo(r)
	if code == hub.Away {
		c.relays.refuse(instance, r.To, id)
	}
	return code
}

// fenced reports whether a relay is to wait for one before it. If it is that one, the
// fence is gone.
func (rs *relays) fenced(instance string, to []byte, id uint64) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if len(rs.fences) == 0 {
		return false
	}
	f := fence{instance, string(to)}
	last, fenced := rs.fences[f]
	switch {
	case !fenced:
		return false
	case id <= last.id:
		delete(rs.fences, f)
		return false
	}
	rs.fences[f] = refusal{id, time.Now()}
	return true
}

// refuse sets up a fence behind a relay.
func (rs *relays) refuse(instance string, to []byte, id uint64) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	f := fence{instance, string(to)}
	rs.fences[f] = refusal{max(id, rs.fences[f].id), time.Now()}
}

// removeFences removes those that nothing has come to for long. rs.mu is held.
func (rs *relays) removeFences(c *Cluster, now time.Time) {
	for f, last := range rs.fences {
		if now.Sub(last.at) > c.Grace+overtime {
			delete(rs.fences, f)
		}
	}
}

// A remoteSender gets the replies to relays of another instance that are not
// delivered at once: their target is about to be told that it has the name.
type remoteSender struct {
	c        *Cluster
	instance string
}

// ID is for logs.
func (s *remoteSender) ID() string { return s.instance }

// Replied answers the sender's instance. The acknowledgement is the relay's id there.
func (s *remoteSender) Replied(o *hub.Reply) {
	if o.Ack == hub.NoAck {
		return // it was answered before
	}
	rs := &s.c.relays
	if o.Outcome == hub.Away {
		rs.refuse(s.instance, o.To, uint64(o.Ack))
	}
	rs.mu.Lock()
	rs.publish(s.c, s.instance, appendAnswer(nil, uint64(o.Ack), o.Outcome))
	rs.mu.Unlock()
	s.c.counts.received.count(o.Outcome)
	s.c.kick()
}

// sender is for the relays of another instance. Who handles messages calls it.
func (s *session) sender(instance string) *remoteSender {
	if s.from == nil || s.from.instance != instance {
		s.from = &remoteSender{s.c, instance}
		s.c.relays.heardOf(instance)
	}
	return s.from
}

// heardOf takes note of an instance that the directory has not told of yet.
func (rs *relays) heardOf(instance string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if process := processOf(instance); rs.instances[process] == "" {
		rs.instances[process] = instance
	}
}

// report tells the instance that has a name now that it has got all that this one had
// for it.
func (rs *relays) report(c *Cluster, f *fed) {
	item := appendText(binary.AppendUvarint([]byte{itemReport}, 0), append(binary.AppendUvarint(nil, f.epoch), f.name...))
	rs.mu.Lock()
	rs.publish(c, f.instance, item)
	rs.mu.Unlock()
	c.kick()
}

// Failed implements hub.Cluster.
func (c *Cluster) Failed(sender *hub.User, r *hub.Reply) {
	rs := &c.relays
	rs.mu.Lock()
	if instance := rs.instances[sender.Instance]; instance != "" {
		rs.publish(c, instance, appendFailed(nil, sender.ID, r))
	}
	rs.mu.Unlock()
	c.kick()
}

// failed reads that a relay of ours, whose answer was OK, was not delivered after all.
func (c *Cluster) failed(content []byte) {
	in := reader{p: content}
	kind, known := kindOf(in.byte())
	r := &hub.Reply{Kind: kind, Outcome: in.code(), Ack: hub.NoAck}
	from := c.Hub.Find(in.text())
	r.To = in.text()
	if in.failed || !known || from == nil {
		return
	}
	if sender, ours := from.Peer.(hub.Sender); ours {
		sender.Replied(r)
	}
}

// reported reads the content of a report.
func (c *Cluster) reported(content []byte) {
	in := reader{p: content}
	if epoch := in.number(); !in.failed {
		c.Hub.Reported(string(in.p), epoch)
	}
}

// Held is how many relays are held for users of other instances who are away, and how
// much memory they take.
func (c *Cluster) Held() (relays int, bytes int64) {
	rs := &c.relays
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.holding == 0 {
		return 0, 0
	}
	for _, l := range rs.lanes {
		if l.held == nil {
			continue
		}
		for _, m := range l.waiting {
			bytes += int64(m.size())
		}
	}
	return rs.holding, bytes
}
