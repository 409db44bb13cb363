package wire

import (
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	// A step sends count messages, one each every, after a pause.
	type step struct {
		pause  time.Duration
		count  int
		every  time.Duration
		passed int  // how many of them are within the limit
		over   bool // whether the last one was too much for good
	}
	second := time.Second
	tests := []struct {
		name  string
		limit RateLimit
		steps []step
	}{
		{"no limit", RateLimit{0, 10}, []step{{count: 10_000, passed: 10_000}}},
		{"negative", RateLimit{-1, 10}, []step{{count: 100, passed: 100}}},
		{"burst", RateLimit{10, 20}, []step{{count: 25, passed: 20}}},
		{"no burst of its own", RateLimit{10, 0}, []step{{count: 15, passed: 10}, {pause: second / 10, count: 5, passed: 1}}},
		{"burst of one", RateLimit{10, 1}, []step{{count: 5, passed: 1}, {pause: second / 10, count: 5, passed: 1}}},
		{"refill", RateLimit{10, 20}, []step{
			{count: 20, passed: 20},
			{pause: second / 10, count: 5, passed: 1},
			{pause: second / 2, count: 10, passed: 5},
			{pause: time.Hour, count: 30, passed: 20},
		}},
		{"at the rate", RateLimit{10, 1}, []step{{count: 1000, every: second / 10, passed: 1000}}},
		{"a little below the rate", RateLimit{10, 1}, []step{{count: 1000, every: second / 9, passed: 1000}}},
		{"twice the rate", RateLimit{10, 20}, []step{{count: 201, every: second / 20, passed: 120, over: true}}},
		{"nine seconds over", RateLimit{10, 20}, []step{{count: 181, every: second / 20, passed: 110}}},
		{"nine seconds over, twice", RateLimit{10, 20}, []step{
			{count: 180, every: second / 20, passed: 109},
			{pause: 3 * second, count: 180, every: second / 20, passed: 109},
		}},
		{"nine seconds over and one at the rate, twice", RateLimit{10, 1}, []step{
			{count: 180, every: second / 20, passed: 90},
			{count: 10, every: second / 10, passed: 10},
			{count: 180, every: second / 20, passed: 90},
		}},
		{"bursts with pauses", RateLimit{10, 200}, []step{
			{count: 200, passed: 200},
			{pause: 20 * second, count: 200, passed: 200},
			{pause: 20 * second, count: 200, passed: 200},
		}},
		{"for ever", RateLimit{10, 20}, []step{
			{count: 201, every: second / 20, passed: 120, over: true},
			{count: 200, every: second / 20, passed: 100, over: true},
		}},
		{"over for ten seconds, then well-behaved", RateLimit{10, 20}, []step{
			{count: 201, every: second / 20, passed: 120, over: true},
			{pause: 2 * second, count: 1, passed: 1},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Rate
			now := time.Unix(1_700_000_000, 123)
			for i, s := range tt.steps {
				now = now.Add(s.pause)
				passed, over := 0, false
				for range s.count {
					var ok bool
					if ok, over = r.Take(tt.limit, now); ok {
						passed++
					}
					now = now.Add(s.every)
				}
				// One may go either way where a token is just being made.
				if passed < s.passed-1 || passed > s.passed+1 || s.every == 0 && passed != s.passed || over != s.over {
					t.Errorf("step %d: %d passed, over %v, want %d, %v", i, passed, over, s.passed, s.over)
				}
			}
		})
	}
}

func TestRateAllocates(t *testing.T) {
	var r Rate
	now := time.Now()
	if n := testing.AllocsPerRun(100, func() { r.Take(RateLimit{10, 10}, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
