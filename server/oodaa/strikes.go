package oodaa

import (
	"sync"
	"time"
)

const (
	// maxStrikes is how often a client may be ended for abuse within strikeWindow
	// and still reconnect by itself.
	maxStrikes   = 2
	strikeWindow = 10 * time.Minute
	// maxOffenders bounds what is remembered: past it, all start over.
	maxOffenders = 1 << 14
)

// An offender is the same client on different connections, as far as the server
// can know.
type offender struct{ address, user string }

// strikes remembers which clients were ended for abuse. The zero value is ready.
type strikes struct {
	mu   sync.Mutex
	last map[offender][]time.Time
}

// out counts an end for abuse, and reports whether the client has had its
// chances: it is then to be told not to reconnect.
func (s *strikes) out(o offender, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := recent(s.last[o], now)
	if len(times) >= maxStrikes {
		delete(s.last, o)
		return true
	}
	if s.last == nil || len(s.last) >= maxOffenders {
		s.last = make(map[offender][]time.Time)
	}
	s.last[o] = append(times, now)
	return false
}

// recent drops the times that no longer count.
func recent(times []time.Time, now time.Time) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) >= strikeWindow {
		times = times[1:]
	}
	return times
}
