package wire

import (
	"sync/atomic"
	"time"
)

// LatencyBounds are the upper bounds of a Latency's buckets; one more has what
// took longer.
var LatencyBounds = [...]time.Duration{
	25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, time.Second,
}

// A Latency counts how long messages took from when they were read until they
// were handed to the kernel, or to the goroutine that waits for a peer that does
// not take them. The zero value is ready; it is safe for concurrent use.
type Latency struct {
	buckets [len(LatencyBounds) + 1]atomic.Uint64
	sum     atomic.Int64
}

// Observe counts n messages that took d each.
func (l *Latency) Observe(d time.Duration, n int) {
	i := 0
	for i < len(LatencyBounds) && d > LatencyBounds[i] {
		i++
	}
	l.buckets[i].Add(uint64(n))
	l.sum.Add(int64(d) * int64(n))
}

// Read returns how many there were in each bucket, and their sum.
func (l *Latency) Read() (buckets [len(LatencyBounds) + 1]uint64, sum time.Duration) {
	for i := range buckets {
		buckets[i] = l.buckets[i].Load()
	}
	return buckets, time.Duration(l.sum.Load())
}
