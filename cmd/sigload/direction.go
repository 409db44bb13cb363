package main

import (
	"bytes"
	"sync/atomic"

	"github.com/gobwas/ws"
)

// A direction is all that one client sends to another, numbered from 0.
type direction struct {
	from        *conn
	name        string
	first, rest *template // first is the message number 0, if it is another

	// guarded by from.mu
	times []atomic.Int64 // when those under way were sent; nil if nobody asks
	sent  atomic.Int64

	// owned by the target's reader
	next    int64              // the number that is expected
	missing map[int64]struct{} // numbers below next that were not received
	handled int64              // how many were received, each once

	received atomic.Int64 // handled, for others to read
	tally    *tally
}

// send queues the next message.
func (d *direction) send(at int64) {
	d.from.mu.Lock()
	defer d.from.mu.Unlock()
	n := d.sent.Load()
	t := d.template(n)
	putNumber(t.sent[t.sentAt:], n)
	if d.times != nil {
		d.times[n%int64(len(d.times))].Store(at)
	}
	d.from.out = appendFrame(d.from.out, ws.OpText, t.sent)
	d.sent.Store(n + 1)
}

// sentAt is when message number n was sent.
func (d *direction) sentAt(n int64) int64 { return d.times[n%int64(len(d.times))].Load() }

func (d *direction) template(n int64) *template {
	if n == 0 && d.first != nil {
		return d.first
	}
	return d.rest
}

// receive takes a message that the target got. It returns its number, or -1
// if it is none of this direction, or not a new one.
func (d *direction) receive(message []byte) int64 {
	t := d.template(d.next)
	putNumber(t.received[t.receivedAt:], d.next)
	if !bytes.Equal(message, t.received) {
		return d.receiveOther(message)
	}
	d.next++
	d.count()
	return d.next - 1
}

func (d *direction) count() {
	d.handled++
	d.received.Store(d.handled)
}

// receiveOther takes a message that is not, byte for byte, the expected one.
func (d *direction) receiveOther(message []byte) int64 {
	if d.tally.failed(message) {
		return -1
	}
	t := d.rest
	if d.first != nil && bytes.Contains(message, []byte(`"`+d.first.event+`"`)) {
		t = d.first
	}
	if !bytes.Contains(message, []byte(`"`+t.event+`"`)) {
		return -1 // presence, and whatever else
	}
	n := t.number(message)
	if n < 0 || n >= d.sent.Load() || !d.sentBy(message) {
		d.tally.altered.Add(1)
		return -1
	}
	if !t.intact(message, n) {
		d.tally.altered.Add(1)
	}
	if n >= d.next {
		for ; d.next < n; d.next++ {
			if d.missing == nil {
				d.missing = make(map[int64]struct{})
			}
			d.missing[d.next] = struct{}{}
		}
		d.next++
		d.count()
		return n
	}
	if _, late := d.missing[n]; !late {
		d.tally.duplicated.Add(1)
		return -1
	}
	delete(d.missing, n)
	d.tally.reordered.Add(1)
	d.count()
	return n
}

// sentBy reports whether message names d's sender as its own.
func (d *direction) sentBy(message []byte) bool {
	return bytes.Contains(message, []byte(`"from":"`+d.name+`"`)) || bytes.Contains(message, []byte(`"from": "`+d.name+`"`))
}
