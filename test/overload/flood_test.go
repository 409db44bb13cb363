package overload

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// Without MESSAGE_RATE nothing but the server's own speed, and TCP, holds a
// client back that sends as fast as it can.

const floodOutbox = 4 << 20 // the default

// floodFor has e send frames for floodTime and returns how many it sent.
func (s *stage) floodFor(e *enemy, one []byte) (sent int) {
	s.t.Helper()
	stop := make(chan struct{})
	timer := time.AfterFunc(floodTime, func() { close(stop) })
	defer timer.Stop()
	frames := repeat(one, chunk)
	times, err := e.flood(frames, stop)
	if err != nil {
		s.t.Errorf("%s: %v; %v", e.id, err, e.last())
	}
	return times * (len(frames) / len(one))
}

// TestRelayFlood floods a client that reads as fast as it can. Each relay must
// reach it or be answered with an error.
func TestRelayFlood(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := begin(t, engine)
		to := s.crew(1, rig.Oodaa, "to", way{})[0]
		from := s.crew(1, rig.Oodaa, "from", way{})[0]
		to.read()
		from.read()
		start := time.Now()
		sent := s.floodFor(from, frame(fmt.Sprintf(`42["offer",{"to":"to-0","from":"from-0","offer":%s}]`, body(200))))
		var relayed, refused int
		rig.Eventually(t, "an end of each relay", func() bool {
			relayed, refused = int(s.stats().Relays["offer"]), so(from, (*tally).refused)
			return relayed+refused == sent
		})
		took := time.Since(start)
		t.Logf("%d relays, %d of them refused, %.0f a second", sent, refused, float64(sent)/took.Seconds())
		switch {
		case slow(to):
			t.Logf("the reader was too slow: %v", to.last())
		case to.ended():
			t.Errorf("the reader ended: %v", to.last())
		default:
			rig.Eventually(t, "all relays", func() bool { return so(to, func(t *tally) int64 { return t.other }) >= int64(relayed) })
		}
		s.bound(memory{clients: 4, outboxes: 2, outbox: floodOutbox})
		s.end()
	})
}

// TestPingFlood sends the event ping as fast as it can, and reads.
func TestPingFlood(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := begin(t, engine)
		e := s.crew(1, rig.Oodaa, "pinger", way{})[0]
		e.read()
		start := time.Now()
		sent := s.floodFor(e, frame(`42["ping"]`))
		rig.Eventually(t, "all pongs", func() bool { return e.ended() || so(e, func(t *tally) int64 { return t.other }) >= int64(sent) })
		t.Logf("%d pings, %.0f a second", sent, float64(sent)/time.Since(start).Seconds())
		if e.ended() {
			t.Errorf("ended: %v", e.last())
		}
		s.bound(memory{clients: 3, outboxes: 1, outbox: floodOutbox})
		s.end()
	})
}

// TestUnreadPongs sends Ping frames (RFC 6455, section 5.5.2) and reads none of
// the Pongs. The connection must end.
func TestUnreadPongs(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := begin(t, engine, "PING_INTERVAL=1s", "PING_TIMEOUT=2s")
		crew := append(s.crew(2, rig.Oodaa, "oodaa", way{tight: true}), s.crew(2, rig.Volli, "volli", way{tight: true})...)
		frames := repeat(appendFrame(nil, 9, strings.Repeat("p", 125)), chunk)
		start := time.Now()
		var wg sync.WaitGroup
		for _, e := range crew {
			wg.Go(func() {
				times, err := e.flood(frames, t.Context().Done())
				t.Logf("%s: ended after %v and %.1f MB: %v", e.id, time.Since(start).Round(time.Millisecond), float64(times)*chunk/(1<<20), err)
			})
		}
		s.settle(2)
		wg.Wait()
		s.bound(memory{clients: 6, outboxes: 4, outbox: floodOutbox})
		s.end()
	})
}

// TestListFlood asks for the list of a thousand users as fast as it can, reading
// it and not reading it.
func TestListFlood(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := begin(t, engine)
		// Volli's users are in the list, and are told nothing of each other.
		s.crew(crowd, rig.Volli, "some-user-of-volli", way{})
		reader := s.crew(1, rig.Oodaa, "reader", way{})[0]
		deaf := s.crew(1, rig.Oodaa, "deaf", way{tight: true})[0]
		reader.read()
		one := frame(`42["get-users"]`)
		start := time.Now()
		const atOnce = 30 // two times that are less than an outbox
		asked := 0
		for time.Since(start) < floodTime && !reader.ended() {
			if err := reader.send(repeat(one, atOnce*len(one))); err != nil {
				t.Fatalf("%v; %v", err, reader.last())
			}
			asked += atOnce
			reader.until(t, "lists", func(t *tally) bool { return t.other >= int64(asked-atOnce) })
		}
		rig.Eventually(t, "all lists", func() bool {
			return reader.ended() || so(reader, func(t *tally) int64 { return t.other }) >= int64(asked)
		})
		bytes := so(reader, func(t *tally) int64 { return t.bytes })
		t.Logf("%d lists, %.0f a second, %.0f MB", asked, float64(asked)/time.Since(start).Seconds(), mb(bytes))
		if reader.ended() {
			t.Errorf("who reads was cut: %v", reader.last())
		}
		if times, err := deaf.flood(repeat(one, chunk), nil); err == nil {
			t.Errorf("who reads nothing was not cut after %d", times)
		}
		s.settle(3 + crowd)
		s.bound(memory{clients: 4 + crowd, outboxes: 2, outbox: floodOutbox})
		s.end()
	})
}

// slow reports whether the server cut the connection without a word, as it does
// where more waits than an outbox holds.
func slow(e *enemy) bool {
	var said *closed
	return e.ended() && !errors.As(e.last(), &said)
}

// TestNameFlood registers under ever other names as fast as it can, of which
// everybody is told.
func TestNameFlood(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		s := begin(t, engine)
		watchers := s.crew(crowd/10, rig.Oodaa, "watcher", way{})
		e := s.crew(1, rig.Oodaa, "churner", way{})[0]
		for _, w := range append(watchers, e) {
			w.read()
		}
		var frames []byte
		const atOnce = 500
		for i := range atOnce {
			frames = append(frames, frame(fmt.Sprintf(`42["register",{"userId":"name-%d"}]`, i))...)
		}
		start := time.Now()
		asked := 0
		lists := func() int64 { return so(e, func(t *tally) int64 { return t.other }) }
		for time.Since(start) < floodTime && !e.ended() {
			if e.send(frames) != nil {
				break
			}
			asked += atOnce
			// Not more than two writes wait in the kernel, so that it ends in time.
			rig.Eventually(t, "lists", func() bool { return e.ended() || lists() >= int64(asked-2*atOnce) })
		}
		rig.Eventually(t, "all lists", func() bool { return e.ended() || lists() >= int64(asked) })
		registered := lists()
		if e.ended() && !slow(e) {
			t.Errorf("the churner ended: %v", e.last())
		}
		gone := 0
		for _, w := range watchers {
			if w.ended() {
				gone++
			}
		}
		t.Logf("%d registrations, %.0f a second; %d of %d watchers were too slow; churner: %v",
			registered, float64(registered)/time.Since(start).Seconds(), gone, len(watchers), e.last())
		s.bound(memory{clients: 3 + len(watchers), outboxes: 1 + len(watchers), outbox: floodOutbox})
		s.end()
	})
}
