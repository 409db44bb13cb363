package overload

import (
	"fmt"
	"strings"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// TestNameBurst has a few connections use their whole MESSAGE_BURST at once to
// change their names, to ones that are as long as names get. Those who read
// must not be cut for what they are told, nor the pair be held up.
func TestNameBurst(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		const burst = 199 // one is spent on the first name, and each of these costs ten
		s := begin(t, engine, "MESSAGE_RATE=50", "MESSAGE_BURST=2000")
		watchers := s.crew(crowd/2, rig.Oodaa, "watcher", way{})
		for _, w := range watchers {
			w.read()
		}
		churners := s.crew(20, rig.Volli, "churner", way{})
		for k, e := range churners {
			e.read()
			var frames []byte
			for i := range burst {
				// 250 bytes, which are 1500 in JSON.
				frames = append(frames, frame(fmt.Sprintf(`{"type":"register","userId":"%s%d-%d","publicKey":"k"}`, strings.Repeat(`\u0001`, 240), k, i))...)
			}
			if err := e.send(frames); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range churners {
			e.until(t, "answers", func(t *tally) bool { return t.other >= burst })
		}
		s.dismissAll(churners)

		s.settle(2 + len(watchers))
		for _, w := range watchers {
			if w.ended() {
				t.Fatalf("%s, who reads, was cut: %v", w.id, w.last())
			}
		}
		s.end()
	})
}

func (s *stage) dismissAll(crew []*enemy) {
	for _, e := range crew {
		_ = e.Close()
	}
}
