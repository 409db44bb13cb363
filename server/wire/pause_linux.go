package wire

import (
	"syscall"
	"time"
)

// pause is the time for which a loop does not read a connection.
type pause struct {
	conn     *Conn
	deadline Deadline
}

// hangUp is what epoll tells of a connection that its peer has reset, or closed.
const hangUp = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

// pay charges n bytes that were read at the time read, and has the loop not read
// the connection until the budget is no debt any more. c.reading is held.
func (l *loop) pay(c *Conn, n int, read time.Time) error {
	d, over := c.budget.Settle(n, read)
	switch {
	case over:
		return errOverRate
	case d == 0:
		return nil
	case c.hungUp:
		return errEOF // nobody is there whom to slow down
	}
	if err := l.watch(c, syscall.EPOLLRDHUP); err != nil {
		return err
	}
	c.pause = &pause{conn: c}
	l.pauses.Set(&c.pause.deadline, read.Add(d), c.pause)
	return nil
}

// watch sets what the loop waits for on a connection.
func (l *loop) watch(c *Conn, events uint32) error {
	l.mu.Lock()
	event := syscall.EpollEvent{Events: events, Fd: c.seat, Pad: l.seats[c.seat].turn}
	l.mu.Unlock()
	return l.control(c, syscall.EPOLL_CTL_MOD, &event)
}

// Expired ends the pause.
func (p *pause) Expired(time.Time) {
	c := p.conn
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.detached || c.pause != p {
		return
	}
	if err := c.loop.resume(c); err != nil {
		c.detach(err)
	}
}

// cutShort ends the pause of a connection whose peer is gone. What it sent last
// may be a goodbye, so that as much as one read takes is still handled.
func (l *loop) cutShort(c *Conn, events uint32) bool {
	if events&hangUp == 0 {
		return false // from before the pause
	}
	c.hungUp = true
	l.pauses.Stop(&c.pause.deadline)
	return l.resume(c) == nil
}

// resume has the loop read the connection again. c.reading is held.
func (l *loop) resume(c *Conn) error {
	c.pause = nil
	return l.watch(c, syscall.EPOLLIN)
}
