package overload

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// crew connects n enemies of a family, registered as name-0 and so on.
func (s *stage) crew(n int, family rig.Family, name string, w way) []*enemy {
	s.t.Helper()
	crew := make([]*enemy, n)
	failed := make([]error, n)
	var wg sync.WaitGroup
	const atOnce = 8
	for first := range atOnce {
		wg.Go(func() {
			for i := first; i < n; i += atOnce {
				crew[i], failed[i] = connect(s.server.Addr, family, fmt.Sprintf("%s-%d", name, i), w)
			}
		})
	}
	wg.Wait()
	for i, e := range crew {
		if failed[i] != nil {
			s.t.Fatal(failed[i])
		}
		s.enemies = append(s.enemies, e)
	}
	return crew
}

// TestSlowReader has others send 100 MB to a client that reads nothing. Each relay
// that does not fit must be refused to its sender, and the client stay.
func TestSlowReader(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		for _, family := range []rig.Family{rig.Oodaa, rig.Volli} {
			t.Run(family.String(), func(t *testing.T) { slowReader(t, engine, family) })
		}
	})
}

func slowReader(t *testing.T, engine string, family rig.Family) {
	const (
		outbox  = 4 << 20 // the default
		size    = 100_000 // of a body
		senders = 3       // of Oodaa's family, and one of Volli's
		each    = floodBytes / size / (senders + 1)
	)
	s := begin(t, engine, "PING_TIMEOUT=2m")
	s.crew(1, family, "slow", way{tight: true})
	crew := append(s.crew(senders, rig.Oodaa, "oodaa", way{}), s.crew(1, rig.Volli, "volli", way{})...)

	var wg sync.WaitGroup
	for _, e := range crew {
		e.read()
		wg.Go(func() {
			toSlow, plain := ackedOffer(e.id, "slow-0", size), offer(e.id, "slow-0", size)
			for i := range each {
				relay := plain
				if e.family == rig.Oodaa {
					relay = toSlow.with(i)
				}
				if err := e.send(relay); err != nil {
					t.Errorf("%s: %v", e.id, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}

	oks := 0
	for _, e := range crew[:senders] {
		e.until(t, "an answer to each relay", func(t *tally) bool { return len(t.acks) == each && t.refused() == each-t.oks })
		so(e, func(tally *tally) int {
			for id, a := range tally.acks {
				if a.times != 1 {
					t.Errorf("relay %d of %s was acknowledged %d times", id, e.id, a.times)
				}
			}
			oks += tally.oks
			return 0
		})
		checkErrors(t, e, `"User slow-0 is not responding"`)
	}
	volli := crew[senders]
	rig.Eventually(t, "an error for each relay of Volli's that was not taken", func() bool {
		stats := s.stats()
		return int(stats.Relays["offer"])-oks+so(volli, (*tally).refused) == each
	})
	checkErrors(t, volli, `"User slow-0 is not responding"`)

	taken := s.stats().Relays["offer"]
	one, all := due(engine, outbox)
	if bytes := int(taken * size); bytes < one-size || bytes > all+tightBuffers+size {
		t.Errorf("%d bytes were taken for a client with an outbox of %d", bytes, outbox)
	}
	if s.stats().ConnectedUsers != 3+len(crew) {
		t.Errorf("%d users are online", s.stats().ConnectedUsers)
	}
	// What is in flight to the server belongs to the senders, whose messages are
	// whole before they are handled, in buffers that have grown to their size.
	s.bound(memory{outboxes: 1, outbox: outbox, clients: 2 + 1 + len(crew), extra: int64(len(crew)) * 4 * (size + 100)})
	t.Logf("%d of %d relays taken, %.1f MB", taken, each*len(crew), mb(taken*size))
	s.end()
}

func checkErrors(t *testing.T, e *enemy, want string) {
	t.Helper()
	so(e, func(tally *tally) int {
		for text := range tally.errors {
			if !strings.Contains(text, want) {
				t.Errorf("%s got %s", e.id, text)
			}
		}
		return 0
	})
}
