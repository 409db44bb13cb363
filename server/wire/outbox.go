package wire

import "github.com/gobwas/ws"

// A Message is one text or binary message to send: Prefix and Payload, one
// after the other.
type Message struct {
	Binary          bool
	Prefix, Payload []byte

	pong bool // a Pong frame instead
}

func (m *Message) op() ws.OpCode {
	switch {
	case m.pong:
		return ws.OpPong
	case m.Binary:
		return ws.OpBinary
	}
	return ws.OpText
}

// Send queues messages, one behind the other with nothing between them. The
// bytes are the caller's again on return. With a batch the connection is added
// to it and written when the batch is flushed; without one it is written now,
// as far as the peer takes it. Send never waits for the peer: a nil error says
// that the messages are queued on this connection, ErrClosed that it is over,
// ErrSlow that they did not fit, upon which the connection was cut.
func (c *Conn) Send(batch *Batch, messages ...Message) error {
	size := 0
	for i := range messages {
		size += messages[i].FrameSize()
	}
	w := &c.writer
	w.mu.Lock()
	if !w.fits(size) && w.unwritten() {
		w.mu.Unlock()
		w.flush()
		w.mu.Lock()
	}
	if err := w.admit(size); err != nil {
		w.mu.Unlock()
		if err == ErrSlow {
			w.hangUp(err)
		}
		return err
	}
	w.queue.begin()
	for i := range messages {
		w.queue.Put(&messages[i])
	}
	flush := w.wake(batch)
	w.mu.Unlock()
	if flush {
		w.flush()
	}
	return nil
}

// fits reports whether the outbox takes size more bytes. mu is held.
func (w *writer) fits(size int) bool {
	return w.used() == 0 || w.used()+w.queue.growth(size) <= w.cfg.MaxOutbox
}

// unwritten reports whether something is queued that nobody has tried to write
// yet: that it takes room is not the peer's fault. mu is held.
func (w *writer) unwritten() bool { return w.activity < writing && w.queue.Size() > 0 }

// admit makes sure that the outbox takes size more bytes. mu is held; upon
// ErrSlow, the caller must hangUp.
func (w *writer) admit(size int) error {
	switch {
	case w.state != open:
		return ErrClosed
	case w.fits(size):
		return nil
	}
	w.cutSlow()
	return ErrSlow
}
