package wire

import (
	"sync"
	"testing"
	"time"
)

// held is a connection whose handler holds at every message "hold…" until it
// is released, and echoes when that is over.
func held(t *testing.T, n network) (l *link, release chan struct{}, waiting chan string) {
	t.Helper()
	r := newRecorder(t)
	release, waiting = make(chan struct{}), make(chan string, 10)
	ready := make(chan struct{})
	r.hold = func(p []byte) Hold {
		<-ready
		what := string(p)
		if what[0] != 'h' {
			_ = l.Send(l.Batch(), Message{Payload: p})
			return nil
		}
		return func() {
			waiting <- what
			<-release
			_ = l.Send(l.Batch(), Message{Payload: []byte(what)})
		}
	}
	l = connectTo(t, limits(), n, r)
	close(ready)
	return l, release, waiting
}

// What follows a message that holds is handled after it, whether it came with
// it or later; other connections go on.
func TestHoldKeepsOrder(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		l, release, waiting := held(t, n)
		go l.write(text("a"), text("hold 1"), text("b"), text("hold 2"), text("c"))
		l.expectText("a")
		if w := <-waiting; w != "hold 1" {
			t.Fatalf("holds at %q", w)
		}
		other := echo(t, limits(), n)
		other.write(text("goes on"))
		other.expectText("goes on")
		release <- struct{}{}
		l.expectText("hold 1")
		l.expectText("b")
		if w := <-waiting; w != "hold 2" {
			t.Fatalf("holds at %q", w)
		}
		release <- struct{}{}
		l.expectText("hold 2")
		l.expectText("c")
		l.write(text("d"))
		l.expectText("d")
	})
}

// The end of a connection that holds waits for that, whoever ends it.
func TestEndWhileHolding(t *testing.T) {
	for name, end := range map[string]func(*link){
		"Cut":       func(l *link) { l.Cut() },
		"Close":     func(l *link) { l.Close(CloseNormal, "") },
		"peer gone": func(l *link) { l.peer.nc.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				l, release, waiting := held(t, n)
				l.write(text("hold"), text("never"))
				<-waiting
				end(l)
				l.peer.nc.Close()
				close(release)
				l.waitServed()
			})
		})
	}
}

// A panic while a connection holds ends it alone.
func TestPanicWhileHolding(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		r := newRecorder(t)
		r.hold = func([]byte) Hold { return func() { panic("boom") } }
		l := connectTo(t, limits(), n, r)
		l.write(text("x"))
		l.expectClose(CloseInternalError, "")
		if err := r.ended(); !isPanic(err) {
			t.Errorf("closed by %v", err)
		}
	})
}

func TestLatency(t *testing.T) {
	l := NewLatency()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 100 {
				l.Observe(30*time.Microsecond, 2)
				l.Observe(time.Minute, 1)
			}
		})
	}
	all.Wait()
	buckets, sum := l.Read()
	if buckets[1] != 800 || buckets[len(buckets)-1] != 400 || sum != 800*30*time.Microsecond+400*time.Minute {
		t.Errorf("%v, %v", buckets, sum)
	}
}

func TestRepeat(t *testing.T) {
	d := NewDeadlines()
	defer d.Close()
	calls := make(chan int, 100)
	n := 0
	r := d.Repeat(nil, time.Now(), func() time.Time {
		n++
		calls <- n
		return time.Now().Add(time.Millisecond)
	})
	for want := 1; want <= 5; want++ {
		if got := <-calls; got != want {
			t.Fatalf("call %d instead of %d", got, want)
		}
	}
	r.Stop()
	r.Stop()
	var none *Repeat
	none.Stop()
}
