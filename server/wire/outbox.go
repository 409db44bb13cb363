package wire

import "github.com/gobwas/ws"

// A Message is one text or binary message to send: Prefix and Payload, one
// after the other.
type Message struct {
	Binary          bool
	Prefix, Payload []byte
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
	c.lockFor(size)
	if err := c.accept(size); err != nil {
		c.mu.Unlock()
		return err
	}
	for i := range messages {
		c.out.Put(&messages[i])
	}
	c.flushSoon(batch)
	return nil
}

// Ping queues a Ping frame (RFC 6455, section 5.5.2) and writes it.
func (c *Conn) Ping() error {
	return c.send(nil, ws.OpPing, nil)
}

// send queues one frame.
func (c *Conn) send(batch *Batch, op ws.OpCode, payload []byte) error {
	size := frameSize(len(payload))
	c.lockFor(size)
	if err := c.accept(size); err != nil {
		c.mu.Unlock()
		return err
	}
	c.out.put(op, payload)
	c.flushSoon(batch)
	return nil
}

// lockFor locks c.mu. What would be too much together with what nobody has
// tried to write yet is not the peer's fault: that is written first.
func (c *Conn) lockFor(size int) {
	c.mu.Lock()
	if c.out.Size() > 0 && !c.writing && c.queued()+size > c.cfg.MaxOutbox {
		c.flushLocked()
		c.mu.Lock()
	}
}

// queued is how many bytes wait to be written, or are being. c.mu is held.
func (c *Conn) queued() int { return c.inflight + c.out.Size() }

// accept makes sure that the outbox takes size more bytes. c.mu is held.
func (c *Conn) accept(size int) error {
	if c.state != open {
		return ErrClosed
	}
	if c.queued()+size > c.cfg.MaxOutbox {
		c.cfg.slow.Add(1)
		c.cut(ErrSlow)
		return ErrSlow
	}
	return nil
}

// flushSoon sees to it that the outbox is written, by the batch, by whoever is
// writing already, or here. c.mu is held, and released.
func (c *Conn) flushSoon(batch *Batch) {
	if c.stalled {
		c.account()
	}
	if batch == nil {
		c.flushLocked()
		return
	}
	first := !c.batched && !c.writing
	c.batched = c.batched || first
	c.mu.Unlock()
	if first {
		batch.add(c)
	}
}

// Flush writes what is queued, as far as the peer takes it without waiting; a
// goroutine of the connection's writes the rest.
func (c *Conn) Flush() {
	c.mu.Lock()
	c.flushLocked()
}

// flushRounds bounds how long one goroutine writes what others keep queueing
// while it does.
const flushRounds = 4

// flushLocked is Flush with c.mu held; it releases it.
func (c *Conn) flushLocked() {
	c.batched = false
	if c.writing || c.out.Size() == 0 {
		c.mu.Unlock()
		return
	}
	c.writing = true
	found := c.out.Size()
	buf := c.take()
	c.mu.Unlock()
	for rounds := 0; rounds < flushRounds; {
		if found -= len(buf.B); found <= 0 {
			rounds++
		}
		n, err := c.tryWrite(buf.B)
		if err == nil && n < len(buf.B) {
			c.drainLater(buf, n)
			return
		}
		buf.Free()
		if buf = c.written(err); buf == nil {
			return
		}
	}
	c.drainLater(buf, 0)
}

// written takes note that a write has ended, and returns what to write next.
func (c *Conn) written(err error) *Buffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inflight = 0
	if err != nil {
		c.cut(err)
	}
	if c.out.Size() == 0 {
		c.wrote()
		return nil
	}
	buf := c.take()
	c.account()
	return buf
}

// account keeps Config.waiting: what is queued and in flight while a goroutine
// waits for the peer to take it. c.mu is held.
func (c *Conn) account() {
	n := 0
	if c.stalled && c.state != cut {
		n = c.queued()
	}
	if n != c.accounted {
		c.cfg.waiting.Add(int64(n - c.accounted))
		c.accounted = n
	}
}

// take moves the first of the queued chunks into flight. c.mu is held.
func (c *Conn) take() *Buffer {
	buf := c.out.Pop()
	c.inflight = len(buf.B)
	return buf
}

// wrote ends the writing. c.mu is held.
func (c *Conn) wrote() {
	c.inflight = 0
	c.writing, c.stalled = false, false
	c.account()
	if c.idle != nil {
		close(c.idle)
		c.idle = nil
	}
	if c.state == closing && c.peerClosed {
		c.cut(nil)
	}
}

// waitWritten returns when nobody writes and nothing is queued, which a
// deadline on the network connection bounds.
func (c *Conn) waitWritten() {
	c.mu.Lock()
	if !c.writing {
		c.flushLocked()
		c.mu.Lock()
	}
	if !c.writing {
		c.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	c.idle = idle
	c.mu.Unlock()
	<-idle
}

// drainLater starts the goroutine that writes buf from n on, and then all that
// was queued meanwhile. It ends when the outbox is empty or the connection is
// cut; Serve waits for it.
func (c *Conn) drainLater(buf *Buffer, n int) {
	c.mu.Lock()
	if c.state == cut {
		buf.Free()
		c.wrote()
		c.mu.Unlock()
		return
	}
	c.writers.Add(1)
	c.stalled = true
	c.account()
	c.mu.Unlock()
	go c.drain(buf, n)
}

func (c *Conn) drain(buf *Buffer, n int) {
	defer c.writers.Done()
	for buf != nil {
		_, err := c.nc.Write(buf.B[n:])
		n = 0
		buf.Free()
		buf = c.written(err)
	}
}
