package server

import (
	"testing"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// What the metrics cost a relay: being counted, and its share of the time that
// is taken of all that was read together.
func BenchmarkCountRelay(b *testing.B) {
	for name, together := range map[string]int{"one at a time": 1, "eight together": 8} {
		b.Run(name, func(b *testing.B) {
			var counts events.Counters
			latency := wire.NewLatency()
			var batch wire.Batch
			b.ReportAllocs()
			for n := 0; n < b.N; n += together {
				batch.Begin()
				for range together {
					batch.CountRelay()
					counts.Relay(hub.Candidate, hub.OK)
				}
				batch.End(latency)
			}
		})
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	var counts events.Counters
	latency := wire.NewLatency()
	var batch wire.Batch
	if n := testing.AllocsPerRun(100, func() {
		batch.Begin()
		batch.CountRelay()
		counts.Relay(hub.Offer, hub.OK)
		batch.End(latency)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
