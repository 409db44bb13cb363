package overload

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// flood writes frames, again and again, until stop is closed or the connection
// has ended. It returns how often it wrote all of them.
func (e *enemy) flood(frames []byte, stop <-chan struct{}) (times int, err error) {
	for {
		select {
		case <-stop:
			return times, nil
		default:
		}
		if err := e.send(frames); err != nil {
			return times, err
		}
		times++
	}
}

// maxRead is more than the messages of a flood that are read at once.
const maxRead = 16 << 10 / 16

// chunk is how much a flood writes at once.
const chunk = 64 << 10

// TestOverMessageRate sends as fast as the server reads, which is not faster than
// the rate for long. What is over the rate is answered with an error; after ten
// seconds of that the connection is closed, whether its client reads or not.
func TestOverMessageRate(t *testing.T) {
	waits(t)
	engines(t, func(t *testing.T, engine string) {
		const (
			rate, burst = 50, 200
			outbox      = 1 << 20
			patience    = 10 * time.Second
		)
		s := begin(t, engine, "MESSAGE_RATE=50", "MESSAGE_BURST=200", "MAX_OUTBOX_BYTES=1048576")
		oodaa := s.crew(1, rig.Oodaa, "oodaa", way{})[0]
		volli := s.crew(1, rig.Volli, "volli", way{})[0]
		deaf := []*enemy{
			s.crew(1, rig.Oodaa, "deaf-oodaa", way{tight: true})[0],
			s.crew(1, rig.Volli, "deaf-volli", way{tight: true})[0],
		}
		ping := repeat(frame(`42["ping"]`), chunk)
		discover := repeat(frame(`{"type":"discover","userId":"nobody"}`), chunk)

		var wg sync.WaitGroup
		start := time.Now()
		never := make(chan struct{})
		for e, frames := range map[*enemy][]byte{oodaa: ping, volli: discover} {
			e.read()
			wg.Go(func() {
				times, err := e.flood(frames, never)
				t.Logf("%s: %.1f MB written, then %v", e.id, float64(times)*chunk/(1<<20), err)
			})
		}
		deafEnded := make([]time.Duration, len(deaf))
		for i, e := range deaf {
			frames := ping
			if e.family == rig.Volli {
				frames = discover
			}
			wg.Go(func() {
				_, _ = e.flood(frames, never)
				deafEnded[i] = time.Since(start)
			})
		}
		for _, e := range []*enemy{oodaa, volli} {
			rig.Eventually(t, "the end", e.ended)
			_ = e.Close() // what floods on is not read any more, for as long as the server waits for its Close frame
			so(e, func(tally *tally) int {
				if tally.refused() > 25*maxRead {
					t.Errorf("%s: %d errors: it is read on while it is over its rate", e.id, tally.refused())
				}
				took := tally.at.Sub(start)
				limit := burst + int(took.Seconds()*rate) + rate
				if refused := tally.refused(); refused < burst || int(tally.other) > limit {
					t.Errorf("%s: %d errors, and %d answers where %d were allowed", e.id, refused, tally.other, limit)
				}
				for text := range tally.errors {
					if !strings.Contains(text, `"Rate limit exceeded"`) {
						t.Errorf("%s got %s", e.id, text)
					}
				}
				if took < patience-time.Second {
					t.Errorf("%s was closed after %v", e.id, took)
				}
				t.Logf("%s: %d errors, %d answers, closed after %v: %v", e.id, tally.refused(), tally.other, took, tally.err)
				return 0
			})
		}
		wg.Wait()
		t.Logf("clients that did not read were cut after %v", deafEnded)
		s.settle(2)
		s.bound(memory{clients: 6, outboxes: 4, outbox: outbox})
		s.end()
	})
}
