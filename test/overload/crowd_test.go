package overload

import (
	"fmt"
	"slices"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// A filling is what became of offers that were sent to targets that do not read,
// round by round, until each of them has refused one.
type filling struct {
	taken  []int // by target, in relays
	rounds int
}

// fill sends each target some offers with a body of size bytes each round, from
// the senders in turn, who are of Oodaa's family and read. Every relay must be
// acknowledged, those that were not taken with an error.
func (s *stage) fill(senders []*enemy, targets []string, size, burst int) filling {
	s.t.Helper()
	f := filling{taken: make([]int, len(targets))}
	offers := make([][]acked, len(senders))
	left := make([]int, len(targets)) // indexes
	for i := range targets {
		left[i] = i
	}
	for i, e := range senders {
		offers[i] = make([]acked, len(targets))
		for j := i; j < len(targets); j += len(senders) {
			offers[i][j] = ackedOffer(e.id, targets[j], size)
		}
	}
	var frames []byte
	for len(left) > 0 {
		f.rounds++
		if f.rounds > 1<<16 {
			s.t.Fatalf("%d targets take without end", len(left))
		}
		refused := 0
		for i, e := range senders {
			frames = frames[:0]
			sent := 0
			for _, j := range left {
				for k := 0; k < burst && j%len(senders) == i; k++ {
					frames = append(frames, offers[i][j].with(j*burst+k)...)
					sent++
				}
			}
			if err := e.send(frames); err != nil {
				s.t.Fatalf("%s: %v", e.id, err)
			}
			e.awaitAcks(s.t, sent)
		}
		left = slices.DeleteFunc(left, func(j int) bool {
			e := senders[j%len(senders)]
			failed := 0
			for k := range burst {
				a := so(e, func(t *tally) answer { return t.acks[j*burst+k+1e6] })
				if a.times != 1 {
					s.t.Errorf("a relay to %s was acknowledged %d times", targets[j], a.times)
				}
				if !a.ok {
					failed++
				}
			}
			f.taken[j] += burst - failed
			refused += failed
			return failed > 0
		})
		for _, e := range senders {
			refused -= so(e, (*tally).refused)
			so(e, (*tally).forget)
		}
		if refused != 0 {
			s.t.Errorf("%d more relays were acknowledged as failed than errors were sent", refused)
		}
	}
	return f
}

// awaitAcks waits for n answers.
func (e *enemy) awaitAcks(t *testing.T, n int) {
	t.Helper()
	e.until(t, fmt.Sprintf("%d answers", n), func(t *tally) bool { return len(t.acks) >= n })
}

func names(crew []*enemy) []string {
	var all []string
	for _, e := range crew {
		all = append(all, e.id)
	}
	return all
}

// spread is the least and the most of the bytes that targets took.
func (f filling) spread(relay int) (least, most int) {
	return slices.Min(f.taken) * relay, slices.Max(f.taken) * relay
}

// due is how much of a client's outbox one sender may fill, and all together.
func due(engine string, outbox int) (one, all int) {
	one, all = outbox/4, outbox*3/4
	if engine == "zishang" { // which does not tell senders apart
		one = all
	}
	return one, all
}

// TestSlowCrowd fills what one sender may fill of the outboxes of many clients at
// the same time. Nobody is disconnected for it.
func TestSlowCrowd(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		for _, c := range []struct {
			name                string
			crowd               int
			outbox, size, burst int
		}{
			{"large messages", crowd, 128 << 10, 8 << 10, 1},
			{"small messages", crowd / 20, 64 << 10, 4, 100},
		} {
			t.Run(c.name, func(t *testing.T) {
				s := begin(t, engine, fmt.Sprintf("MAX_OUTBOX_BYTES=%d", c.outbox), "PRESENCE=none", "PING_TIMEOUT=2m")
				targets := append(s.crew(c.crowd/2, rig.Oodaa, "o", way{tight: true}), s.crew(c.crowd/2, rig.Volli, "v", way{tight: true})...)
				senders := s.crew(2, rig.Oodaa, "s", way{})
				for _, e := range senders {
					e.read()
				}
				f := s.fill(senders, names(targets), c.size, c.burst)
				relay := packetSize("s-0", c.size)
				least, most := f.spread(relay)
				t.Logf("%d clients took %d to %d bytes each, in %d rounds", c.crowd, least, most, f.rounds)
				one, all := due(engine, c.outbox)
				if least < one-one/relay*frameHead-2*relay || most > all+tightBuffers {
					t.Errorf("clients took %d to %d bytes, with an outbox of %d", least, most, c.outbox)
				}
				s.bound(memory{clients: c.crowd + 4, outboxes: c.crowd, outbox: c.outbox})
				for _, e := range senders {
					if e.ended() {
						t.Errorf("sender %s ended: %v", e.id, so(e, func(t *tally) error { return t.err }))
					}
				}
				s.settle(2 + len(senders) + len(targets))
				s.end()
			})
		}
	})
}
