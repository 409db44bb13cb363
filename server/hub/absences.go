package hub

import (
	"time"

	"github.com/oodaa/signaling/server/wire"
)

func newAbsences() *wire.Histogram {
	return wire.NewHistogram(
		100*time.Millisecond, 500*time.Millisecond, time.Second, 2*time.Second, 5*time.Second,
		10*time.Second, 15*time.Second, 20*time.Second, 30*time.Second, time.Minute,
	)
}

// Absences is how long users were away when they came back.
func (h *Hub) Absences() *wire.Histogram { return h.absences }

// Held are figures of the relays that are held.
type HeldTotals struct {
	Relays, Bytes int64 // now
	Away          int64 // users who are away
	// Redelivered counts relays that were delivered again, and Expired those for
	// which nobody came.
	Redelivered, Expired uint64
}

// Held returns the figures of now.
func (h *Hub) Held() HeldTotals {
	t := &h.held
	return HeldTotals{t.relays.Load(), t.bytes.Load(), h.awayUsers.Load(), t.redelivered.Load(), t.expired.Load()}
}
