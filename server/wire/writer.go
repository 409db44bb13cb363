package wire

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// A writer queues frames for the peer and writes them. The goroutine that queues a
// frame writes it, as far as the peer takes it without waiting. A goroutine that
// ends with the queue writes the rest. mu is never held during a write.
//
// How the stream of frames ends, and what writes it:
//
//	open ── Close frame queued ──► closing ── all written, peer has closed ──► cut
//	  └───────────── Cut, lost, or the peer takes nothing ─────────────────────►┘
//
//	idle ── queued in a batch ──► batched ── flush ──► writing ── peer takes no more ──► stalled
//	  ▲─────────────────────────── nothing is queued ─────┴────────────────────────────────┘
type writer struct {
	conn *Conn // static; told when the state has changed

	mu         sync.Mutex
	state      state
	err        error // why it is not open
	peerClosed bool  // the peer's Close frame was read
	half       bool  // our end was closed
	activity   activity
	keeps      keepMode // static after Keep
	queue      Queue
	flight     flight
	ping       heartbeat
	relays     relays
	keep       *keeper // nil: there was no relay yet, or none is kept

	// How far the stream has come: see keeper.
	queued, position int64
	kernel           int64 // bytes that the kernel was given, heartbeats too

	own, others int // memory that is accounted for

	idle   chan struct{} // closed when writing ends; nil if no goroutine waits for that
	stall  stall
	drains sync.WaitGroup
}

// A flight is the chunk that is being written.
type flight struct {
	buf   *Buffer // nil: there is none
	sent  int     // bytes that the kernel was given
	alien int     // bytes of a heartbeat at its end, which is not part of the stream
}

// half is how many bytes of the heartbeat the kernel was given, if that is not all.
func (f *flight) half() int {
	if f.buf == nil || f.sent == len(f.buf.B) {
		return 0
	}
	return max(f.sent-(len(f.buf.B)-f.alien), 0)
}

type state uint8

const (
	open    state = iota
	closing       // a Close frame is queued, nothing may follow it
	cut           // the network connection is closed
)

type activity uint8

const (
	idle    activity = iota
	batched          // a batch will flush what is queued
	writing          // a goroutine writes, and will write what is queued meanwhile
	stalled          // that goroutine waits for the peer
)

// used is the memory of what waits to be written, or is being. mu is held.
func (w *writer) used() int {
	n := w.queue.Memory()
	if w.flight.buf != nil {
		n += cap(w.flight.buf.B)
	}
	return n
}

// put queues a message. mu is held.
func (w *writer) put(m *Message) {
	w.queue.Put(m)
	w.queued += int64(m.FrameSize())
}

// begins makes the answer to the handshake the first of what is written.
func (w *writer) begins(answer *Buffer) {
	answer.start = -1
	w.queue.push(answer)
	w.queued += int64(len(answer.B))
}

// waits reports whether there is something to write. mu is held.
func (w *writer) waits() bool {
	return w.queue.Size() > 0 || w.ping.state == pingWaits || w.conn.sealed.waits()
}

// wake says that something was queued, and reports whether the caller must flush
// it, after unlocking: there is no batch that will. mu is held.
func (w *writer) wake(batch *Batch) (flush bool) {
	if w.activity == stalled {
		w.account()
	}
	if batch == nil {
		return w.activity < writing
	}
	if w.activity == idle {
		w.activity = batched
		batch.add(w)
	}
	return false
}

// flushRounds bounds how long one goroutine writes what others keep queueing
// while it does.
const flushRounds = 4

// flush writes what is queued, as far as the peer takes it without waiting.
func (w *writer) flush() {
	buf, found := w.begin()
	for rounds := 0; buf != nil; {
		if found -= len(buf.B); found <= 0 {
			rounds++
		}
		n := 0
		if rounds <= flushRounds {
			var all bool
			var err error
			if n, all, err = w.tryWrite(buf.B); err != nil || all {
				buf = w.next(n, err)
				continue
			}
		}
		w.drainLater(n)
		return
	}
}

// begin makes the caller the one that writes, and returns what to write first
// and how much there is; nil where nothing waits or somebody writes already.
func (w *writer) begin() (*Buffer, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.activity >= writing {
		return nil, 0
	}
	if w.state == cut || !w.waits() {
		w.activity = idle
		return nil, 0
	}
	w.activity = writing
	buf := w.take()
	return buf, len(buf.B) + w.queue.Size()
}

// take moves the first chunk of the queue into flight. mu is held.
func (w *writer) take() *Buffer {
	w.flight = flight{}
	if buf := w.ping.before(&w.queue, w.position, w.keep != nil); buf != nil {
		w.flight = flight{buf: buf, alien: int(w.ping.size)}
		return buf
	}
	if w.flight.buf = w.queue.Pop(); w.flight.buf == nil {
		w.flight.buf = Borrow(0) // only TLS has something to say
	}
	return w.flight.buf
}

// took takes note that the kernel was given n more bytes of what is in flight.
// mu is held.
func (w *writer) took(n int) {
	if n == 0 {
		return
	}
	f := &w.flight
	data := len(f.buf.B) - f.alien
	had := min(f.sent, data)
	f.sent += n
	w.kernel += int64(n)
	w.position += int64(min(f.sent, data) - had)
	if f.alien > 0 && f.sent == len(f.buf.B) && w.keep != nil && w.conn.sealed == nil {
		w.keep.overtakers.add(w.kernel, f.alien)
	}
	if s := w.conn.sealed; s != nil {
		_, whole := s.progress()
		w.relays.wrote(w.position, whole)
	} else {
		w.relays.wrote(w.position, w.kernel)
	}
	if w.keep == nil {
		w.relays.forget(w.relays.written())
	} else if w.keep.heard > w.position-int64(n) {
		w.forgetTo(w.keep.heard) // the answer came before the write was over
	}
}

// land takes what is in flight from there. What could not be written whole
// goes back to the queue. mu is held.
func (w *writer) land() {
	f := w.flight
	w.flight = flight{}
	whole := f.sent == len(f.buf.B)
	f.buf.B = f.buf.B[:len(f.buf.B)-f.alien]
	switch {
	case whole && w.keepWritten(f.buf):
	case !whole && w.keep != nil:
		w.queue.unpop(f.buf)
	default:
		f.buf.Free()
	}
}

// next takes note that n more bytes of what is in flight were written, which is
// all of it unless there is an error, and returns what to write next; nil ends
// the caller's writing.
func (w *writer) next(n int, err error) (buf *Buffer) {
	w.mu.Lock()
	w.took(n)
	w.land()
	left := err == nil && w.ping.leave(w.conn.budget.Paused())
	over := err != nil && w.cutLocked(err)
	if !over && w.state != cut && w.waits() {
		buf = w.take()
		w.account()
	} else {
		over = w.rest() || over
	}
	look := w.lookDue()
	w.mu.Unlock()
	switch {
	case over:
		w.hangUp(err)
	case left:
		w.notePing()
	case look:
		w.acknowledgeUnacked()
	}
	return buf
}

// rest ends the writing, and reports whether that was the end of the connection.
// mu is held.
func (w *writer) rest() (over bool) {
	w.activity = idle
	w.account()
	if w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
	return w.state == closing && w.peerClosed && w.cutLocked(nil)
}

// drainLater starts the goroutine that writes what is in flight, of which n bytes
// were written, and then all that was queued meanwhile. It ends when nothing is
// queued or the connection is cut; wait waits for it.
func (w *writer) drainLater(n int) {
	w.mu.Lock()
	w.took(n)
	if w.state == cut {
		w.land()
		w.rest()
		w.mu.Unlock()
		return
	}
	w.activity = stalled
	w.account()
	buf, n := w.flight.buf, w.flight.sent
	w.drains.Add(1)
	w.mu.Unlock()
	go w.drain(buf, n)
}

func (w *writer) drain(buf *Buffer, n int) {
	defer w.drains.Done()
	w.watch()
	for buf != nil {
		err := w.push(buf.B[n:])
		n = 0
		buf = w.next(0, err)
	}
	w.unwatch()
}

// maxPush is the most that is written at a time where only the end of a write
// tells that the peer has taken something.
const maxPush = 16 << 10

// push writes p, waiting for the peer.
func (w *writer) push(p []byte) error {
	for {
		q, err := w.seal(p)
		if err != nil || len(q) == 0 {
			return err
		}
		n, err := w.pushSome(q)
		if n > 0 {
			n = w.unseal(n)
			w.progressed(n)
			p = p[n:]
		}
		if err != nil {
			return err
		}
	}
}

// seal returns what is to be written to the socket for p: p itself, or records.
func (w *writer) seal(p []byte) ([]byte, error) {
	if w.conn.sealed == nil {
		return p, nil
	}
	return w.conn.sealed.next(p)
}

// unseal returns for how many bytes n bytes of what seal returned stand.
func (w *writer) unseal(n int) int {
	if w.conn.sealed == nil {
		return n
	}
	return w.conn.sealed.wrote(n)
}

// pushSome waits until the peer takes more, and writes some of p.
func (w *writer) pushSome(p []byte) (n int, err error) {
	if w.conn.raw == nil {
		return w.conn.nc.Write(p[:min(len(p), maxPush)])
	}
	var failed error
	err = w.conn.raw.Write(func(fd uintptr) bool {
		n, failed = writeFD(fd, p)
		return n > 0 || failed != nil
	})
	if err == nil {
		err = failed
	}
	return n, err
}

// account keeps Config.waiting and Config.Account: the memory of what waits for a
// peer that does not take it, and of what is kept. What waits besides relays, the peer caused
// itself. mu is held.
func (w *writer) account() {
	own, others := 0, 0
	if w.activity == stalled && w.state != cut {
		own = max(int(w.queued-w.position)-w.relays.waiting(), 0)
		others = w.used() - own + w.conn.sealed.memory()
	}
	if w.keep != nil {
		others += w.keep.kept.Memory()
	}
	if own == w.own && others == w.others {
		return
	}
	own, w.own = own-w.own, own
	others, w.others = others-w.others, others
	w.conn.cfg.waiting.Add(int64(own + others))
	w.conn.holder.Add(own, others)
}

// close queues a Close frame behind what is queued already, and writes it. It
// only notes which side has closed, where the end has begun before.
func (w *writer) close(end *CloseError) {
	w.mu.Lock()
	first := w.state == open
	if first {
		w.putClose(end)
		w.state, w.err = closing, end
		w.conn.interrupt()
	}
	// Where both ends close at once, each Close frame answers the other.
	w.peerClosed = w.peerClosed || end.Remote
	w.mu.Unlock()
	if first {
		w.conn.over()
		w.flush()
	}
}

// putClose queues a Close frame. mu is held.
func (w *writer) putClose(end *CloseError) {
	var body []byte
	if end.Code != CloseNoStatus {
		body = ws.NewCloseFrameBody(ws.StatusCode(end.Code), end.Reason)
	}
	w.queue.begin()
	w.put(&Message{control: ws.OpClose, Payload: body})
}

// cut closes the network connection; what is queued is dropped.
func (w *writer) cut(err error) {
	w.mu.Lock()
	first := w.cutLocked(err)
	w.mu.Unlock()
	if first {
		w.hangUp(err)
	}
}

// cutLocked is cut with mu held. Where it returns true, the caller must hangUp.
func (w *writer) cutLocked(err error) bool {
	if w.state == cut {
		return false
	}
	if w.state == open {
		w.err = err
	}
	w.state = cut
	if w.keep == nil {
		w.queue.Drop()
		w.relays = relays{}
	}
	w.account()
	return true
}

// end is how far the connection's end has come, and why.
func (w *writer) end() (state, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, w.err
}

// closeWrite closes our end of a connection that is still read.
func (w *writer) closeWrite(half interface{ CloseWrite() error }) error {
	w.mu.Lock()
	w.half = true
	w.mu.Unlock()
	err := half.CloseWrite()
	w.flush() // what TLS says
	return err
}

// answered reports whether the peer's Close frame was read.
func (w *writer) answered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peerClosed
}

// lost cuts the connection, which cannot be read any more, unless it is to be
// closed in good order.
func (w *writer) lost(err error) {
	w.mu.Lock()
	first := w.state == open && w.cutLocked(err)
	w.mu.Unlock()
	if first {
		w.hangUp(err)
	}
}

// endedWith takes note of how reading ended after the end had begun.
func (w *writer) endedWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var end *CloseError
	switch {
	case isPanic(err):
		w.err = err
	case errors.As(err, &end) && end.Remote:
		w.peerClosed = true
	}
}

// hangUp is the end of cut, without mu: closing a TLS connection writes to it.
func (w *writer) hangUp(err error) {
	nc := w.conn.nc
	if left := w.settle(); left || err == ErrSlow {
		// What the kernel holds goes as well: it is delivered again, or is for a
		// peer that takes nothing.
		if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
			nc = t.NetConn()
		}
		if tcp, ok := nc.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0)
		}
	}
	_ = nc.Close()
	w.conn.over()
}

// settle finds out what the peer has acknowledged, before the socket is closed,
// when nothing more is written. It reports whether relays are left.
func (w *writer) settle() (left bool) {
	if w.keep == nil {
		return false
	}
	_ = w.conn.nc.SetWriteDeadline(time.Unix(1, 0))
	w.waitIdle()
	if w.keeps == keepByTCP {
		w.acknowledgeUnacked()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.relays.all()) > 0
}

// answer writes what TLS answers by itself to what was read.
func (w *writer) answer() {
	if w.conn.sealed.waits() {
		w.flush()
	}
}

// waitWritten returns when no goroutine writes and nothing is queued, which a
// deadline on the network connection bounds.
func (w *writer) waitWritten() {
	w.flush()
	w.waitIdle()
}

// waitIdle returns when no goroutine writes.
func (w *writer) waitIdle() {
	w.mu.Lock()
	var done chan struct{}
	if w.activity >= writing {
		if w.idle == nil {
			w.idle = make(chan struct{})
		}
		done = w.idle
	}
	w.mu.Unlock()
	if done != nil {
		<-done
	}
}

// wait waits for the writer's goroutine, after the end.
func (w *writer) wait() {
	w.drains.Wait()
}

// tryWrite writes p as far as the peer takes it without waiting, and reports whether
// that is all of it. It returns how many bytes of p the kernel was given of which
// the writer has not taken note.
func (w *writer) tryWrite(p []byte) (n int, all bool, err error) {
	if w.conn.raw == nil {
		return 0, false, nil
	}
	for {
		q, err := w.seal(p[n:])
		if err != nil || len(q) == 0 {
			return n, err == nil, err
		}
		if n > 0 { // q is another record
			w.mu.Lock()
			w.took(n)
			w.mu.Unlock()
			p = p[n:]
		}
		took, err := w.tryWriteSocket(q)
		n = w.unseal(took)
		if err != nil || took < len(q) {
			return n, false, err
		}
	}
}

func (w *writer) tryWriteSocket(p []byte) (int, error) {
	op := writeOps.Get().(*writeOp)
	op.p = p
	err := w.conn.raw.Write(op.try)
	n := op.n
	if err == nil {
		err = op.err
	}
	op.p, op.n, op.err = nil, 0, nil
	writeOps.Put(op)
	return n, err
}

// writeOp is one attempt to write. It is pooled with its callback, which would
// be allocated for each call otherwise.
type writeOp struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var writeOps = sync.Pool{New: func() any {
	op := new(writeOp)
	op.try = func(fd uintptr) bool {
		for op.n < len(op.p) && op.err == nil {
			n, err := writeFD(fd, op.p[op.n:])
			if n == 0 && err == nil {
				break
			}
			op.n, op.err = op.n+n, err
		}
		return true
	}
	return op
}}

// writeFD writes some of p to a socket; 0 and nil mean that it takes nothing now.
func writeFD(fd uintptr, p []byte) (int, error) {
	n, err := retry(func() (int, error) { return syscall.Write(descriptor(fd), p) })
	switch err {
	case nil:
		return n, nil
	case syscall.EAGAIN:
		return 0, nil
	}
	return 0, err
}

// A stall is what is known of a peer that does not take what is queued.
type stall struct {
	progress Instant     // when the peer last took something; kept behind the stall
	unacked  int         // in the kernel, when it was last asked
	timer    *time.Timer // for checkProgress; nil if there was no stall yet
}
