package wire

import (
	"sync/atomic"
	"time"
)

// A Histogram counts durations by upper bounds. It is safe for concurrent use.
type Histogram struct {
	bounds []time.Duration // static
	counts []atomic.Uint64 // one more, of what took longer
	sum    atomic.Int64
}

// NewHistogram returns a histogram with the bounds, which ascend.
func NewHistogram(bounds ...time.Duration) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// NewLatency returns a histogram of how long messages took from when they were
// read until they were handed to the kernel, or to the goroutine that waits for a
// peer that does not take them.
func NewLatency() *Histogram {
	return NewHistogram(
		25*time.Microsecond, 50*time.Microsecond, 100*time.Microsecond, 250*time.Microsecond, 500*time.Microsecond,
		time.Millisecond, 2500*time.Microsecond, 5*time.Millisecond, 10*time.Millisecond, 25*time.Millisecond,
		50*time.Millisecond, 100*time.Millisecond, 250*time.Millisecond, time.Second,
	)
}

// Bounds returns the upper bounds. They must not be changed.
func (h *Histogram) Bounds() []time.Duration { return h.bounds }

// Observe counts n durations of d each.
func (h *Histogram) Observe(d time.Duration, n int) {
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.counts[i].Add(uint64(n))
	h.sum.Add(int64(d) * int64(n))
}

// Read returns how many durations there were up to each bound and above the one
// before, and their sum. The last are those above all bounds.
func (h *Histogram) Read() (counts []uint64, sum time.Duration) {
	counts = make([]uint64, len(h.counts))
	for i := range counts {
		counts[i] = h.counts[i].Load()
	}
	return counts, time.Duration(h.sum.Load())
}
