package hub

import (
	"sync/atomic"
	"time"
)

// AbsenceBounds are the upper bounds of the histogram of absences.
var AbsenceBounds = [...]time.Duration{
	100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
	10 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute,
}

// absences counts how long users were away when they came back.
type absences struct {
	counts [len(AbsenceBounds) + 1]atomic.Uint64
	sum    atomic.Int64
}

func (a *absences) observe(d time.Duration) {
	i := 0
	for i < len(AbsenceBounds) && d > AbsenceBounds[i] {
		i++
	}
	a.counts[i].Add(1)
	a.sum.Add(int64(d))
}

// Absences returns how many users came back within each of AbsenceBounds, and
// later, and how long they were away together.
func (h *Hub) Absences() (counts [len(AbsenceBounds) + 1]uint64, sum time.Duration) {
	for i := range counts {
		counts[i] = h.absences.counts[i].Load()
	}
	return counts, time.Duration(h.absences.sum.Load())
}

// Held are figures of the relays that are held.
type HeldTotals struct {
	Relays, Bytes int64 // now
	Away          int64 // users who are away
	// Redelivered counts relays that were delivered again, and Expired those for
	// which nobody came.
	Redelivered, Expired uint64
}

// Held returns the figures of now.
func (h *Hub) Held() HeldTotals {
	t := &h.held
	return HeldTotals{t.relays.Load(), t.bytes.Load(), h.awayUsers.Load(), t.redelivered.Load(), t.expired.Load()}
}
