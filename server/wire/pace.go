package wire

import (
	"context"
	"time"
)

// paceStep is how often Pace goes on.
const paceStep = 10 * time.Millisecond

// Pace calls f with 0 to n-1, spread evenly over the given time, or the rest at
// once when ctx ends.
func Pace(ctx context.Context, n int, over time.Duration, f func(i int)) {
	begun := time.Now()
	tick := time.NewTicker(paceStep)
	defer tick.Stop()
	for i := 0; i < n; {
		due := n
		if passed := time.Since(begun); passed < over && ctx.Err() == nil {
			due = int(float64(n) * float64(passed) / float64(over))
		}
		for ; i < due; i++ {
			f(i)
		}
		if i < n {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
}
