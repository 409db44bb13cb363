package cluster

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

const (
	// leaseTime is how long the others take an instance for alive that they
	// hear nothing of.
	leaseTime = 3 * time.Second
	// leaseMargin is how much earlier an instance takes its own lease for ended.
	leaseMargin = 300 * time.Millisecond
	renewEvery  = time.Second
	// commandTimeout is how long Redis may take for anything, and askTimeout how
	// long with all that goes before, such as a new connection.
	commandTimeout = time.Second
	askTimeout     = 1500 * time.Millisecond
	// freshness is how old a question may be whose failure tells anything of
	// now: this process may have been stopped meanwhile.
	freshness = 2500 * time.Millisecond
	// aloneTime is how long an instance goes on alone without looking at a
	// clock. It is renewed all the time, unless the process is stopped.
	aloneTime = 2 * time.Second
	// patience is how long a relay or a registration may wait for the others.
	patience = 4 * time.Second
	// orphanTime is how long users are kept whose instance is not in Redis, for
	// it to join again after Redis has lost everything.
	orphanTime = 3 * time.Second
	// settleTime is how long after joining the leases that have ended are left
	// alone: what kept this instance away may have kept the others away as well.
	settleTime = leaseTime
)

// Options configure a Cluster.
type Options struct {
	// Redis is where it is.
	Redis *Address
	// Authorities sign the certificate of Redis; nil: the system's do.
	Authorities *x509.CertPool
	// Prefix begins the names of all keys and channels.
	Prefix string
	// Name is this instance's, for logs and for Redis.
	Name string
	// Presence: everybody is told of everybody. It must be the same for all
	// instances. Without it instances tell each other only what they must.
	Presence bool
	// Grace is how long a user is away; 0: not at all. It should be the same for all
	// instances.
	Grace time.Duration
	// Account limits the memory of relays, together with all else that is held for
	// clients; nil: the only limit is maxRelays.
	Account *wire.Account
	Log     *slog.Logger
}

// A Cluster is this instance's part in it. Make it with New.
type Cluster struct {
	Options
	Hub     *hub.Hub // of this instance; set by Start
	process string   // begins the names of all our instances

	started time.Time
	// mayServe is until when, in nanoseconds after started, users of ours may
	// be reached without asking: the lease lasts, or Redis is known to be away.
	mayServe atomic.Int64
	epochs   atomic.Uint64
	counts   counts

	// changing is held, shared, to begin a registration, and exclusively to change
	// alone: there is no Redis, and registrations are made without it.
	changing sync.RWMutex
	alone    atomic.Bool
	// registering are the registrations that are being made without Redis.
	registering sync.WaitGroup

	changes changes
	relays  relays

	mu      sync.Mutex
	session *session // nil while there is none
	joined  bool     // as in Status
	lost    string   // why there is none; empty before the first
	slow    bool     // what was logged of that is only that Redis did not answer in time

	// owned by keep
	locator    locator
	redis      *redis.Options // of the last session
	instance   string         // of the last session
	generation string         // of what Redis held then
	// dead are instances whose leases have ended, and since when that is known.
	dead map[string]time.Time

	stop context.CancelFunc
	done chan struct{}
}

// quietly is the library's logger: what is worth a line is logged here.
type quietly struct{}

func (quietly) Printf(context.Context, string, ...any) {}

// It is for the whole process, and must be set before any client is made.
func init() { redis.SetLogger(quietly{}) }

// New returns a cluster that Start joins.
func New(opts Options) *Cluster {
	if opts.Redis.shards {
		opts.Prefix = inOneSlot(opts.Prefix)
	}
	c := &Cluster{Options: opts, started: time.Now(), done: make(chan struct{})}
	c.locator = locator{address: opts.Redis, authorities: opts.Authorities, prefix: opts.Prefix, hosts: slices.Clone(opts.Redis.hosts)}
	// A name with blanks could not be told from what follows it.
	c.process = strings.Join(strings.Fields(opts.Name), "_") + "." + rand.Text()[:8]
	c.changes.claims = make(map[uint64]*claim)
	c.relays.lanes = make(map[string]*lane)
	c.relays.open = make(map[uint64]*relay)
	c.relays.out = make(map[string][][]byte)
	c.relays.instances = make(map[string]string)
	c.relays.dead = make(map[string]bool)
	c.relays.fences = make(map[fence]refusal)
	c.relays.account, c.relays.holder = c.Account, c.Account.Open(nil)
	return c
}

// Start begins to join with the hub, whose Cluster this is, and goes on trying
// until Close.
func (c *Cluster) Start(h *hub.Hub) {
	c.Hub = h
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	go c.keep(ctx)
}

// Close leaves the cluster: what our users' going has changed is told to the
// others first, for as long as ctx lasts. That they cannot be told is no error:
// they find out by themselves.
func (c *Cluster) Close(ctx context.Context) {
	err := c.flush(ctx)
	lost := c.Status().Lost != ""
	c.stop()
	<-c.done
	if !lost && err == nil {
		err = c.leave(ctx)
	}
	if err != nil {
		c.Log.Warn("cluster not left", "node", c.Name, "reason", err.Error())
	}
}

// Status says how the cluster is.
type Status struct {
	// Joined: it was, at least once, or Redis has let it in and refused the rest.
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
		s, err := c.join(ctx)
		if err == nil {
			if c.Status().Joined {
				c.counts.rejoins.Add(1)
			}
			c.became("cluster joined", slog.LevelInfo, nil)
			joined := time.Now()
			err = s.run(ctx)
			if time.Since(joined) > mostPause {
				pause.reset()
			}
		} else {
			c.locator.next() // another Sentinel may know better
		}
		away := isAway(err, time.Since(s.asked))
		s.detach()
		if errors.Is(err, errRights) {
			c.admitted()
		}
		if ctx.Err() == nil && away && (c.alone.Load() || !c.serving()) {
			c.goAlone()
			lost := "cluster lost, serving local users only, retrying"
			switch {
			case refused(err):
				lost = "Redis refuses what the cluster needs, serving local users only, retrying"
			case !c.Status().Joined:
				lost = "cannot reach Redis yet, serving local users only, retrying"
			}
			c.became(lost, slog.LevelWarn, err)
		}
		s.end()
		pause.wait(ctx)
	}
}

// isAway reports whether an error says that Redis cannot be reached now, or does
// not do what is asked, after what was asked so long ago. What was slept through says nothing, and neither
// does a timeout that came too early: the library looks at a clock of its own,
// which was stopped as well.
func isAway(err error, asked time.Duration) bool {
	if err == nil || errors.Is(err, errRejoin) || asked > freshness {
		return false
	}
	var timeout interface{ Timeout() bool }
	early := asked < commandTimeout/2
	return !early || !errors.As(err, &timeout) || !timeout.Timeout()
}

// admitted takes note that Redis has let this instance in, if only to refuse the
// rest.
func (c *Cluster) admitted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = true
}

// became takes note of a change of state, whose reason is err, and logs it once; and
// once more where it was a timeout at first, which may hide what is wrong.
func (c *Cluster) became(msg string, level slog.Level, err error) {
	lost, slow := "", false
	if err != nil {
		var timeout interface{ Timeout() bool }
		lost, slow = err.Error(), errors.As(err, &timeout) && timeout.Timeout()
	}
	c.mu.Lock()
	first := !c.joined && lost == ""
	changed := first || (lost == "") != (c.lost == "") || c.slow && lost != "" && !slow
	if changed {
		c.slow = slow
	}
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

// goAlone has the instance go on for its own users.
func (c *Cluster) goAlone() {
	c.changing.Lock()
	c.alone.Store(true)
	c.serveUntil(time.Now().Add(aloneTime))
	c.changing.Unlock()
	c.commitAlone()
	c.relays.resume(c)
}

// goOnAlone renews that, unless it has ended.
func (c *Cluster) goOnAlone() {
	c.changing.RLock()
	defer c.changing.RUnlock()
	if c.alone.Load() && c.serving() {
		c.serveUntil(time.Now().Add(aloneTime))
	}
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
