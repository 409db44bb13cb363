package wire

import "time"

// A connection whose budget is overdrawn is not read until that is paid. Where a
// loop reads it, see pause_linux.go; where a goroutine does, that waits.

// pay charges n bytes that were read at the time read, and waits until the budget
// is no debt any more. Whoever reads the connection on a goroutine calls it.
func (c *Conn) pay(n int, read time.Time) error {
	pause, over := c.budget.Settle(n, read)
	switch {
	case over:
		return errOverRate
	case pause == 0:
		return nil
	}
	awake := make(chan struct{})
	c.mu.Lock()
	c.awake = awake
	c.mu.Unlock()
	if state, _ := c.writer.end(); state == cut || state == closing && !c.lingering {
		return nil // the next read tells
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-awake:
	}
	return nil
}

// wake cuts a pause short, since the connection ends.
func (c *Conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.awake != nil {
		close(c.awake)
		c.awake = nil
	}
}
