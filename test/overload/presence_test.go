package overload

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// TestPresenceThatIsNotRead has a crowd join that never reads who else joins,
// over WebSocket and over long-polling, and then others change their names
// until those who take nothing have been cut for that.
func TestPresenceThatIsNotRead(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		const (
			outbox   = 256 << 10
			atOnce   = 20
			maxJoins = 1_000_000
		)
		n := crowd
		if engine == "zishang" {
			n /= 4 // each of its sends costs more
		}
		s := begin(t, engine, fmt.Sprintf("MAX_OUTBOX_BYTES=%d", outbox), "PING_INTERVAL=5s", "PING_TIMEOUT=5s")
		s.crew(n, rig.Oodaa, "deaf", way{tight: true})
		polling := 0
		if engine == "native" {
			polling = n / 10
			s.pollers(polling, "poller")
		}
		// Volli's clients get no list when they register, and no presence.
		churner := s.crew(1, rig.Volli, "churner", way{})[0]
		witness := s.crew(1, rig.Oodaa, "witness", way{})[0]
		churner.read()
		witness.read()
		joins := n + polling
		for came := 0; ; {
			if joins >= 1000 && s.clients() == 4 {
				break
			}
			if joins >= maxJoins {
				t.Fatalf("after %d joins, %d clients are there", joins, s.clients())
			}
			var frames []byte
			for n := range atOnce {
				frames = append(frames, register(rig.Volli, fmt.Sprintf("%s-%d", strings.Repeat("n", 200), joins+n))...)
			}
			if err := churner.send(frames); err != nil {
				t.Fatalf("%v; %v", err, churner.last())
			}
			joins += atOnce
			came += atOnce
			// Those who read have heard of all of them.
			witness.until(t, "presence", func(t *tally) bool { return t.came >= came })
		}
		t.Logf("the last of %d clients was cut after %d joins", n+polling, joins)
		s.bound(memory{clients: n + polling + 4, outboxes: n + polling, outbox: outbox, kept: polling, smallest: 200})
		s.settle(4)
		s.end()
	})
}
