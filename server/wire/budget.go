package wire

import (
	"sync"
	"sync/atomic"
	"time"
)

// Limits are what each connection may send. The zero value sets no limit. They
// must not change once a Budget uses them.
type Limits struct {
	Packets, PacketBurst int // packets per second, and at once; see below
	Bytes, ByteBurst     int // bytes per second, and at once

	// A rate of 0 sets no limit; a burst of 0 is as much as the rate.

	refused atomic.Uint64
}

// Refused counts the packets that were dropped because they came with an empty
// budget.
func (l *Limits) Refused() uint64 {
	if l == nil {
		return 0
	}
	return l.refused.Load()
}

// A Budget is what one connection may send: two token buckets, for packets and
// for bytes. Everything that arrives is charged to it, also what is dropped
// because it is empty. A budget that is overdrawn is a debt: whoever reads the
// connection stops reading until the debt is paid (Settle), so that a flood costs
// its sender, and not the server. The zero value has no limits. It is safe for
// concurrent use: a session that changes its transport has one budget.
type Budget struct {
	Limits *Limits // nil: none

	mu             sync.Mutex
	last           Instant // of the last refill; zero: the budget is untouched
	packets, bytes float64 // tokens; below 0: a debt
	name           string  // the last name that was taken

	paused time.Duration // all pauses together
	until  Instant       // the end of the last pause
	since  Instant       // from when on there was a pause in each second
}

const (
	// maxPause is how long a connection is not read at a time. What is left of
	// its debt then is forgiven.
	maxPause = time.Second
	// overPatience is for how long there may be a pause in each second before the
	// connection is ended, and respite how long a time without one counts as a second.
	overPatience = 10 * time.Second
	respite      = 900 * time.Millisecond
	// newNameCost is how many packets a connection pays to change its name.
	newNameCost = 10
)

// Packet charges one packet, and reports whether there was budget for it. If
// not, it is to be dropped.
func (b *Budget) Packet(now time.Time) bool {
	if b == nil || b.Limits == nil {
		return true
	}
	l := b.Limits
	b.mu.Lock()
	b.refill(now)
	ok := (l.Packets <= 0 || b.packets >= 1) && (l.Bytes <= 0 || b.bytes > 0)
	b.packets--
	b.mu.Unlock()
	if !ok {
		l.refused.Add(1)
	}
	return ok
}

// Charge charges packets that are handled all the same.
func (b *Budget) Charge(packets int, now time.Time) {
	if b == nil || b.Limits == nil {
		return
	}
	b.mu.Lock()
	b.refill(now)
	b.packets -= float64(packets)
	b.mu.Unlock()
}

// Name charges for the name that the connection takes with a packet, where it
// had another one before.
func (b *Budget) Name(name string, now time.Time) {
	if b == nil || b.Limits == nil {
		return
	}
	b.mu.Lock()
	b.refill(now)
	if b.name != "" && b.name != name {
		b.packets -= newNameCost - 1 // the packet itself was charged
	}
	b.name = name
	b.mu.Unlock()
}

// Settle charges the bytes that were read, and returns how long the connection
// must not be read for the debt to be paid. over tells that it was paused in
// each of ten seconds in a row, and is to be ended.
func (b *Budget) Settle(bytes int, now time.Time) (pause time.Duration, over bool) {
	if b == nil || b.Limits == nil {
		return 0, false
	}
	l := b.Limits
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.bytes -= float64(bytes)
	if l.Packets > 0 && b.packets < 0 {
		pause = pay(&b.packets, l.Packets)
	}
	if l.Bytes > 0 && b.bytes <= 0 {
		pause = max(pause, pay(&b.bytes, l.Bytes))
	}
	if pause == 0 {
		return 0, false
	}
	return pause, b.pause(InstantOf(now), InstantOf(now.Add(pause)))
}

// pay returns how long it takes until there is one token, and forgives what
// takes longer than maxPause.
func pay(tokens *float64, rate int) time.Duration {
	*tokens = max(*tokens, 1-maxPause.Seconds()*float64(rate))
	return time.Duration((1-*tokens)/float64(rate)*float64(time.Second)) + 1 // not a nanosecond early
}

// pause takes note of a pause, and reports whether it is one too many. mu is held.
func (b *Budget) pause(from, until Instant) (over bool) {
	if from.Sub(b.until) >= respite {
		b.since = from
	}
	if until > b.until {
		b.paused += until.Sub(max(from, b.until))
		b.until = until
	}
	return from.Sub(b.since) >= overPatience
}

// Paused is how long the connection was not read, or will not be, in all
// pauses so far. Clocks that wait for the peer stand still meanwhile.
func (b *Budget) Paused() time.Duration {
	if b == nil || b.Limits == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.paused
}

// refill adds the tokens of the time that has passed. mu is held.
func (b *Budget) refill(now time.Time) {
	l, at := b.Limits, InstantOf(now)
	if b.last == 0 {
		b.last = at
		b.packets, b.bytes = float64(burst(l.PacketBurst, l.Packets)), float64(burst(l.ByteBurst, l.Bytes))
		return
	}
	elapsed := at.Sub(b.last).Seconds()
	if elapsed <= 0 {
		return // from a clock that was read earlier
	}
	b.last = at
	b.packets = min(float64(burst(l.PacketBurst, l.Packets)), b.packets+elapsed*float64(l.Packets))
	b.bytes = min(float64(burst(l.ByteBurst, l.Bytes)), b.bytes+elapsed*float64(l.Bytes))
}

func burst(burst, rate int) int {
	if burst > 0 {
		return burst
	}
	return rate
}
