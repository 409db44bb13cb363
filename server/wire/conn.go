// Package wire is one WebSocket connection: reading with limits, a bounded
// outbox, writes that leave together, and an orderly end. It does not know
// what the bytes mean.
//
// A connection is read by one of a few event loops (Loops), or by a goroutine of
// its own where that cannot be: TLS, and systems without epoll. Writing is done
// by whoever queues a frame, without waiting; only while a peer does not take
// what it is sent, and while it ends, does a connection have a goroutine for
// that. While nothing arrives and nothing waits, it holds no buffer.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Handler takes what a connection reads. It is called from one goroutine at a
// time.
type Handler interface {
	// Message is called for each message. payload is valid, and may be
	// changed, during the call. An error ends the connection: a *CloseError
	// with its code and reason, any other with 1002. A Hold, which comes without an
	// error, delays the next message.
	Message(payload []byte, binary bool) (Hold, error)

	// Pong is called for each Pong frame.
	Pong()

	// TooLarge is called when a message over Config.MaxMessage arrives, before
	// the connection is closed with 1009; it may still Send.
	TooLarge()

	// OverRate is called when the peer has overdrawn its Budget for ten seconds
	// on end, before the connection is closed with 1008; it may still Send, or
	// Close it otherwise.
	OverRate()

	// Closed is called once, last, as soon as the connection is over for its
	// user; frames that were queued before may still be on their way.
	Closed(err error)
}

// A PanicError is the end of a connection whose Handler panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Conn is one server-side WebSocket connection (RFC 6455).
type Conn struct {
	cfg    *Config // static, as the next three
	nc     net.Conn
	raw    syscall.RawConn // nil where nc has no file descriptor of its own, as TLS
	budget *Budget         // nil: the peer may send as much as it likes
	writer writer
	holder Holder // static

	// owned by whoever reads
	in         *Buffer // an incomplete frame, between reads; nil if none
	message    *Buffer // the fragments of an incomplete message; nil if none
	batch      *Batch  // the reader's
	incomplete int     // memory that the account has of these
	fragmented bool
	binary     bool
	lingering  bool // what is read does not matter any more

	// static after Start; only where a loop reads
	seat    int32
	handler Handler
	onEnd   func()

	reading  sync.Mutex // held by the loop while it reads, and to take that from it
	detached bool       // the loop reads no more; guarded by reading
	pause    *pause     // while a loop does not read, for the budget; guarded by reading
	hungUp   bool       // the peer was gone during a pause; guarded by reading

	mu        sync.Mutex
	loop      *loop         // that reads
	finishing bool          // a goroutine has taken over from the loop, or will
	awake     chan struct{} // closed when a pause is cut short; nil if nobody waits

	inquiry atomic.Pointer[inquiry] // of CloseAsking
}

func newConn(nc net.Conn, raw syscall.RawConn, cfg *Config, budget *Budget) *Conn {
	c := &Conn{cfg: cfg, nc: nc, raw: raw, budget: budget}
	c.holder = cfg.Account.Open(func() { c.writer.cut(ErrHeld) })
	c.writer = writer{cfg: cfg, nc: nc, raw: raw, conn: c}
	return c
}

// RemoteAddr is the address of the peer's end of the network connection.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Budget is what the peer may send; nil: as much as it likes.
func (c *Conn) Budget() *Budget { return c.budget }

// Batch is for Sends made while Handler.Message runs: it is flushed when all
// that was read together has been handled.
func (c *Conn) Batch() *Batch { return c.batch }

// Close queues a Close frame behind what is queued already and ends the
// connection once that is written and the peer has answered, or after
// Config.CloseTimeout. It does not wait.
func (c *Conn) Close(code uint16, reason string) {
	c.close(&CloseError{Code: code, Reason: reason})
}

// Cut ends the connection at once; what is queued is dropped.
func (c *Conn) Cut() { c.writer.cut(ErrClosed) }

// Flush writes what is queued, as far as the peer takes it without waiting; a
// goroutine of the connection's writes the rest.
func (c *Conn) Flush() { c.writer.flush() }

func (c *Conn) close(end *CloseError) { c.writer.close(end) }

// Start has the connection read until it ends, by one of Config.Loops if there
// are any. It does not wait: ended is called when the network connection is
// closed and no goroutine of the connection is left, nor any call to h.
func (c *Conn) Start(h Handler, ended func()) {
	var l *loop
	if c.cfg.Loops != nil && c.raw != nil {
		l = c.cfg.Loops.pick()
	}
	if l != nil {
		c.handler, c.onEnd, c.seat = h, ended, -1
		c.mu.Lock()
		c.loop = l
		c.mu.Unlock()
		if state, _ := c.writer.end(); state != open { // closed before it started
			c.over()
		}
		c.join()
		return
	}
	go func() {
		c.Serve(h)
		ended()
		c.writer.release()
	}()
}

// join hands the connection to its loop.
func (c *Conn) join() {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.detached {
		return
	}
	early := c.in.len()
	hold, err := c.handleEarly(c.handler)
	err = c.finishHolds(hold, err, c.handler)
	if err == nil {
		err = c.loop.add(c, early)
	}
	if err != nil {
		c.detach(err)
	}
}

// detach takes the connection from its loop, and ends it with err. The loop, or
// who will be read by it, calls it.
func (c *Conn) detach(err error) {
	if c.leaveLoop(err) {
		return
	}
	// It was closed while it was read. How the reading went on matters still.
	c.writer.endedWith(err)
}

// over is called when the connection is closing or cut: it is not read for its
// user any more.
func (c *Conn) over() {
	c.wake()
	c.leaveLoop(nil)
}

// interrupt is called before over, where the connection is closing. A goroutine
// that reads wakes up, reports the end, and then waits for the peer's Close. It
// is called with the writer's mu held, so that linger sets its deadline later.
func (c *Conn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loop == nil {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// leaveLoop has a goroutine end the connection in place of the loop, and reports
// whether it is due to this call. The goroutine ends with the connection, and
// calls onEnd.
func (c *Conn) leaveLoop(err error) bool {
	c.mu.Lock()
	l := c.loop
	first := l != nil && !c.finishing
	c.finishing = c.finishing || first
	c.mu.Unlock()
	if !first {
		return false
	}
	go func() {
		c.reading.Lock() // the loop may be at it
		c.detached = true
		c.reading.Unlock()
		l.remove(c)
		c.batch = new(Batch)
		c.finish(c.handler, err)
		c.onEnd()
		c.writer.release()
	}()
	return true
}

// Serve reads the connection until it ends. It returns when the network
// connection is closed and no goroutine of the connection is left.
func (c *Conn) Serve(h Handler) {
	c.batch = new(Batch)
	c.finish(h, c.serve(h))
}

// finish ends a connection that is read no more, for the reason err, if any.
func (c *Conn) finish(h Handler, err error) {
	var end *CloseError
	switch {
	case errors.As(err, &end):
		switch {
		case end == errOverRate:
			_ = guard(func() error { h.OverRate(); return nil })
		case end.Code == CloseTooBig && !end.Remote:
			_ = guard(func() error { h.TooLarge(); return nil })
		}
		c.close(end)
	case errors.Is(err, ErrClosed), errors.Is(err, ErrSlow), errors.Is(err, ErrHeld):
	case isPanic(err):
		c.forget() // some of it has been handled
		c.close(&CloseError{Code: CloseInternalError})
	default:
		c.writer.lost(err)
	}

	if _, why := c.writer.end(); why != nil && !isPanic(err) {
		err = why
	}
	_ = guard(func() error { h.Closed(err); return nil })

	c.linger()
	c.writer.cut(nil)
	c.inquired(false)
	c.writer.wait()
	c.forget()
}

// forget drops what has arrived of a message.
func (c *Conn) forget() {
	c.in.Free()
	c.message.Free()
	c.in, c.message = nil, nil
	c.accountIncomplete()
}

// serve handles what arrives until the connection is over.
func (c *Conn) serve(h Handler) error {
	return guard(func() error {
		defer c.batch.Flush()
		early := c.in.len()
		hold, err := c.handleEarly(h)
		if err := c.finishHolds(hold, err, h); err != nil {
			return err
		}
		if err := c.pay(early, time.Now()); err != nil {
			return err
		}
		return c.read(func(p []byte) error {
			c.batch.Begin()
			hold, err := c.handle(p, h)
			c.batch.End(c.cfg.Latency)
			return c.finishHolds(hold, err, h)
		})
	})
}

// handleEarly handles what came together with the handshake.
func (c *Conn) handleEarly(h Handler) (Hold, error) {
	if c.in == nil {
		return nil, nil
	}
	if c.batch == nil {
		c.batch = new(Batch)
	}
	c.batch.Begin()
	defer c.batch.End(c.cfg.Latency)
	return c.handleGuarded(c.in.B, h)
}

// handleGuarded is handle, with a panic of the handler turned into an error.
func (c *Conn) handleGuarded(p []byte, h Handler) (hold Hold, err error) {
	err = guard(func() (err error) {
		hold, err = c.handle(p, h)
		return err
	})
	return hold, err
}

// handle handles the frames in p, which begins with the bytes of c.in if there
// are any, and keeps what is left: an incomplete one, or all that follow the one
// that failed, or holds.
func (c *Conn) handle(p []byte, h Handler) (Hold, error) {
	hold, err := c.handleFrames(p, h)
	c.accountIncomplete()
	return hold, err
}

// accountIncomplete accounts for what is held of incomplete messages.
func (c *Conn) accountIncomplete() {
	if n := c.in.cap() + c.message.cap(); n != c.incomplete {
		c.holder.Add(n-c.incomplete, 0)
		c.incomplete = n
	}
}

func (c *Conn) handleFrames(p []byte, h Handler) (Hold, error) {
	consumed, need, hold, err := c.frames(p, h)
	had, rest := c.in, p[consumed:]
	if had != nil && consumed == 0 && &p[0] == &had.B[0] {
		had.B = p
		return hold, err
	}
	c.in = nil
	if len(rest) > 0 {
		c.in = Borrow(partialSize(len(rest), need))
		c.in.B = append(c.in.B, rest...)
	}
	had.Free()
	return hold, err
}

// linger reads on after the end was reported, so that closing the socket under
// unread data does not cost the peer what was sent last: until the peer's Close
// frame comes or, where no frames can be told any more, the peer closes its
// end. Config.CloseTimeout bounds it, and the writing of the outbox with it.
func (c *Conn) linger() {
	state, why := c.writer.end()
	if state != closing {
		return
	}
	c.lingering = true
	_ = c.nc.SetDeadline(time.Now().Add(c.lingerTime()))
	answered := c.writer.answered()
	end, _ := why.(*CloseError)

	framing := end != nil && end.framing
	if !answered && !framing {
		err := guard(func() error {
			if _, err := c.handleEarly(discard{}); err != nil {
				return err
			}
			return c.read(func(p []byte) error {
				_, err := c.handle(p, discard{})
				return err
			})
		})
		var closed *CloseError
		answered = errors.As(err, &closed) && closed.Remote
		framing = closed != nil && !closed.Remote
	}
	half, ok := c.nc.(interface{ CloseWrite() error })
	if answered || !framing || !ok {
		c.writer.waitWritten()
		return
	}
	// The peer may read nothing before it has sent what it is sending.
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.writer.waitWritten()
		if c.writer.closeWrite(half) != nil {
			_ = c.nc.SetReadDeadline(time.Unix(1, 0))
		}
	}()
	c.forget()
	_ = c.read(func([]byte) error { return nil })
	<-written
}

// discard reads past what arrives after the end.
type discard struct{}

func (discard) Message([]byte, bool) (Hold, error) { return nil, nil }
func (discard) Pong()                              {}
func (discard) TooLarge()                          {}
func (discard) OverRate()                          {}
func (discard) Closed(error)                       {}

func isPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// guard turns a panic in f into a *PanicError.
func guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

var errEOF = fmt.Errorf("connection lost: %w", io.EOF)
