package wire

import "errors"

// A Hold is what Handler.Message returns where it has to wait for something
// before the next message may be handled: nothing more is read from the
// connection until Do has returned, which runs on a goroutine of the
// connection's. The connection may end meanwhile; its end waits for Do.
type Hold struct{ Do func() }

func (h *Hold) Error() string { return "waiting" }

// Finish waits where err is a Hold, and returns it otherwise. It is for callers
// of their own goroutine.
func Finish(err error) error {
	if hold, ok := errors.AsType[*Hold](err); ok {
		hold.Do()
		return nil
	}
	return err
}

// finishHolds waits where err is a Hold, and handles what was read together
// with the message that asked for it. c.reading is held, or nobody else reads.
func (c *Conn) finishHolds(err error, h Handler) error {
	for {
		hold, ok := errors.AsType[*Hold](err)
		if !ok {
			return err
		}
		if c.batch == nil {
			c.batch = new(Batch)
		}
		err = guard(func() error { hold.Do(); return nil })
		c.batch.Flush()
		if err == nil {
			err = c.handleEarly(h)
		}
	}
}

// hold takes the connection from its loop until a Hold is over that was asked
// for by one of n bytes. c.reading is held; the goroutine releases it.
func (c *Conn) hold(err error, n int) {
	c.loop.remove(c)
	c.batch = new(Batch)
	go func() {
		err := c.finishHolds(err, c.handler)
		if err == nil {
			err = c.loop.add(c, n)
		}
		c.reading.Unlock()
		if err != nil {
			c.detach(err)
		}
	}()
}
