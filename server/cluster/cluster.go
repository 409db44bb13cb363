package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/oodaa/signaling/server/hub"
)

const (
	// leaseTime is how long the others take an instance for alive that they
	// hear nothing of.
	leaseTime = 3 * time.Second
	// leaseMargin is how much earlier an instance takes its own lease for ended.
	leaseMargin = 300 * time.Millisecond
	renewEvery  = time.Second
	// commandTimeout is how long Redis may take for anything.
	commandTimeout = time.Second
	// patience is how long a relay or a registration may wait for the others.
	patience = 4 * time.Second
	// orphanTime is how long users are kept whose instance is not in Redis, for
	// it to join again after Redis has lost everything.
	orphanTime = 3 * time.Second
)

// Options configure a Cluster.
type Options struct {
	// URL is the Redis, as redis:// or rediss://.
	URL string
	// Prefix begins the names of all keys and channels.
	Prefix string
	// Name is this instance's, for logs and for Redis.
	Name string
	// Presence: everybody is told of everybody. It must be the same for all
	// instances. Without it instances tell each other only what they must.
	Presence bool
	Hub      *hub.Hub
	Log      *slog.Logger
}

// A Cluster is this instance's part in it. Make it with New.
type Cluster struct {
	Options
	redis *redis.Client

	started time.Time
	// mayServe is until when, in nanoseconds after started, users of ours may
	// be reached without asking: the lease lasts, or Redis is known to be away.
	mayServe atomic.Int64
	epochs   atomic.Uint64
	counts   counts

	// changing is held, shared, while a registration is made without Redis, and
	// exclusively to begin with it.
	changing sync.RWMutex
	alone    atomic.Bool // there is no Redis; changes only under changing

	changes changes
	relays  relays

	mu      sync.Mutex
	session *session // nil while there is none
	joined  bool     // was, at least once
	lost    string   // why there is none; empty before the first

	// owned by keep
	instance   string // of the last session
	generation string // of what Redis held then

	stop context.CancelFunc
	done chan struct{}
}

// New begins to join, and goes on trying until Close. It fails only where the
// options are wrong.
func New(opts Options) (*Cluster, error) {
	to, err := redis.ParseURL(opts.URL)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	// What a timeout leaves open must not be done twice.
	to.MaxRetries = -1
	to.DialTimeout, to.ReadTimeout, to.WriteTimeout = commandTimeout, commandTimeout, commandTimeout
	to.ContextTimeoutEnabled = true
	to.PoolSize = 4
	to.DisableIdentity = true
	to.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := &Cluster{Options: opts, redis: redis.NewClient(to), started: time.Now(), done: make(chan struct{})}
	c.changes.claims = make(map[uint64]*claim)
	c.relays.lanes = make(map[string]*lane)
	c.relays.flying = make(map[uint64]*relay)
	opts.Hub.Report(c)
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.keep(ctx)
	return c, nil
}

// ValidateURL reports what is wrong with a URL for Options; none is right.
func ValidateURL(url string) error {
	if url == "" {
		return nil
	}
	if _, err := redis.ParseURL(url); err != nil {
		// The library's error may hold the password.
		return errors.New("is no redis:// or rediss:// URL")
	}
	return nil
}

// Close leaves the cluster: what our users' going has changed is told to the
// others first, for as long as ctx lasts.
func (c *Cluster) Close(ctx context.Context) error {
	err := c.flush(ctx)
	c.stop()
	<-c.done
	return errors.Join(err, c.leave(ctx), c.redis.Close())
}

// Status says how the cluster is.
type Status struct {
	// Joined: it was, at least once.
	Joined bool
	// Lost is why this instance is on its own, and empty while it is not.
	Lost string
	// Instances is how many there are, as far as is known.
	Instances int
}

// Status returns how the cluster is.
func (c *Cluster) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{Joined: c.joined, Lost: c.lost, Instances: 1}
	if c.session != nil {
		s.Instances = max(1, int(c.session.instances.Load()))
	}
	return s
}

// serving reports whether users of ours may be reached without asking.
func (c *Cluster) serving() bool { return int64(time.Since(c.started)) < c.mayServe.Load() }

// serveUntil moves the time until which that holds.
func (c *Cluster) serveUntil(t time.Time) { c.mayServe.Store(int64(t.Sub(c.started))) }

func (c *Cluster) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// keep joins, again and again, until Close.
func (c *Cluster) keep(ctx context.Context) {
	defer close(c.done)
	sweeping := make(chan struct{})
	go func() {
		defer close(sweeping)
		c.sweep(ctx)
	}()
	defer func() { <-sweeping }()

	var pause backoff
	for ctx.Err() == nil {
		begun := time.Now()
		s, err := c.join(ctx)
		if err == nil {
			c.became("cluster joined", slog.LevelInfo, "")
			pause.reset()
			begun, err = s.run(ctx)
		}
		s.end()
		if ctx.Err() != nil {
			return
		}
		// A failure is news only if it was not slept through.
		recent := time.Since(begun) < 2*commandTimeout
		if recent && (c.alone.Load() || !c.serving()) && !errors.Is(err, errRejoin) {
			c.goAlone(begun.Add(leaseTime))
			c.became("cluster lost", slog.LevelWarn, err.Error())
		}
		pause.wait(ctx)
	}
}

// became takes note of a change of state, and logs it once.
func (c *Cluster) became(msg string, level slog.Level, lost string) {
	c.mu.Lock()
	first := !c.joined && lost == ""
	changed := first || (lost == "") != (c.lost == "")
	c.lost = lost
	c.joined = c.joined || lost == ""
	c.mu.Unlock()
	if !changed {
		return
	}
	attributes := []any{"node", c.Name}
	if lost != "" {
		attributes = append(attributes, "reason", lost)
	}
	c.Log.Log(context.Background(), level, msg, attributes...)
}

// goAlone has the instance go on for its own users until the given time, or
// longer if it is called again.
func (c *Cluster) goAlone(until time.Time) {
	c.changing.Lock()
	c.alone.Store(true)
	c.changing.Unlock()
	c.serveUntil(until)
	c.commitAlone()
	c.relays.resume(c)
}

// backoff is the pause between attempts to join.
type backoff struct{ next time.Duration }

const leastPause, mostPause = 50 * time.Millisecond, time.Second

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) wait(ctx context.Context) {
	b.next = min(max(2*b.next, leastPause), mostPause)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
