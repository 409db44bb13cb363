package wire

import "github.com/gobwas/ws"

// A Message is one text or binary message to send: Prefix and Payload, one
// after the other.
type Message struct {
	Binary          bool
	Prefix, Payload []byte

	control ws.OpCode // a control frame of this kind instead
}

func (m *Message) op() ws.OpCode {
	switch {
	case m.control != 0:
		return m.control
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
	return c.writer.send(batch, nil, messages)
}

// Relay is Send for what another client sends. Where it does not fit, it is
// refused with ErrFull, and the connection goes on: a sender must not be able to
// have another client disconnected.
func (c *Conn) Relay(batch *Batch, receipt Receipt, messages ...Message) error {
	return c.writer.send(batch, &receipt, messages)
}

func (w *writer) send(batch *Batch, receipt *Receipt, messages []Message) error {
	size := 0
	for i := range messages {
		size += messages[i].FrameSize()
	}
	w.mu.Lock()
	if w.unwritten() && !w.fits(size, receipt) {
		w.mu.Unlock()
		w.flush()
		w.mu.Lock()
	}
	switch fits := w.fits(size, receipt); {
	case w.state != open:
		w.mu.Unlock()
		return ErrClosed
	case !fits && receipt != nil:
		w.mu.Unlock()
		w.conn.cfg.full.Add(1)
		return ErrFull
	case !fits:
		w.cutSlow()
		w.mu.Unlock()
		w.hangUp(ErrSlow)
		return ErrSlow
	}
	w.queue.begin()
	for i := range messages {
		w.put(&messages[i])
	}
	if receipt != nil {
		w.keepFromNow()
		w.relays.add(relayEntry{end: w.queued, size: size, receipt: *receipt})
		w.askAfter(receipt, batch)
	}
	flush := w.wake(batch)
	w.mu.Unlock()
	if flush {
		w.flush()
	}
	return nil
}

// fits reports whether the outbox takes size more bytes; for a relay, with a
// quarter left to what the server itself has to say, and with no more than a
// quarter for its sender. What is alone always fits. mu is held.
func (w *writer) fits(size int, receipt *Receipt) bool {
	used := w.used()
	if used == 0 {
		return true
	}
	most := w.conn.cfg.MaxOutbox
	if receipt == nil {
		return used+w.queue.growth(size) <= most
	}
	if w.activity == stalled && w.conn.cfg.Account.Full() {
		return false // where the peer takes what it gets, nothing is held
	}
	if used+size <= most/4 {
		return true
	}
	if used+w.queue.growth(size) > most-most/4 {
		return false
	}
	share := w.relays.share(receipt.From)
	return share == 0 || share+size <= most/4
}

// unwritten reports whether something is queued that no goroutine has tried to write
// yet: that it takes room is not the peer's fault. mu is held.
func (w *writer) unwritten() bool { return w.activity < writing && w.queue.Size() > 0 }
