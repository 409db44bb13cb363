package cluster

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-chi/httprate"
	"github.com/redis/go-redis/v9"
)

const (
	// limitTimeout is how long a request may wait for Redis to be counted.
	limitTimeout = 200 * time.Millisecond
	// limitPause is how long requests are counted here alone after that failed.
	limitPause = time.Second
)

// A limitCounter counts the requests of clients for all instances together. It
// also counts those of this one, for when Redis is away.
type limitCounter struct {
	cluster *Cluster
	own     httprate.LimitCounter
	window  time.Duration
	until   atomic.Int64 // in nanoseconds after Cluster.started: counts alone
}

// LimitCounter returns a counter for middleware.NewLimiter.
func (c *Cluster) LimitCounter(window time.Duration) httprate.LimitCounter {
	return &limitCounter{cluster: c, own: httprate.NewLocalLimitCounter(window), window: window}
}

// Config is called by the limiter, first.
func (l *limitCounter) Config(limit int, window time.Duration) {
	l.window = window
	l.own.Config(limit, window)
}

// Increment counts one request.
func (l *limitCounter) Increment(key string, window time.Time) error {
	return l.IncrementBy(key, window, 1)
}

// IncrementBy counts requests.
func (l *limitCounter) IncrementBy(key string, window time.Time, n int) error {
	l.ask(func(ctx context.Context, counters *redis.Client) error {
		name := l.name(key, window)
		pipe := counters.Pipeline()
		pipe.IncrBy(ctx, name, int64(n))
		pipe.Expire(ctx, name, 3*l.window)
		_, err := pipe.Exec(ctx)
		return err
	})
	return l.own.IncrementBy(key, window, n)
}

// Get returns how many requests there were in two windows.
func (l *limitCounter) Get(key string, current, previous time.Time) (now, before int, err error) {
	now, before, err = l.own.Get(key, current, previous)
	l.ask(func(ctx context.Context, counters *redis.Client) error {
		counted, err := counters.MGet(ctx, l.name(key, current), l.name(key, previous)).Result()
		if err != nil {
			return err
		}
		now, before = max(now, count(counted[0])), max(before, count(counted[1]))
		return nil
	})
	return now, before, err
}

// ask asks Redis, where there is one, unless that has failed just now.
func (l *limitCounter) ask(f func(ctx context.Context, counters *redis.Client) error) {
	since := time.Since(l.cluster.started)
	s := l.cluster.current()
	if s == nil || int64(since) < l.until.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), limitTimeout)
	defer cancel()
	if f(ctx, s.lookups) != nil {
		l.until.Store(int64(since + limitPause))
	}
}

func (l *limitCounter) name(key string, window time.Time) string {
	return fmt.Sprintf("%slimit:%x:%d", l.cluster.Prefix, httprate.LimitCounterKey(key, window), window.Unix())
}

func count(v any) int {
	text, _ := v.(string)
	n, _ := strconv.Atoi(text) // nil where nothing was counted
	return n
}
