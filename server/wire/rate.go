package wire

import "time"

// Rate limits what one connection sends: a token bucket. The zero value
// belongs to a connection that has sent nothing. Not safe for concurrent use.
type Rate struct {
	last    time.Time
	tokens  float64
	second  time.Time // start of the second that count is of
	count   int
	seconds int // how many full seconds in a row were over the rate
}

// RateLimit is what a Rate allows.
type RateLimit struct {
	PerSecond int // 0: no limit
	Burst     int // 0: PerSecond
}

// overPatience is how many seconds in a row a connection may be over its rate.
const overPatience = 10

// Take counts one message. ok tells whether it is within the limit, and over
// that the connection has exceeded the rate for ten seconds on end.
func (r *Rate) Take(limit RateLimit, now time.Time) (ok, over bool) {
	if limit.PerSecond <= 0 {
		return true, false
	}
	burst := float64(limit.Burst)
	if limit.Burst == 0 {
		burst = float64(limit.PerSecond)
	}
	if r.last.IsZero() {
		r.tokens, r.second = burst, now
	}
	r.tokens = min(burst, r.tokens+now.Sub(r.last).Seconds()*float64(limit.PerSecond))
	r.last = now

	if elapsed := now.Sub(r.second); elapsed >= time.Second {
		if r.count > limit.PerSecond && elapsed < 2*time.Second {
			r.seconds++
		} else {
			r.seconds = 0
		}
		r.second = r.second.Add(elapsed.Truncate(time.Second))
		r.count = 0
	}
	r.count++

	over = r.seconds >= overPatience
	if r.tokens < 1 {
		return false, over
	}
	r.tokens--
	return true, over
}
