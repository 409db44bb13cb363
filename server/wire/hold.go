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
// with the message that asked for it.
func (r *reader) finishHolds(hold Hold, err error) error {
	for err == nil && hold != nil {
		if r.batch == nil {
			r.batch = new(Batch)
		}
		err = guard(func() error { hold(); return nil })
		r.batch.Flush()
		if err == nil {
			hold, err = r.handleEarly(r.conn.handler)
		}
	}
	return err
}

// hold takes the connection from its loop until a Hold is over that was asked
// for by one of n bytes. The loop calls it; takeOver waits for the goroutine.
func (r *reader) hold(l *loop, hold Hold, n int) {
	r.become(holding)
	l.remove(r)
	r.batch = new(Batch)
	go func() {
		err := r.finishHolds(hold, nil)
		if err == nil {
			err = l.add(r, n)
		}
		if err != nil {
			r.stop(err)
		}
	}()
}
