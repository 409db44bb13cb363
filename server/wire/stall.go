package wire

import "time"

// While something waits for the peer, the connection lives as long as the peer
// takes some of it: bytes that the kernel took from us, or that the peer's
// kernel acknowledged. A peer that takes nothing for Config.StallTimeout is cut.

// checks is how many times in StallTimeout it is looked whether a peer takes
// something.
const checks = 8

// watch begins to look, and unwatch ends it. The goroutine that waits for the
// peer calls them.
func (w *writer) watch() {
	unacked, _ := w.unacked()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stall.unacked, w.stall.progress = unacked, InstantOf(time.Now())
	if w.conn.cfg.StallTimeout <= 0 {
		return
	}
	if w.stall.timer == nil {
		w.stall.timer = time.AfterFunc(w.conn.cfg.StallTimeout/checks, w.checkProgress)
	} else {
		w.stall.timer.Reset(w.conn.cfg.StallTimeout / checks)
	}
}

func (w *writer) unwatch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stall.timer != nil && w.activity != stalled {
		w.stall.timer.Stop()
	}
}

// progressed takes note that the kernel took n bytes more.
func (w *writer) progressed(n int) {
	now := InstantOf(time.Now())
	w.mu.Lock()
	w.took(n)
	w.stall.progress = now
	w.mu.Unlock()
}

// checkProgress is called by the timer.
func (w *writer) checkProgress() {
	unacked, known := w.unacked()
	w.mu.Lock()
	if w.activity != stalled || w.state == cut {
		w.mu.Unlock()
		return
	}
	now := InstantOf(time.Now())
	if known && unacked != w.stall.unacked {
		w.stall.unacked, w.stall.progress = unacked, now
	}
	slow := now.Sub(w.stall.progress) >= w.conn.cfg.StallTimeout
	if slow {
		slow = w.cutSlow()
	} else {
		w.stall.timer.Reset(w.conn.cfg.StallTimeout / checks)
	}
	w.mu.Unlock()
	if slow {
		w.hangUp(ErrSlow)
	}
}

// cutSlow cuts a peer that does not take what it is sent. mu is held; where it
// returns true, the caller must hangUp.
func (w *writer) cutSlow() bool {
	if w.state == open {
		w.conn.cfg.slow.Add(1)
	}
	return w.cutLocked(ErrSlow)
}

// notePing is called when a ping has left: what the peer's kernel acknowledges
// from now on is progress.
func (w *writer) notePing() {
	unacked, known := w.unacked()
	if !known {
		return
	}
	w.mu.Lock()
	w.stall.unacked = unacked
	w.mu.Unlock()
}
