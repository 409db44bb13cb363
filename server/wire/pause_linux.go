package wire

import (
	"syscall"
	"time"
)

// pause is the time for which a loop does not read a connection.
type pause struct {
	reader   *reader
	loop     *loop
	deadline Deadline
}

// hangUp is what epoll tells of a connection that its peer has reset, or closed.
const hangUp = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

// handBack charges n bytes that were read at the time read, and has the loop read
// the connection again: now, or once its debt is paid. The goroutine
// that reads calls it, and does not any more then.
func (l *loop) handBack(r *reader, n int, read time.Time) error {
	if s := r.conn.sealed; s != nil && s.end != nil {
		return s.end
	}
	d, over := time.Duration(0), false
	if n > 0 {
		d, over = r.conn.budget.Settle(n, read)
	}
	switch {
	case over:
		return errOverRate
	case d == 0:
		r.become(looped)
		return nil
	case r.hungUp:
		return errEOF // there is no peer left to slow down
	}
	if err := l.watch(r, syscall.EPOLLRDHUP); err != nil {
		return err
	}
	p := &pause{reader: r, loop: l}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pause = p
	r.set(paused)
	l.pauses.Set(&p.deadline, read.Add(d), p)
	return nil
}

// watch sets what the loop waits for on a connection.
func (l *loop) watch(r *reader, events uint32) error {
	l.mu.Lock()
	event := syscall.EpollEvent{Events: events, Fd: r.seat, Pad: l.seats[r.seat].turn}
	l.mu.Unlock()
	return l.control(r.conn, syscall.EPOLL_CTL_MOD, &event)
}

// Expired ends the pause.
func (p *pause) Expired(time.Time) {
	r := p.reader
	if !r.claimPaused(p) {
		return
	}
	if err := p.loop.watch(r, syscall.EPOLLIN); err != nil {
		r.stop(err)
		return
	}
	r.become(looped)
}

// claimPaused is claim for the pause p, or for any if that is nil.
func (r *reader) claimPaused(p *pause) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != paused || p != nil && r.pause != p {
		return false
	}
	r.state = reading
	return true
}

// cutShort ends the pause of a connection whose peer is gone, and makes the caller
// the goroutine that reads. What the peer sent last may be a goodbye, so that as
// much as one read takes is still handled.
func (l *loop) cutShort(r *reader, events uint32) bool {
	if events&hangUp == 0 || !r.claimPaused(nil) { // the event is from before the pause
		return false
	}
	r.hungUp = true
	l.pauses.Stop(&r.pause.deadline)
	if err := l.watch(r, syscall.EPOLLIN); err != nil {
		r.stop(err)
		return false
	}
	return true
}
