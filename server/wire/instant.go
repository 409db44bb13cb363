package wire

import "time"

// An Instant is a time.Time in a third of its memory, for what each connection has.
// It has the monotonic clock only. The zero value is long ago.
type Instant time.Duration

// epoch is long before any time that matters, so that these are above zero.
var epoch = time.Now().Add(-50 * 365 * 24 * time.Hour)

// InstantOf is t as an Instant.
func InstantOf(t time.Time) Instant { return Instant(t.Sub(epoch)) }

// Time is i as a time.Time.
func (i Instant) Time() time.Time { return epoch.Add(time.Duration(i)) }

// Sub is how long i is after earlier.
func (i Instant) Sub(earlier Instant) time.Duration { return time.Duration(i - earlier) }
