package hub

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// block joins a client that holds the hub's goroutine up at the first
// announcement, until open is called.
func block(h *Hub) (blocker *client, open func()) {
	gate := make(chan struct{})
	blocker = join(h, "blocker")
	blocker.announced = func() { <-gate }
	return blocker, func() { close(gate) }
}

func TestCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, true)
		blocker, open := block(h)
		a, b, c := join(h, "A"), join(h, "B"), join(h, "C")
		heard := func(c *client, want string) {
			t.Helper()
			if got := c.take(); got != want {
				t.Errorf("%s heard %q, want %q", c.id, got, want)
			}
		}

		b.register("b")
		synctest.Wait()
		heard(a, "")
		h.CatchUp(&a.Member, nil)
		heard(a, "+b")
		h.CatchUp(&a.Member, nil)
		heard(a, "")

		c.register("c")
		heard(c, "+b [b]")
		b.register("d")
		heard(b, "[] +c [c]")
		h.List(&a.Member, nil)
		heard(a, "+c -b +d [c d]")
		h.Leave(&b.Member)
		h.CatchUp(&b.Member, nil) // who has left may hear or not

		late := join(h, "late")
		h.CatchUp(&late.Member, nil)
		heard(late, "")

		open()
		synctest.Wait()
		heard(blocker, "+b +c -b +d -d")
		heard(a, "-d")
		heard(c, "-b +d -d")
		heard(late, "")

		h.Leave(&a.Member)
		c.register("e")
		synctest.Wait()
		h.CatchUp(&a.Member, nil) // what it missed is not kept for it
		heard(a, "")
	})
}

// TestPresenceBeforeRelay sends to A from whoever has just registered, as a
// gateway does: A is told of the sender first.
func TestPresenceBeforeRelay(t *testing.T) {
	h := start(t, true)
	a := join(h, "A")
	const senders, names = 20, 50
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			b := joinDeaf(h, "B")
			for n := range names {
				name := fmt.Sprintf("%dx%d", s, n)
				b.register(name)
				h.CatchUp(&a.Member, nil)
				a.hear("relay " + name)
			}
			h.Leave(&b.Member)
			h.CatchUp(&a.Member, nil)
			a.hear("end " + fmt.Sprintf("%dx%d", s, names-1))
		})
	}
	wg.Wait()
	heard := a.words()
	if want := senders * (3*names + 1); len(heard) != want {
		t.Errorf("heard %d things, want %d", len(heard), want)
	}
	for s := range senders {
		at := -1
		for n := range names {
			name := fmt.Sprintf("%dx%d", s, n)
			comes, relay, goes := slices.Index(heard, "+"+name), slices.Index(heard, "relay "+name), slices.Index(heard, "-"+name)
			if comes < at || relay < comes || goes < relay {
				t.Fatalf("%s comes at %d, sends at %d, and goes at %d, after %d", name, comes, relay, goes, at)
			}
			at = goes
			if n == names-1 && slices.Index(heard, "end "+name) < goes {
				t.Fatalf("%s goes at %d, after its end", name, goes)
			}
		}
	}
}

// TestLogIsBounded has the hub's goroutine held up: registrations go on until
// the log is full, and then wait for it, or for the hub's end.
func TestLogIsBounded(t *testing.T) {
	tests := []struct {
		name string
		then func(h *Hub, open func())
		want Outcome
	}{
		{"told", func(_ *Hub, open func()) { open() }, OK},
		{"draining", func(h *Hub, _ func()) { h.Drain() }, Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, true)
				_, open := block(h)
				var last *client
				for i := range maxLog {
					last = joinDeaf(h, "")
					last.quiet = true
					if code := h.Bind(&last.Member, Claim{ID: fmt.Sprint("user", i)}, nil); code != OK {
						t.Fatalf("registration %d: code %d", i, code)
					}
				}

				if !h.crowded() {
					t.Error("not crowded")
				}
				const waiting = 5
				codes := make(chan Outcome, waiting)
				for i := range waiting {
					go func() {
						c := joinDeaf(h, "")
						h.awaitRoom()
						codes <- h.Bind(&c.Member, Claim{ID: fmt.Sprint("late", i)}, nil)
					}()
				}
				synctest.Wait()
				if len(codes) > 0 || h.Online() != maxLog {
					t.Errorf("%d went on, %d online", len(codes), h.Online())
				}
				h.Leave(&last.Member) // does not wait
				if h.Online() != maxLog-1 {
					t.Errorf("%d online", h.Online())
				}

				tt.then(h, open)
				for range waiting {
					if code := <-codes; code != tt.want {
						t.Errorf("code %d, want %d", code, tt.want)
					}
				}
				if tt.want != OK {
					open()
				}
				synctest.Wait()
				h.mu.Lock()
				defer h.mu.Unlock()
				if len(h.log.entries) != 0 {
					t.Errorf("%d entries are left", len(h.log.entries))
				}
			})
		})
	}
}

// TestCloseWaits closes the hub while its goroutine is at work.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Presence: true})
		blocker, open := block(h)
		join(h, "A").register("a")
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			h.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while somebody was being told")
		default:
		}
		open()
		<-closed
		if got := blocker.take(); got != "+a" {
			t.Errorf("heard %q", got)
		}
	})
}
