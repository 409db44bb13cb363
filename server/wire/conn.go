// Package wire is one WebSocket connection: a reader with limits, a writer with a
// bounded outbox, and an orderly end. It does not know what the bytes mean.
//
// One of a few event loops (Loops) reads a connection, or a goroutine of its own
// where that is not possible: on systems without epoll, and with TLS of another
// listener than ListenTLS. The goroutine
// that queues a frame writes it, without waiting. A connection has a goroutine for
// writing only while its peer does not take what it is sent, and one for its end.
// An idle connection holds no buffer.
package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
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

// Conn is one server-side WebSocket connection (RFC 6455): a reader and a writer,
// each with a lock and states of its own, and their common end. The writer's lock
// may be held while the reader's is taken, and not the other way round.
type Conn struct {
	// static
	cfg    *Config
	nc     net.Conn
	raw    syscall.RawConn // nil where nc has no file descriptor, as TLS of others
	sealed *sealed         // nil where nc is not TLS of ListenTLS
	budget *Budget         // nil: no limit
	holder Holder

	reader reader
	writer writer

	handler Handler // static after Start
	onEnd   func()  // likewise

	inquiry atomic.Pointer[inquiry] // of CloseAsking
}

func newConn(nc net.Conn, raw syscall.RawConn, s *sealed, cfg *Config, budget *Budget) *Conn {
	c := &Conn{cfg: cfg, nc: nc, raw: raw, sealed: s, budget: budget}
	c.holder = cfg.Account.Open(func() { c.writer.cut(ErrHeld) })
	c.reader = reader{conn: c, seat: -1}
	c.writer = writer{conn: c}
	return c
}

// Budget is what the peer may send; nil: no limit.
func (c *Conn) Budget() *Budget { return c.budget }

// Batch is for Sends made while Handler.Message runs: it is flushed when all
// that was read together has been handled.
func (c *Conn) Batch() *Batch { return c.reader.batch }

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
	c.handler, c.onEnd = h, ended
	c.Flush()
	var l *loop
	if c.cfg.Loops != nil && c.raw != nil {
		l = c.cfg.Loops.pick()
	}
	if l == nil {
		go func() {
			c.Serve(h)
			c.finished()
		}()
		return
	}
	c.reader.setLoop(l)
	if state, _ := c.writer.end(); state != open { // closed before it started
		c.over()
	}
	c.reader.join()
}

// Serve reads the connection until it ends. It returns when the network
// connection is closed and no goroutine of the connection is left.
func (c *Conn) Serve(h Handler) {
	c.handler = h
	c.Flush()
	c.reader.batch = new(Batch)
	c.finish(c.reader.serve())
}

// finished is the last step of the goroutine that ends the connection.
func (c *Conn) finished() {
	c.onEnd()
	c.writer.release()
}

// stopLoop takes the connection from its loop, and ends it with err. The loop, or
// the goroutine that would hand the connection to it, calls it.
func (c *Conn) stopLoop(err error) {
	if !c.leaveLoop(err) {
		// It was closed while it was read. How the reading ended matters still.
		c.writer.endedWith(err)
	}
}

// over is called when the connection is closing or cut: it is not read for its
// user any more.
func (c *Conn) over() {
	c.reader.wake()
	c.leaveLoop(nil)
}

// interrupt is called before over, where the connection is closing. A goroutine
// that reads wakes up, reports the end, and then waits for the peer's Close. It
// is called with the writer's mu held, so that linger sets its deadline later.
func (c *Conn) interrupt() {
	if !c.reader.inLoop() {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// leaveLoop has a goroutine end the connection in place of the loop, and reports
// whether it is due to this call. The goroutine ends with the connection, and
// calls onEnd.
func (c *Conn) leaveLoop(err error) bool {
	l, first := c.reader.leave()
	if first {
		go func() {
			c.reader.takeOver()
			l.remove(&c.reader)
			c.reader.batch = new(Batch)
			c.finish(err)
			c.finished()
		}()
	}
	return first
}

// finish ends a connection that is read no more, for the reason err,
// if any.
func (c *Conn) finish(err error) {
	h := c.handler
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
		c.reader.forget() // some of it has been handled
		c.close(&CloseError{Code: CloseInternalError})
	default:
		c.writer.lost(err)
	}

	if _, why := c.writer.end(); why != nil && !isPanic(err) {
		err = why
	}
	dismissed := c.writer.dismissed()
	if dismissed {
		c.linger() // what the peer has is known then
	}
	_ = guard(func() error { h.Closed(err); return nil })
	if !dismissed {
		c.linger()
	}
	c.writer.cut(nil)
	c.inquired(false)
	c.writer.wait()
	c.reader.forget()
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
	c.reader.lingering = true
	_ = c.nc.SetDeadline(time.Now().Add(c.lingerTime()))
	answered := c.writer.answered()
	end, _ := why.(*CloseError)

	framing := end != nil && end.framing
	if !answered && !framing {
		err := guard(func() error {
			if _, err := c.reader.handleEarly(discard{}); err != nil {
				return err
			}
			return c.reader.read(func(p []byte) error {
				_, err := c.reader.handle(p, discard{})
				return err
			})
		})
		var closed *CloseError
		answered = errors.As(err, &closed) && closed.Remote
		framing = closed != nil && !closed.Remote
		if answered {
			c.writer.acknowledgeAll()
		}
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
	c.reader.forget()
	_ = c.reader.read(func([]byte) error { return nil })
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
