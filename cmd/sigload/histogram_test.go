package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// exact is the value that p percent do not exceed, from all values.
func exact(values []int64, p float64) int64 {
	rank := int(p / 100 * float64(len(values)))
	if float64(rank) < p/100*float64(len(values)) || rank == 0 {
		rank++
	}
	return values[rank-1]
}

func TestPercentilesAreThoseOfTheValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for name, draw := range map[string]func() int64{
		"small":   func() int64 { return random.Int64N(100) },
		"uniform": func() int64 { return random.Int64N(50_000_000) },
		"heavy":   func() int64 { return int64(1e5 / (random.Float64() + 1e-6)) },
		"same":    func() int64 { return 123_456_789 },
	} {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 99, 100, 10_000} {
				var h histogram
				values := make([]int64, n)
				for i := range values {
					values[i] = draw()
					h.add(values[i])
				}
				slices.Sort(values)
				d := h.read()
				if d.total != uint64(n) || d.max != values[n-1] {
					t.Errorf("%d values up to %d are %d up to %d", n, values[n-1], d.total, d.max)
				}
				for _, p := range []float64{0, 1, 50, 90, 99, 99.9, 100} {
					want, got := exact(values, p), d.percentile(p)
					if got < want || got > want+want/steps {
						t.Errorf("%d values: p%g is %d, not %d", n, p, got, want)
					}
				}
			}
		})
	}
}

func TestBucketsFollowEachOther(t *testing.T) {
	for b := range buckets - 1 {
		if bucket(upper(b)) != b || bucket(upper(b)+1) != b+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d; the next is in %d", b, upper(b), bucket(upper(b)), bucket(upper(b)+1))
		}
	}
	if bucket(-1) != 0 || bucket(1<<62) != buckets-1 {
		t.Error("what is out of range is not counted at the ends")
	}
}

func TestADistributionSinceAnother(t *testing.T) {
	var h histogram
	h.add(1_000_000)
	before := h.read()
	if d := before.since(before); d.total != 0 || d.max != 0 || d.percentile(50) != 0 {
		t.Errorf("nothing is %d up to %d", d.total, d.max)
	}
	h.add(5)
	h.add(7)
	d := h.read().since(before)
	if got := fmt.Sprint(d.total, d.max, d.percentile(50), d.percentile(100)); got != "2 7 5 7" {
		t.Error(got)
	}
}

func BenchmarkHistogramAdd(b *testing.B) {
	var h histogram
	b.ReportAllocs()
	for i := range b.N {
		h.add(int64(i))
	}
}
