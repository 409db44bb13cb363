package wire

import (
	"encoding/binary"
	"time"

	"github.com/gobwas/ws"
)

// A keeper keeps the relays that were written until the peer has acknowledged
// them, so that they can be delivered again if the connection breaks.
//
// Positions count the bytes of the stream, heartbeats apart: these overtake.
type keeper struct {
	kept       Queue // written
	end        int64 // position behind it
	asked      int64 // position of the last Ping behind a relay
	heard      int64 // position that a pong has acknowledged
	askedAt    time.Time
	again      Deadline // for the next Ping, if a relay came too soon for one
	lookedAt   int      // memory of kept when the kernel was last asked
	overtakers overtakers
}

// A keepMode says whether relays are kept, and by what they are acknowledged.
type keepMode uint8

const (
	keepNot keepMode = iota
	keepByTCP
	keepByPong
)

// Keep has relays kept until they are acknowledged: by the peer's TCP or, where
// a proxy's would be asked, by the pong to a Ping behind them. It is called before
// Start. Unacknowledged returns what is left.
func (c *Conn) Keep(proxied bool) {
	c.writer.keeps = keepByTCP
	if proxied {
		c.writer.keeps = keepByPong
	}
}

// keepFromNow gets ready to keep the first relay. mu is held.
func (w *writer) keepFromNow() {
	if w.keep != nil || w.keeps == keepNot {
		return
	}
	w.keep = new(keeper)
	// Heartbeats are all that the kernel was given besides the stream. One that it
	// has not been given whole is counted once it has.
	w.keep.overtakers.before = w.kernel - w.position - int64(w.flight.half())
}

// maxKept is how much is kept before the kernel is asked what it still holds.
const maxKept = 64 << 10

// askEvery is how often relays that are not urgent are asked after, at most.
const askEvery = time.Second

// keepWritten keeps a chunk that was written, if there are relays in it, and
// reports whether it has. The chunk ends at the position written. mu is held.
func (w *writer) keepWritten(b *Buffer) bool {
	k := w.keep
	if k == nil || w.relays.room == nil || len(b.B) == 0 {
		return false
	}
	if first := &w.relays.all()[0]; k.kept.Size() == 0 && w.position <= first.begin() {
		return false
	}
	k.end = w.position
	if last := k.kept.last; last != nil && cap(last.B)-len(last.B) >= len(b.B) {
		last.B = append(last.B, b.B...) // so that what is small shares a buffer
		k.kept.size += len(b.B)
		b.Free()
		return true
	}
	k.kept.push(b)
	for k.kept.Memory() > max(w.conn.cfg.MaxOutbox/2, maxKept) {
		w.relays.forget(w.relays.beginBefore(k.firstEnd()))
		w.forgetTo(0)
	}
	return true
}

// firstEnd is the position at which the first chunk ends that is kept.
func (k *keeper) firstEnd() int64 {
	return k.end - int64(k.kept.Size()-len(k.kept.first.B))
}

// forgetTo forgets the relays that end at or before a position, and what is kept
// for no other. mu is held.
func (w *writer) forgetTo(position int64) {
	k := w.keep
	w.relays.forget(w.relays.acknowledged(position))
	from := w.position
	if list := w.relays.all(); len(list) > 0 {
		from = min(from, list[0].begin())
	}
	for k.kept.first != nil && k.firstEnd() <= from {
		k.kept.Pop().Free()
	}
	k.lookedAt = min(k.lookedAt, k.kept.Memory())
}

// acknowledge takes note of what the peer has, by its answer to a Ping, which may
// come before the write is known to be over. mu is held.
func (w *writer) acknowledge(position int64) {
	if w.keep == nil || position > w.queued-int64(w.queue.Size()) {
		return
	}
	w.keep.heard = max(w.keep.heard, position)
	w.forgetTo(position)
	w.account()
}

// pong takes note of a Pong frame, and reports whether it answers the heartbeat,
// or a Ping behind a relay.
func (w *writer) pong(payload []byte) (heartbeat, asked bool) {
	w.mu.Lock()
	heartbeat = w.ping.answer(ws.OpPing)
	ask := false
	if k := w.keep; k != nil {
		if len(payload) == positionSize {
			position := int64(binary.BigEndian.Uint64(payload))
			asked = k.heard < position && position <= k.asked
			w.acknowledge(position)
		}
		ask = w.keeps == keepByPong && w.state == open && w.relays.written() > 0 && w.askDue(time.Now())
		if ask {
			w.putAsk(time.Now())
		}
	}
	w.mu.Unlock()
	if ask {
		w.flush()
	}
	return heartbeat, asked
}

// dismissed reports whether relays are kept on a connection that is closed because
// the server stops: its peer takes them before it answers the Close frame.
func (w *writer) dismissed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	end, closed := w.err.(*CloseError)
	return w.keep != nil && w.state == closing && closed && end.Code == CloseGoingAway && !end.Remote
}

// acknowledgeAll takes note that the peer has answered the Close frame, before which
// it has read all that was written.
func (w *writer) acknowledgeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledge(w.position)
}

const positionSize = 8

// askAfter puts a Ping behind a relay that has been put, where that is how it is
// acknowledged, and it is time. mu is held.
func (w *writer) askAfter(r *Receipt, batch *Batch) {
	k := w.keep
	if k == nil || w.keeps != keepByPong {
		return
	}
	now := batch.Begun()
	if r.Urgent || w.askDue(now) {
		w.putAsk(now)
	}
}

// askDue reports whether a Ping may be sent for what is not urgent; if only it is
// too soon, it sees to it that one is later. mu is held.
func (w *writer) askDue(now time.Time) bool {
	k := w.keep
	if k.asked > k.heard {
		return false // one is under way
	}
	if now.Sub(k.askedAt) >= askEvery {
		return true
	}
	if d := w.conn.cfg.Deadlines; d != nil {
		d.Set(&k.again, k.askedAt.Add(askEvery), (*asker)(w))
	}
	return false
}

// putAsk puts a Ping. mu is held.
func (w *writer) putAsk(now time.Time) {
	k := w.keep
	var payload [positionSize]byte
	binary.BigEndian.PutUint64(payload[:], uint64(w.queued))
	k.asked, k.askedAt = w.queued, now
	w.queue.begin()
	w.put(&Message{Payload: payload[:], control: ws.OpPing})
}

// asker is a writer as the owner of keeper.again.
type asker writer

// Expired asks after relays that came too soon after the last Ping.
func (a *asker) Expired(time.Time) {
	w := (*writer)(a)
	w.mu.Lock()
	now := time.Now()
	due := w.state == open && len(w.relays.all()) > 0 && w.askDue(now)
	if due {
		w.putAsk(now)
	}
	w.mu.Unlock()
	if due {
		w.flush()
	}
}

// lookDue reports whether so much is kept that the kernel is to be asked. mu is
// held.
func (w *writer) lookDue() bool {
	k := w.keep
	return k != nil && w.keeps == keepByTCP && k.kept.Memory() > max(maxKept, k.lookedAt+maxKept/2)
}

// acknowledgeUnacked asks the kernel, and forgets what the peer's TCP has
// acknowledged.
func (w *writer) acknowledgeUnacked() {
	sent := w.given()
	n, known := w.unacked()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keep == nil || !known {
		return
	}
	if w.conn.sealed != nil {
		w.forgetTo(w.relays.sealedBefore(sent - int64(n))) // half a record is as good as none
	} else {
		if w.half && n > 0 {
			n-- // a FIN
		}
		w.forgetTo(w.keep.overtakers.position(sent - int64(n)))
	}
	w.keep.lookedAt = w.keep.kept.Memory()
}

// given is how many bytes the kernel was given.
func (w *writer) given() int64 {
	if w.conn.sealed != nil {
		given, _ := w.conn.sealed.progress()
		return given
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kernel
}

// Unacknowledged calls f with each relay that was queued on the connection and
// is not acknowledged, oldest first, and forgets them. What of them has not begun
// to be written is not any more. While the connection lives, it may be called
// where the connection loses its name; else by Handler.Closed or later, but before
// the end that Start tells has been told.
func (c *Conn) Unacknowledged(f func(r Receipt, messages []Message)) {
	w := &c.writer
	w.mu.Lock()
	kept, state := w.keep != nil, w.state
	w.mu.Unlock()
	switch {
	case !kept:
		return
	case state == cut:
		w.waitWritten() // a goroutine may be about to find out
	case w.keeps == keepByTCP:
		w.acknowledgeUnacked()
	}
	for _, u := range w.surrender() {
		f(u.receipt, u.messages)
	}
}

// unacknowledged is a relay that was taken back.
type unacknowledged struct {
	receipt  Receipt
	messages []Message
}

// surrender takes back all relays.
func (w *writer) surrender() []unacknowledged {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.keep
	list := w.relays.all()
	all := make([]unacknowledged, len(list))
	if len(list) > 0 {
		stream := w.stream()
		from := w.queued - int64(len(stream))
		for i, e := range list {
			frames := stream[e.end-int64(e.size)-from : e.end-from]
			all[i] = unacknowledged{e.receipt, unframe(frames)}
		}
	}
	if w.state == cut {
		w.queue.Drop()
	} else {
		dropped := w.queue.truncate()
		w.queued -= int64(dropped)
		if end, closed := w.err.(*CloseError); closed && w.state == closing && dropped > 0 {
			w.putClose(end) // which was the last of what was dropped
		}
	}
	k.kept.Drop()
	w.relays = relays{}
	w.account()
	return all
}

// stream is a copy of what is kept, being written and queued; it ends at the
// position queued. mu is held.
func (w *writer) stream() []byte {
	k := w.keep
	p := make([]byte, 0, k.kept.Size()+w.queue.Size()+maxChunk)
	for b := k.kept.first; b != nil; b = b.next {
		p = append(p, b.B...)
	}
	if b := w.flight.buf; b != nil {
		p = append(p, b.B[:len(b.B)-w.flight.alien]...)
	}
	for b := w.queue.first; b != nil; b = b.next {
		p = append(p, b.B...)
	}
	return p
}

// unframe returns the messages in frames of ours.
func unframe(p []byte) []Message {
	var messages []Message
	for len(p) > 0 {
		h, n, err := parseHeader(p)
		if err != nil || n == 0 {
			break // not in what we have framed
		}
		end := n + int(h.Length)
		messages = append(messages, Message{Binary: h.OpCode == ws.OpBinary, Payload: p[n:end:end]})
		p = p[end:]
	}
	return messages
}

// release ends the keeping, once no caller will ask for it.
func (w *writer) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.keep; k != nil {
		if d := w.conn.cfg.Deadlines; d != nil {
			d.Stop(&k.again)
		}
		k.kept.Drop()
		w.queue.Drop()
		w.relays = relays{}
		w.account()
	}
}

// overtakers are heartbeats in what the kernel was given, which count in no
// position.
type overtakers struct {
	before int64 // bytes of those that are forgotten
	recent []overtaker
}

type overtaker struct {
	end  int64 // in bytes that the kernel was given
	size int
}

// add takes note of one, when the kernel was given end bytes with it.
func (o *overtakers) add(end int64, size int) {
	const most = 8 // a heartbeat is rare
	if len(o.recent) == most {
		o.before += int64(o.recent[0].size)
		o.recent = append(o.recent[:0], o.recent[1:]...)
	}
	o.recent = append(o.recent, overtaker{end, size})
}

// position is the position of the stream at the first n bytes that the kernel was
// given.
func (o *overtakers) position(n int64) int64 {
	position := n - o.before
	for _, h := range o.recent {
		position -= min(max(n-(h.end-int64(h.size)), 0), int64(h.size))
	}
	return position
}
