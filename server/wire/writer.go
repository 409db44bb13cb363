package wire

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// A writer queues frames for the peer and writes them. Whoever queues a frame
// writes it, as far as the peer takes it without waiting; what is left is written
// by a goroutine that ends with the queue. mu is never held during a write.
//
// How the stream of frames ends, and who writes it:
//
//	open ── Close frame queued ──► closing ── all written, peer has closed ──► cut
//	  └───────────── Cut, lost, or the peer takes nothing ─────────────────────►┘
//
//	idle ── queued in a batch ──► batched ── flush ──► writing ── peer takes no more ──► stalled
//	  ▲─────────────────────────── nothing is queued ─────┴────────────────────────────────┘
type writer struct {
	// static
	cfg  *Config
	nc   net.Conn
	raw  syscall.RawConn // nil where nc has no file descriptor of its own, as TLS
	conn *Conn           // told when the state has changed

	mu         sync.Mutex
	state      state
	err        error // why it is not open
	peerClosed bool  // the peer's Close frame was read
	activity   activity
	queue      Queue
	inflight   int // memory of what is being written
	ping       heartbeat
	accounted  int           // bytes that Config.waiting counts
	idle       chan struct{} // closed when writing ends; nil if nobody waits
	stall      stall
	drains     sync.WaitGroup
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
func (w *writer) used() int { return w.inflight + w.queue.Memory() }

// waits reports whether there is something to write. mu is held.
func (w *writer) waits() bool { return w.queue.Size() > 0 || w.ping.state == pingWaits }

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
			var err error
			if n, err = w.tryWrite(buf.B); err != nil || n == len(buf.B) {
				buf = w.next(buf, err)
				continue
			}
		}
		w.drainLater(buf, n)
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
	buf := w.ping.before(&w.queue)
	if buf == nil {
		buf = w.queue.Pop()
	}
	w.inflight = cap(buf.B)
	return buf
}

// next takes note that done was written, or that it could not be, and returns
// what to write next; nil ends the caller's writing.
func (w *writer) next(done *Buffer, err error) (buf *Buffer) {
	done.Free()
	w.mu.Lock()
	w.inflight = 0
	left := err == nil && w.ping.leave(w.conn.budget.Paused())
	over := err != nil && w.cutLocked(err)
	if !over && w.state != cut && w.waits() {
		buf = w.take()
		w.account()
	} else {
		over = w.rest() || over
	}
	w.mu.Unlock()
	if over {
		w.hangUp(err)
	} else if left {
		w.notePing()
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

// drainLater starts the goroutine that writes buf from n on, and then all that
// was queued meanwhile. It ends when nothing is queued or the connection is cut;
// wait waits for it.
func (w *writer) drainLater(buf *Buffer, n int) {
	w.mu.Lock()
	if w.state == cut {
		w.inflight = 0
		w.rest()
		w.mu.Unlock()
		buf.Free()
		return
	}
	w.activity = stalled
	w.account()
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
		buf = w.next(buf, err)
	}
	w.unwatch()
}

// maxPush is the most that is written at a time where only the end of a write
// tells that the peer has taken something.
const maxPush = 16 << 10

// push writes p, waiting for the peer.
func (w *writer) push(p []byte) error {
	for len(p) > 0 {
		n, err := w.pushSome(p)
		if n > 0 {
			w.progressed()
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// pushSome waits until the peer takes more, and writes some of p.
func (w *writer) pushSome(p []byte) (n int, err error) {
	if w.raw == nil {
		return w.nc.Write(p[:min(len(p), maxPush)])
	}
	var failed error
	err = w.raw.Write(func(fd uintptr) bool {
		n, failed = writeFD(fd, p)
		return n > 0 || failed != nil
	})
	if err == nil {
		err = failed
	}
	return n, err
}

// account keeps Config.waiting: the memory of what waits for a peer that does
// not take it. mu is held.
func (w *writer) account() {
	n := 0
	if w.activity == stalled && w.state != cut {
		n = w.used()
	}
	if n != w.accounted {
		w.cfg.waiting.Add(int64(n - w.accounted))
		w.accounted = n
	}
}

// close queues a Close frame behind what is queued already, and writes it. It
// does nothing, but for noting who has closed, where the end has begun before.
func (w *writer) close(end *CloseError) {
	w.mu.Lock()
	first := w.state == open
	if first {
		var body []byte
		if end.Code != closeNoStatus {
			body = ws.NewCloseFrameBody(ws.StatusCode(end.Code), end.Reason)
		}
		w.queue.begin()
		w.queue.putClose(body)
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
	w.queue.Drop()
	w.account()
	return true
}

// end is how far the connection's end has come, and why.
func (w *writer) end() (state, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, w.err
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
	nc := w.nc
	if err == ErrSlow {
		// What the kernel holds for a peer that takes nothing goes as well.
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

// waitWritten returns when nobody writes and nothing is queued, which a
// deadline on the network connection bounds.
func (w *writer) waitWritten() {
	w.flush()
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

// tryWrite writes p as far as the peer takes it without waiting.
func (w *writer) tryWrite(p []byte) (int, error) {
	if w.raw == nil {
		return 0, nil
	}
	op := writeOps.Get().(*writeOp)
	op.p = p
	err := w.raw.Write(op.try)
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
	for {
		n, err := syscall.Write(descriptor(fd), p)
		switch err {
		case nil:
			return n, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, nil
		default:
			return 0, err
		}
	}
}

// A stall is what is known of a peer that does not take what is queued.
type stall struct {
	progress time.Time   // when the peer last took something; kept behind the stall
	unacked  int         // in the kernel, when it was last asked
	timer    *time.Timer // for checkProgress; nil if there was no stall yet
}
