package wire

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An alarm is a deadline that notes when it was called.
type alarm struct {
	Deadline
	name  string
	clock *clock
}

// A clock notes the calls of its alarms.
type clock struct {
	*Deadlines
	start time.Time

	mu    sync.Mutex
	rings []string
}

func newClock() *clock { return &clock{Deadlines: NewDeadlines(), start: time.Now()} }

func (c *clock) alarm(name string) *alarm { return &alarm{name: name, clock: c} }

// in sets a to ring after a time from the start.
func (c *clock) in(a *alarm, d time.Duration) { c.Set(&a.Deadline, c.start.Add(d), a) }

func (a *alarm) Expired(at time.Time) {
	c := a.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	ring := fmt.Sprintf("%s at %v", a.name, time.Since(c.start))
	if set := at.Sub(c.start); set != time.Since(c.start) {
		ring += fmt.Sprintf(" for %v", set)
	}
	c.rings = append(c.rings, ring)
}

// rang expects what has rung since it was last asked.
func (c *clock) rang(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.rings, want) {
		t.Errorf("after %v: rang %q, want %q", time.Since(c.start), c.rings, want)
	}
	c.rings = nil
}

func TestDeadlines(t *testing.T) {
	tests := []struct {
		name string
		test func(t *testing.T, c *clock)
	}{
		{"order", func(t *testing.T, c *clock) {
			for _, d := range []time.Duration{3, 1, 2, 5, 4} {
				c.in(c.alarm(fmt.Sprint(int(d))), d*time.Second)
			}
			time.Sleep(time.Second - time.Nanosecond)
			c.rang(t)
			time.Sleep(time.Nanosecond)
			c.rang(t, "1 at 1s")
			time.Sleep(10 * time.Second)
			c.rang(t, "2 at 2s", "3 at 3s", "4 at 4s", "5 at 5s")
		}},
		{"the past", func(t *testing.T, c *clock) {
			c.in(c.alarm("a"), -time.Second)
			c.rang(t, "a at 0s for -1s")
		}},
		{"an earlier one than is waited for", func(t *testing.T, c *clock) {
			c.in(c.alarm("late"), time.Minute)
			synctest.Wait()
			c.in(c.alarm("early"), time.Second)
			time.Sleep(time.Second)
			c.rang(t, "early at 1s")
		}},
		{"moved forward", func(t *testing.T, c *clock) {
			a := c.alarm("a")
			c.in(a, time.Minute)
			synctest.Wait()
			c.in(a, time.Second)
			time.Sleep(2 * time.Minute)
			c.rang(t, "a at 1s")
		}},
		{"moved back", func(t *testing.T, c *clock) {
			a := c.alarm("a")
			c.in(a, time.Second)
			c.in(c.alarm("b"), 2*time.Second)
			synctest.Wait()
			c.in(a, 3*time.Second)
			time.Sleep(time.Minute)
			c.rang(t, "b at 2s", "a at 3s")
		}},
		{"set again after it rang", func(t *testing.T, c *clock) {
			a := c.alarm("a")
			c.in(a, time.Second)
			time.Sleep(time.Second)
			c.rang(t, "a at 1s")
			c.in(a, 4*time.Second)
			time.Sleep(time.Minute)
			c.rang(t, "a at 4s")
		}},
		{"stopped", func(t *testing.T, c *clock) {
			a, b := c.alarm("a"), c.alarm("b")
			c.Stop(&a.Deadline) // not set
			c.in(a, time.Second)
			c.in(b, 2*time.Second)
			c.Stop(&a.Deadline)
			c.Stop(&a.Deadline)
			time.Sleep(time.Minute)
			c.rang(t, "b at 2s")
			c.Stop(&b.Deadline) // rang
		}},
		{"farther than the timer reaches", func(t *testing.T, c *clock) {
			c.in(c.alarm("a"), 30*time.Hour)
			time.Sleep(30 * time.Hour)
			c.rang(t, "a at 30h0m0s")
		}},
		{"set and stopped in a callback", func(t *testing.T, c *clock) {
			a, b, other := c.alarm("a"), c.alarm("b"), c.alarm("other")
			c.in(b, 2*time.Second)
			c.Set(&other.Deadline, c.start.Add(time.Second), expirer(func(time.Time) {
				c.Stop(&b.Deadline)
				c.in(a, 3*time.Second)
				c.Set(&other.Deadline, c.start.Add(4*time.Second), other)
			}))
			time.Sleep(time.Minute)
			c.rang(t, "a at 3s", "other at 4s")
		}},
		{"many at random", func(t *testing.T, c *clock) {
			var alarms []*alarm
			due := map[int]string{}
			for i := range 500 {
				alarms = append(alarms, c.alarm(fmt.Sprint(i)))
			}
			for range 5000 {
				i, d := rand.IntN(len(alarms)), rand.IntN(1_000_000_000)
				if rand.IntN(3) == 0 {
					c.Stop(&alarms[i].Deadline)
					delete(due, i)
				} else {
					c.in(alarms[i], time.Duration(d))
					due[i] = fmt.Sprintf("%d at %v", i, time.Duration(d))
				}
			}
			time.Sleep(time.Second)
			synctest.Wait()
			last := time.Duration(-1)
			for _, ring := range c.rings {
				name, at, _ := strings.Cut(ring, " at ")
				var i int
				_, _ = fmt.Sscan(name, &i)
				if due[i] != ring {
					t.Errorf("rang %q, want %q", ring, due[i])
				}
				delete(due, i)
				d, err := time.ParseDuration(at)
				if err != nil || d < last {
					t.Errorf("%q after %v", ring, last)
				}
				last = d
			}
			if len(due) > 0 {
				t.Errorf("%d did not ring", len(due))
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClock()
				defer c.Close()
				tt.test(t, c)
			})
		})
	}
}

type expirer func(time.Time)

func (f expirer) Expired(at time.Time) { f(at) }

// Close waits for the callback that runs; nothing rings after it.
func TestDeadlinesClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		ringing, done := make(chan struct{}), make(chan struct{})
		var slow Deadline
		over := false
		c.Set(&slow, c.start.Add(time.Second), expirer(func(time.Time) {
			close(ringing)
			time.Sleep(time.Minute)
			over = true
		}))
		c.in(c.alarm("a"), 2*time.Minute)
		<-ringing
		go func() {
			c.Close()
			close(done)
		}()
		<-done
		if !over || time.Since(c.start) != time.Minute+time.Second {
			t.Errorf("Close returned after %v", time.Since(c.start))
		}
		c.in(c.alarm("b"), 2*time.Minute)
		time.Sleep(time.Hour)
		c.rang(t)
		c.Close() // again
	})
}

// Deadlines are set, moved and stopped from everywhere at once.
func TestDeadlinesConcurrently(t *testing.T) {
	d := NewDeadlines()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			var mine Deadline
			for range 500 {
				d.Set(&mine, time.Now().Add(time.Duration(rand.IntN(200))*time.Microsecond), expirer(func(time.Time) {}))
				if rand.IntN(2) == 0 {
					d.Stop(&mine)
				}
			}
			rang := make(chan struct{})
			var last Deadline
			d.Set(&last, time.Now(), expirer(func(time.Time) { close(rang) }))
			<-rang
		})
	}
	all.Wait()
	d.Close()
}

// A heartbeat comes up to 1/64 of its interval early where another deadline is
// due, and never alone. Others are never early.
func TestHeartbeatsComeTogether(t *testing.T) {
	const interval = 64 * time.Second
	for _, test := range []struct{ at, want time.Duration }{
		{10 * time.Second, 10 * time.Second},
		{10900 * time.Millisecond, 10 * time.Second},
		{11 * time.Second, 10 * time.Second},
		{11001 * time.Millisecond, 11001 * time.Millisecond},
		{30500 * time.Millisecond, 30 * time.Second}, // with the other deadline
	} {
		t.Run(test.at.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDeadlines()
				defer d.Close()
				start := time.Now()
				var fired [3]time.Duration
				var all [3]Deadline
				owner := func(i int) Expirer { return expirer(func(time.Time) { fired[i] = time.Since(start) }) }
				d.SetHeartbeat(&all[0], start.Add(10*time.Second-interval), interval, owner(0))
				d.SetHeartbeat(&all[1], start.Add(test.at-interval), interval, owner(1))
				d.Set(&all[2], start.Add(30*time.Second), owner(2))
				time.Sleep(time.Minute)
				synctest.Wait()
				if want := [3]time.Duration{10 * time.Second, test.want, 30 * time.Second}; fired != want {
					t.Errorf("fired after %v, want %v", fired, want)
				}
			})
		})
	}
}
