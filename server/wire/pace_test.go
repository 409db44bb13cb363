package wire

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		Pace(t.Context(), 100, time.Second, func(i int) {
			if i != len(at) {
				t.Errorf("call %d is for %d", len(at), i)
			}
			at = append(at, time.Since(begun))
		})
		if len(at) != 100 {
			t.Fatalf("%d calls", len(at))
		}
		for i, d := range at {
			if even := time.Duration(i) * time.Second / 100; d < even || d > even+2*paceStep {
				t.Errorf("call %d after %v instead of %v", i, d, even)
			}
		}
	})
}

func TestPaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun, calls := time.Now(), 0
		Pace(ctx, 1000, time.Hour, func(int) { calls++ })
		if calls != 1000 || time.Since(begun) > time.Second+paceStep {
			t.Errorf("%d calls in %v", calls, time.Since(begun))
		}
		Pace(ctx, 0, time.Hour, func(int) { t.Error("called for nobody") })
	})
}
