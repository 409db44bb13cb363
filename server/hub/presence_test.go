package hub

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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
		h.Leave(&b.Member, Goodbye, nil)
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

		h.Leave(&a.Member, Goodbye, nil)
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
			h.Leave(&b.Member, Goodbye, nil)
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

// TestBusy has one client that takes nothing: it keeps its place in the log, nobody
// waits for it, and once its place has fallen out of the log it is sent a list.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, true)
		slow, quick := join(h, "slow"), join(h, "quick")
		slow.busy.Store(true)
		b := join(h, "B")
		b.register("b")
		synctest.Wait()
		if got := quick.take(); got != "+b" {
			t.Errorf("quick heard %q", got)
		}
		if got := slow.take(); got != "" {
			t.Errorf("slow heard %q", got)
		}
		slow.busy.Store(false)
		time.Sleep(2 * retryInterval)
		if got := slow.take(); got != "+b" {
			t.Errorf("slow heard %q", got)
		}

		slow.busy.Store(true)
		long := strings.Repeat("x", 50)
		for i := range maxLogSize/80 + 100 {
			c := joinDeaf(h, "")
			c.quiet = true
			c.register(long + fmt.Sprint(i))
			h.Leave(&c.Member, Goodbye, nil)
		}
		if size := len(h.log.entries); h.log.size > maxLogSize {
			t.Errorf("%d entries of %d bytes", size, h.log.size)
		}
		synctest.Wait()
		slow.take()
		slow.busy.Store(false)
		time.Sleep(2 * retryInterval)
		if got := slow.take(); got != "[b]" {
			t.Errorf("slow heard %.100q", got)
		}
	})
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
