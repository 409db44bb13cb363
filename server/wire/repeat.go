package wire

import (
	"sync/atomic"
	"time"
)

// A Repeat is a deadline that its own call sets again.
type Repeat struct {
	deadlines *Deadlines
	deadline  Deadline
	call      func() (again time.Time)
	over      atomic.Bool
}

// Repeat calls f at the given time, and then at the times that it returns,
// until Stop. f must not block. Where r is one already, its next call is moved
// instead; else, r being nil, it makes one.
func (d *Deadlines) Repeat(r *Repeat, at time.Time, f func() (again time.Time)) *Repeat {
	if r == nil {
		r = &Repeat{deadlines: d, call: f}
	}
	d.Set(&r.deadline, at, r)
	return r
}

// Expired makes the call.
func (r *Repeat) Expired(time.Time) {
	if r.over.Load() {
		return
	}
	r.deadlines.Set(&r.deadline, r.call(), r)
	if r.over.Load() { // since
		r.deadlines.Stop(&r.deadline)
	}
}

// Stop ends the calls; one that has begun may still go on. r may be nil.
func (r *Repeat) Stop() {
	if r != nil {
		r.over.Store(true)
		r.deadlines.Stop(&r.deadline)
	}
}
