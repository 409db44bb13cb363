package wire

// A Hold is what Handler.Message returns where it has to wait for something
// before the next message may be handled, and nil otherwise. Nothing more is read
// from the connection until it has returned, which runs on a goroutine of the
// connection's. The connection may end meanwhile; its end waits for that.
type Hold func()

// Wait waits. It is for callers with a goroutine of their own; h may be nil.
func (h Hold) Wait() {
	if h != nil {
		h()
	}
}

// finishHolds waits where there is a Hold, and handles what was read together
// with the message that asked for it. c.reading is held, or nobody else reads.
func (c *Conn) finishHolds(hold Hold, err error, h Handler) error {
	for err == nil && hold != nil {
		if c.batch == nil {
			c.batch = new(Batch)
		}
		err = guard(func() error { hold(); return nil })
		c.batch.Flush()
		if err == nil {
			hold, err = c.handleEarly(h)
		}
	}
	return err
}

// hold takes the connection from its loop until a Hold is over that was asked
// for by one of n bytes. c.reading is held; the goroutine releases it.
func (c *Conn) hold(hold Hold, n int) {
	c.loop.remove(c)
	c.batch = new(Batch)
	go func() {
		err := c.finishHolds(hold, nil, c.handler)
		if err == nil {
			err = c.loop.add(c, n)
		}
		c.reading.Unlock()
		if err != nil {
			c.detach(err)
		}
	}()
}
