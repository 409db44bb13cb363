package main

import (
	"math/bits"
	"sync/atomic"
)

// A histogram counts durations in nanoseconds. Its buckets are exact below
// 128 ns, and above that less than 1/64 wide. It may be used by many goroutines.
type histogram struct {
	counts [buckets]atomic.Uint64
	max    atomic.Int64
}

const (
	steps   = 64 // to each power of two
	octaves = 40 // up to 2^45 ns, nearly ten hours
	buckets = steps * octaves
)

// bucket returns where ns is counted.
func bucket(ns int64) int {
	u := uint64(max(ns, 0))
	shift := max(bits.Len64(u)-7, 0) // 7: one more than the bits of steps
	return min(shift*steps+int(u>>shift), buckets-1)
}

// upper returns the highest value in a bucket.
func upper(bucket int) int64 {
	if bucket < 2*steps {
		return int64(bucket)
	}
	shift := bucket/steps - 1
	return int64(bucket-shift*steps+1)<<shift - 1
}

func (h *histogram) add(ns int64) {
	h.counts[bucket(ns)].Add(1)
	for {
		m := h.max.Load()
		if ns <= m || h.max.CompareAndSwap(m, ns) {
			return
		}
	}
}

// A distribution is a histogram at one moment.
type distribution struct {
	counts [buckets]uint64
	total  uint64
	max    int64
}

func (h *histogram) read() *distribution {
	d := &distribution{max: h.max.Load()}
	for i := range h.counts {
		d.counts[i] = h.counts[i].Load()
		d.total += d.counts[i]
	}
	return d
}

// since returns what was added after before was read.
func (d *distribution) since(before *distribution) *distribution {
	s := &distribution{total: d.total - before.total}
	for i := range d.counts {
		s.counts[i] = d.counts[i] - before.counts[i]
		if s.counts[i] > 0 {
			s.max = min(upper(i), d.max)
		}
	}
	return s
}

// percentile returns a value that p percent of all do not exceed, and that is
// at most 1/64 above the lowest such, or 0 if there is none.
func (d *distribution) percentile(p float64) int64 {
	rank := uint64(p / 100 * float64(d.total))
	if float64(rank) < p/100*float64(d.total) || rank == 0 {
		rank++
	}
	var below uint64
	for i, n := range d.counts {
		if below += n; below >= rank {
			return min(upper(i), d.max)
		}
	}
	return 0
}
