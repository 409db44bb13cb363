package wire

import "time"

// A connection whose budget is overdrawn is not read until that is paid. Where a
// loop reads it, see pause_linux.go; where a goroutine does, that waits.

// pay charges n bytes that were read at the time read, and waits until the budget
// is no debt any more. A goroutine that reads the connection calls it.
func (r *reader) pay(n int, read time.Time) error {
	pause, over := r.conn.budget.Settle(n, read)
	switch {
	case over:
		return errOverRate
	case pause == 0:
		return nil
	}
	awake := make(chan struct{})
	r.mu.Lock()
	r.awake = awake
	r.mu.Unlock()
	if state, _ := r.conn.writer.end(); state == cut || state == closing && !r.lingering {
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
func (r *reader) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.awake != nil {
		close(r.awake)
		r.awake = nil
	}
}
