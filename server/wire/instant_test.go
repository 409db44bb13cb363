package wire

import (
	"testing"
	"testing/synctest"
	"time"
)

// Instants keep the order and the distance of times, also within a bubble, whose clock
// is another.
func TestInstants(t *testing.T) {
	check := func(t *testing.T) {
		now := time.Now()
		i := InstantOf(now)
		if i <= 0 || !i.Time().Equal(now) {
			t.Errorf("%v became %v", now, i.Time())
		}
		if d := InstantOf(now.Add(time.Second)).Sub(i); d != time.Second {
			t.Errorf("a second later is %v later", d)
		}
		if d := time.Since(i.Time()); d < 0 || d > time.Hour {
			t.Errorf("now was %v ago", d)
		}
	}
	t.Run("time", check)
	t.Run("bubble", func(t *testing.T) { synctest.Test(t, check) })
}
