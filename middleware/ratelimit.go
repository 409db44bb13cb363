package middleware

import (
	"hash/maphash"
	"math"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/httprate"

	"github.com/oodaa/signaling/errcode"
)

// Window is the time that limits are for.
const Window = time.Minute

// lanes is how many requests may be counted at a time, those of one client one
// after the other.
const lanes = 16

// Limiter counts the requests of each client (see [Addr] and [LimitKey]) and
// refuses those past the limit. It is safe for concurrent use.
//
// It slides: a client's rate is what passed in this minute of the clock plus
// what passed in the one before, weighted by the part of that which the last 60
// seconds still cover. A client that was quiet so far may spend the whole limit
// at once. What is refused is not counted, so a client that keeps on knocking
// is let in as soon as one that waits.
//
// It keeps one small entry per client that passed in this minute or the one
// before and forgets the others at the turn of the minute; the memory of the
// busiest minute is kept for reuse.
type Limiter struct {
	perMinute int
	refused   atomic.Uint64
	seed      maphash.Seed
	lanes     []lane // none: off

	letGo  sync.Once
	closed chan struct{} // lets go of the connections that are held
}

// A lane counts the requests of some clients.
type lane struct {
	// mu keeps time in order for rate: at the turn of the minute, a counter
	// that is handed the old minute after the new one forgets everything.
	mu   sync.Mutex
	rate *httprate.RateLimiter
}

// NewLimiter allows perMinute requests a minute to each client; 0 or less
// refuses nothing. counters, where not nil, makes the counters, which may be
// shared with other servers; windows begin on the clock's minutes.
func NewLimiter(perMinute int, counters func(window time.Duration) httprate.LimitCounter) *Limiter {
	l := &Limiter{perMinute: perMinute, seed: maphash.MakeSeed(), closed: make(chan struct{})}
	if perMinute <= 0 {
		return l
	}
	if counters == nil {
		// A counter that was passed in, even the default one, makes minutes
		// start on the clock's, where wait expects them.
		counters = func(window time.Duration) httprate.LimitCounter { return httprate.NewLocalLimitCounter(window) }
	}
	l.lanes = make([]lane, lanes)
	for i := range l.lanes {
		l.lanes[i].rate = httprate.NewRateLimiter(perMinute, Window,
			httprate.WithLimitCounter(counters(Window)),
			// No X-RateLimit-*: nobody asked for them, and without headers of
			// its own OnLimit needs no ResponseWriter.
			httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
	}
	return l
}

// Allow counts r and reports whether it may pass. If not, retryAfter says when
// the next request of that client will, unless others of it come first: whole
// seconds, at least one.
func (l *Limiter) Allow(r *http.Request) (ok bool, retryAfter time.Duration) {
	if len(l.lanes) == 0 {
		return true, 0
	}
	key := LimitKey(Addr(r))
	lane := &l.lanes[maphash.String(l.seed, key)%lanes]
	lane.mu.Lock()
	defer lane.mu.Unlock()
	if lane.rate.OnLimit(nil, r, key) {
		l.refused.Add(1)
		return false, l.wait(lane.rate, key)
	}
	return true, 0
}

// Refused is how many requests did not pass.
func (l *Limiter) Refused() uint64 { return l.refused.Load() }

// wait solves httprate's condition for time: the rate, rounded, plus one is at
// most the limit. The rate only falls while nothing passes.
func (l *Limiter) wait(rate *httprate.RateLimiter, key string) time.Duration {
	now := time.Now().UTC()
	start := now.Truncate(Window)
	current, previous, _ := rate.Counter().Get(key, start, start.Add(-Window)) // our counters do not fail

	limit := float64(l.perMinute) - 0.5
	if float64(current) >= limit {
		start = start.Add(Window)
		current, previous = 0, current
	}
	fraction := 1 - (limit-float64(current))/float64(max(previous, 1))
	open := start.Add(time.Duration(max(fraction, 0) * float64(Window)))
	return time.Duration(math.Floor(max(open.Sub(now), 0).Seconds())+1) * time.Second
}

// RetryAfter is what [Limiter.Allow] says as the header of that name (RFC 9110,
// section 10.2.3).
func RetryAfter(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// Handler answers 429 with Retry-After to requests that [Limiter.Allow]
// refuses, and then does not read their connection for a second, unless Close is
// called. Requests for which exempt is true are neither counted nor refused; nil
// exempts none.
func (l *Limiter) Handler(exempt func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if exempt == nil || !exempt(r) {
				if ok, retryAfter := l.Allow(r); !ok {
					w.Header().Set("Retry-After", RetryAfter(retryAfter))
					refuse(w, http.StatusTooManyRequests, errcode.RateLimited, "Rate limit exceeded")
					l.hold(w, r)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refusalPause is how long a connection is not read after a 429: the least that
// Retry-After asks for. So a client that waits as told does not notice, and a flood
// of requests costs its sender, and not the server.
const refusalPause = time.Second

// hold keeps the connection of a request that was answered for a while.
func (l *Limiter) hold(w http.ResponseWriter, r *http.Request) {
	if r.Close || Addr(r) != peerAddr(r) { // other clients come over a proxy's connection, too
		return
	}
	if http.NewResponseController(w).Flush() != nil {
		return
	}
	pause := time.NewTimer(refusalPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-r.Context().Done():
	case <-l.closed:
	}
}

// Close lets go of the connections that Handler holds, and of all that it would
// hold from then on. The limit goes on.
func (l *Limiter) Close() { l.letGo.Do(func() { close(l.closed) }) }
