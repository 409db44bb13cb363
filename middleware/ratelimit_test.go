package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pass asks n times and returns how many passed.
func pass(l *Limiter, remote string, n int) (passed int) {
	r := request(remote)
	for range n {
		if ok, _ := l.Allow(r); ok {
			passed++
		}
	}
	return passed
}

func TestLimiterFreshWindow(t *testing.T) {
	for _, limit := range []int{1, 2, 3, 10, 100, 1000} {
		for _, into := range []time.Duration{0, time.Nanosecond, 20 * time.Second, 59*time.Second + 999*time.Millisecond} {
			t.Run(fmt.Sprintf("%d after %v", limit, into), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := NewLimiter(limit, nil)
					time.Sleep(into)
					if got := pass(l, "192.0.2.1:5000", limit); got != limit {
						t.Fatalf("%d of the first %d passed", got, limit)
					}
					if got := pass(l, "192.0.2.1:5000", 10); got != 0 {
						t.Fatalf("%d passed after that", got)
					}
				})
			})
		}
	}
}

func TestLimiterOff(t *testing.T) {
	for _, limit := range []int{0, -1} {
		if got := pass(NewLimiter(limit, nil), "192.0.2.1:5000", 5000); got != 5000 {
			t.Errorf("limit %d: %d of 5000 passed", limit, got)
		}
	}
}

func TestLimiterKeepsClientsApart(t *testing.T) {
	tests := []struct {
		name  string
		other string
		same  bool
	}{
		{"other port", "192.0.2.1:5001", true},
		{"v4-mapped", "[::ffff:192.0.2.1]:5000", true},
		{"other address", "192.0.2.2:5000", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(5, nil)
				pass(l, "192.0.2.1:5000", 5)
				if got := pass(l, tt.other, 5) == 0; got != tt.same {
					t.Errorf("counted as the same client: %v", got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(5, nil)
		for i := range 5 {
			pass(l, fmt.Sprintf("[2001:db8:0:1::%d]:5000", i), 1)
		}
		if pass(l, "[2001:db8:0:1:ffff::]:5000", 1) != 0 {
			t.Error("a client escaped within its /64")
		}
		if pass(l, "[2001:db8:0:2::]:5000", 1) != 1 {
			t.Error("another /64 was refused")
		}
	})
}

// Whoever waits as told passes then, and not a second earlier; whoever knocks
// all the while passes at the same time.
func TestLimiterRetryAfter(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		limit := []int{1, 2, 5, 60, 100}[rnd.IntN(5)]
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Duration(rnd.Int64N(int64(time.Minute)))) // the bubble starts with a minute
			l := NewLimiter(limit, nil)
			patient, eager := request("192.0.2.1:5000"), request("192.0.2.2:5000")
			ask := func() (ok bool, retryAfter time.Duration) {
				l.Allow(eager)
				return l.Allow(patient)
			}
			var retryAfter time.Duration
			for range 20 * limit {
				time.Sleep(time.Duration(rnd.Int64N(int64(time.Minute) / int64(limit))))
				var ok bool
				for range 1 + rnd.IntN(2*limit) {
					if ok, retryAfter = ask(); !ok {
						break
					}
				}
				if !ok {
					break
				}
			}
			if retryAfter == 0 {
				t.Fatal("never refused")
			}
			if retryAfter < time.Second || retryAfter%time.Second != 0 || retryAfter > 2*time.Minute {
				t.Fatalf("limit %d: retry after %v", limit, retryAfter)
			}
			for range retryAfter/time.Second - 1 {
				time.Sleep(time.Second)
				if ok, again := l.Allow(eager); ok {
					t.Fatalf("limit %d: passed %v before its time", limit, again)
				}
			}
			time.Sleep(time.Second)
			if ok, again := l.Allow(patient); !ok {
				t.Errorf("limit %d, seed %d: told %v, then %v more", limit, seed, retryAfter, again)
			}
			if ok, _ := l.Allow(eager); !ok {
				t.Errorf("limit %d, seed %d: knocking prolonged the block", limit, seed)
			}
		})
	}
}

func TestLimiterHoldsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, passed := NewLimiter(100, nil), 0
		const minutes = 10
		for range minutes * 600 {
			passed += pass(l, "192.0.2.1:5000", 3)
			time.Sleep(100 * time.Millisecond)
		}
		if passed < 95*minutes || passed > 105*minutes {
			t.Errorf("%d passed in %d minutes at 100 a minute", passed, minutes)
		}
	})
}

func TestLimiterConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(100, nil)
		var passed atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { passed.Add(int64(pass(l, "192.0.2.1:5000", 50))) })
		}
		wg.Wait()
		if passed.Load() != 100 {
			t.Errorf("%d passed, want 100", passed.Load())
		}
	})
}

// 40 minutes with 5,000 new clients each must not hold more than two of them.
func TestLimiterForgets(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	synctest.Test(t, func(t *testing.T) {
		l, client, r := NewLimiter(100, nil), 0, request("")
		minutes := func(n int) {
			for range n {
				for range 5000 {
					client++
					r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:5000", client>>16&255, client>>8&255, client&255)
					l.Allow(r)
				}
				time.Sleep(time.Minute)
			}
		}
		start := heap()
		minutes(3)
		few := heap()
		minutes(37)
		many := heap()
		if few <= start || many > few+(few-start) {
			t.Errorf("heap %d, after 3 minutes %d, after 40 minutes %d", start, few, many)
		}
		runtime.KeepAlive(l)
	})
}

func TestLimiterHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(2, nil)
		health := func(r *http.Request) bool { return r.URL.Path == "/health" }
		h := ClientIP(Proxies{hops: 1}, slog.New(slog.DiscardHandler))(l.Handler(health)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusAccepted)
		})))
		ask := func(path, client string) *httptest.ResponseRecorder {
			r := request("10.0.0.1:5000", "X-Forwarded-For", client)
			r.URL.Path = path
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			return rec
		}
		for range 10 {
			if rec := ask("/health", "203.0.113.7"); rec.Code != http.StatusAccepted {
				t.Fatalf("exempt: %d", rec.Code)
			}
		}
		for range 2 {
			if rec := ask("/", "203.0.113.7"); rec.Code != http.StatusAccepted || len(rec.Header()) != 0 {
				t.Fatalf("within the limit: %d %v", rec.Code, rec.Header())
			}
		}
		rec := ask("/", "203.0.113.7")
		if rec.Code != http.StatusTooManyRequests || rec.Body.String() != `{"error":"Rate limit exceeded","code":"rate_limited"}` {
			t.Errorf("over the limit: %d %s", rec.Code, rec.Body)
		}
		seconds, err := strconv.Atoi(rec.Header().Get("Retry-After"))
		if err != nil || seconds < 1 || len(rec.Header()) != 3 || rec.Header().Get("Content-Length") != strconv.Itoa(rec.Body.Len()) {
			t.Errorf("headers = %v, want Content-Length, Content-Type and Retry-After", rec.Header())
		}
		if rec := ask("/health", "203.0.113.7"); rec.Code != http.StatusAccepted {
			t.Errorf("exempt, over the limit: %d", rec.Code)
		}
		if rec := ask("/", "203.0.113.8"); rec.Code != http.StatusAccepted {
			t.Errorf("other client: %d", rec.Code)
		}
		if ok, _ := l.Allow(request("203.0.113.7:1")); ok {
			t.Error("Allow does not share Handler's count")
		}
		time.Sleep(time.Duration(seconds) * time.Second)
		if rec := ask("/", "203.0.113.7"); rec.Code != http.StatusAccepted {
			t.Errorf("after Retry-After: %d", rec.Code)
		}
	})
}

func TestLimiterHandlerExemptsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewLimiter(1, nil).Handler(nil)(ok)
		codes := [2]int{}
		for i := range codes {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, request("192.0.2.1:5000"))
			codes[i] = rec.Code
		}
		if codes != [2]int{200, 429} {
			t.Errorf("answers = %v", codes)
		}
	})
}

// TestRefusedConnectionIsNotRead refuses requests, and looks how long it is until
// the next one of the same connection would be read.
func TestRefusedConnectionIsNotRead(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*Limiter, *http.Request, context.CancelFunc)
		pause   time.Duration
	}{
		{"a client", func(*Limiter, *http.Request, context.CancelFunc) {}, time.Second},
		{"a proxy", func(_ *Limiter, r *http.Request, _ context.CancelFunc) {
			r.Header.Set("X-Forwarded-For", "203.0.113.7")
		}, 0},
		{"its last request", func(_ *Limiter, r *http.Request, _ context.CancelFunc) { r.Close = true }, 0},
		{"it hangs up", func(_ *Limiter, _ *http.Request, hangUp context.CancelFunc) {
			time.AfterFunc(300*time.Millisecond, hangUp)
		}, 300 * time.Millisecond},
		{"the server stops", func(l *Limiter, _ *http.Request, _ context.CancelFunc) { time.AfterFunc(300*time.Millisecond, l.Close) }, 300 * time.Millisecond},
		{"the server has stopped", func(l *Limiter, _ *http.Request, _ context.CancelFunc) { l.Close(); l.Close() }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(1, nil)
				h := ClientIP(Proxies{hops: 1}, slog.New(slog.DiscardHandler))(l.Handler(nil)(ok))
				ctx, hangUp := context.WithCancel(t.Context())
				defer hangUp()
				r := request("192.0.2.1:5000").WithContext(ctx)
				tt.prepare(l, r, hangUp)
				h.ServeHTTP(httptest.NewRecorder(), r)
				rec, start := httptest.NewRecorder(), time.Now()
				h.ServeHTTP(rec, r)
				if pause := time.Since(start); rec.Code != 429 || pause != tt.pause {
					t.Errorf("%d, not read for %v", rec.Code, pause)
				}
				if !rec.Flushed && tt.pause > 0 {
					t.Error("the answer waits, too")
				}
			})
		})
	}
}

func BenchmarkLimiterAllow(b *testing.B) {
	l, r := NewLimiter(1<<30, nil), request("192.0.2.1:5000")
	b.ReportAllocs()
	for b.Loop() {
		l.Allow(r)
	}
}
