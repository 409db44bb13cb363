package cluster

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/server/hub"
)

//go:embed lua/rights.lua
var rightsSource string

//go:embed lua/join.lua
var joinSource string

//go:embed lua/renew.lua
var renewSource string

//go:embed lua/reap.lua
var reapSource string

var (
	rightsScript = redis.NewScript(rightsSource)
	joinScript   = redis.NewScript(joinSource)
	renewScript  = redis.NewScript(renewSource)
	reapScript   = redis.NewScript(reapSource)
)

// streamAll is the feed that all instances share.
const streamAll = "all"

// errRejoin ends a session that Redis, or the others, know nothing of any more.
var errRejoin = errors.New("out of step")

// A session is one membership, from joining until something fails.
type session struct {
	c          *Cluster
	instance   string
	generation string // of what Redis holds
	emptied    bool   // Redis has lost what it held, since the last session
	stream     string // of the feed: streamAll, or "" for one of our own
	redis      *redis.Client
	lookups    *redis.Client // for what clients ask for, so that nothing else waits for it
	pubsub     *redis.PubSub
	instances  atomic.Int64

	// owned by keep
	asked     time.Time // when Redis was asked something, last
	leased    time.Time // when it was asked for the lease that lasts, at the latest
	reclaimed bool      // our users are ours
	known     int64     // what applied was when the lease was last renewed
	expected  int64     // what applied must reach, or get nearer to, by the next renewal
	checked   int64     // what applied was at the last one

	heard   atomic.Int64  // when something arrived, last, in nanoseconds after c.started
	failed  chan error    // has room for one
	wake    chan struct{} // something is to be sent
	sending atomic.Bool
	stop    chan struct{}
	ended   sync.WaitGroup

	feeding sync.Mutex // guards what follows
	live    bool       // messages are handled, not kept
	kept    []*redis.Message
	keptLen int

	// owned by who handles messages: until the session is live keep, then receive
	payload []byte        // room for what is read
	answers []byte        // room for the answers to it
	from    *remoteSender // the last one
	reports holder        // the registration that waits for what we have for its name
	applied atomic.Int64  // version of the feed, which keep looks at
}

// maxKept bounds what arrives while an instance joins.
const maxKept = 64 << 20

// join makes this instance one of the cluster. With an error it may return a
// session, which has to be ended.
func (c *Cluster) join(ctx context.Context) (*session, error) {
	s := &session{
		c:        c,
		instance: c.process + "." + rand.Text()[:8],
		failed:   make(chan error, 1),
		wake:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
	}
	if c.Presence {
		s.stream = streamAll
	}
	if err := s.connect(ctx); err != nil {
		return s, err
	}
	if err := s.subscribe(ctx); err != nil {
		return s, err
	}
	if err := s.loadScripts(ctx); err != nil {
		return s, err
	}
	if err := s.enter(ctx); err != nil {
		return s, err
	}
	former := c.instance
	c.instance = s.instance
	s.emptied = c.generation != "" && c.generation != s.generation

	// From here on registrations wait for the session, and departures for the
	// end of what it begins with.
	c.changing.Lock()
	c.alone.Store(false)
	c.changing.Unlock()
	c.registering.Wait()
	c.restart()
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	if err := s.reclaim(ctx, former); err != nil {
		return s, err
	}
	s.reclaimed = true
	s.serve()
	if c.Presence {
		if err := s.synchronize(ctx); err != nil {
			return s, err
		}
	}
	if err := s.goLive(ctx); err != nil {
		return s, err
	}
	c.generation = s.generation
	s.ended.Go(s.pump)
	c.relays.resume(c)
	return s, nil
}

// ask prepares a question to Redis.
func (s *session) ask(ctx context.Context) (context.Context, context.CancelFunc) {
	s.asked = time.Now()
	return context.WithTimeout(ctx, askTimeout)
}

// connect finds the Redis to use. A session uses one and the same until it ends,
// so that all its connections lead there.
func (s *session) connect(ctx context.Context) error {
	asking, cancel := s.ask(ctx)
	defer cancel()
	to, err := s.c.locator.locate(asking)
	if err != nil {
		return err
	}
	s.redis, s.lookups = redis.NewClient(to), redis.NewClient(to)
	s.c.redis = to
	return nil
}

// subscribe begins to receive what is for this instance.
func (s *session) subscribe(ctx context.Context) error {
	asking, cancel := s.ask(ctx)
	defer cancel()
	s.pubsub = s.redis.Subscribe(asking)
	if err := s.pubsub.Subscribe(asking, s.feedChannel(), s.c.channelOf(s.instance)); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for range 2 {
		if _, err := s.pubsub.ReceiveTimeout(asking, commandTimeout); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
	}
	s.hear()
	s.ended.Go(func() { s.receive(ctx) })
	return nil
}

const (
	// quiet is how long a subscription may be silent before it is asked whether
	// it is there, and deaf how long before it is given up.
	quiet = time.Second
	deaf  = 3 * time.Second
)

func (s *session) hear() { s.heard.Store(int64(time.Since(s.c.started))) }

// listen makes sure that the subscription is there.
func (s *session) listen(ctx context.Context) error {
	silent := time.Since(s.c.started) - time.Duration(s.heard.Load())
	if silent > deaf {
		return fmt.Errorf("%w: subscription: silent for %v", errRejoin, silent)
	}
	if silent > quiet {
		asking, cancel := s.ask(ctx)
		defer cancel()
		if err := s.pubsub.Ping(asking); err != nil {
			return fmt.Errorf("%w: subscription: %w", errRejoin, err)
		}
	}
	return nil
}

// receive takes what arrives until the subscription is closed. It reads without
// a deadline: one that passes in the middle of a message would have the rest of
// it, which users have written, read as something of Redis'.
func (s *session) receive(ctx context.Context) {
	for {
		received, err := s.pubsub.Receive(ctx)
		if err != nil {
			s.fail(fmt.Errorf("subscription: %w", err))
			return
		}
		s.hear()
		if m, ok := received.(*redis.Message); ok {
			s.message(m)
		}
	}
}

// message handles what arrived, or keeps it until the session is live.
func (s *session) message(m *redis.Message) {
	if s.isLive(m) {
		s.handle(m)
	}
}

// isLive reports whether messages are handled as they arrive; if not, it keeps
// this one. Once they are, goLive handles none any more.
func (s *session) isLive(m *redis.Message) bool {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	if s.live {
		return true
	}
	if s.keptLen += len(m.Payload); s.keptLen > maxKept {
		s.fail(fmt.Errorf("%w: too much arrived while joining", errRejoin))
	} else {
		s.kept = append(s.kept, m)
	}
	return false
}

// handle handles what arrived. It writes to connections: no lock is held.
func (s *session) handle(m *redis.Message) {
	if m.Channel != s.feedChannel() {
		s.c.receive(s, m.Payload)
		return
	}
	if err := s.apply(m.Payload); err != nil {
		s.fail(err)
	}
}

// goLive handles what was kept, and has the rest handled as it arrives.
func (s *session) goLive(ctx context.Context) error {
	for {
		kept := s.takeKept()
		for _, m := range kept {
			s.handle(m)
			if err := s.renewInTime(ctx); err != nil {
				return err
			}
		}
		select {
		case err := <-s.failed:
			return fmt.Errorf("%w: %w", errRejoin, err)
		default:
		}
		if len(kept) == 0 {
			return nil
		}
	}
}

// takeKept returns what was kept. From when there is nothing on, nothing is
// kept any more.
func (s *session) takeKept() []*redis.Message {
	s.feeding.Lock()
	defer s.feeding.Unlock()
	kept := s.kept
	s.kept, s.keptLen = nil, 0
	s.live = len(kept) == 0
	return kept
}

// errRights says that Redis lets us in, but refuses what a member has to do.
var errRights = errors.New("rights")

// loadScripts has Redis know the scripts, and makes sure that it will do all that
// is in them.
func (s *session) loadScripts(ctx context.Context) error {
	loading, cancel := s.ask(ctx)
	defer cancel()
	pipe := s.redis.Pipeline()
	pipe.Ping(loading) // as listen does
	// Script.Load would take the script's hash from an answer that the pipeline
	// does not have yet.
	for _, source := range []string{rightsSource, joinSource, changeSource, renewSource, reapSource} {
		pipe.ScriptLoad(loading, source)
	}
	if _, err := pipe.Exec(loading); err != nil {
		return fmt.Errorf("script: %w", err)
	}
	asking, cancel := s.ask(ctx)
	defer cancel()
	p := s.c.Prefix + "rights:"
	err := rightsScript.EvalSha(asking, s.redis, []string{p + "text", p + "hash", p + "set", p + "counter"}, s.c.Prefix).Err()
	if refused(err) {
		return fmt.Errorf("%w: %w", errRights, err)
	}
	return err
}

// enter takes a lease.
func (s *session) enter(ctx context.Context) error {
	c := s.c
	asking, cancel := s.ask(ctx)
	defer cancel()
	s.leased = s.asked
	answer, err := joinScript.EvalSha(asking, s.redis,
		[]string{s.leaseKey(), c.nodesKey(), c.versionsKey(), c.generationKey()},
		c.Prefix, s.instance, leaseTime.Milliseconds(), c.Name, c.instance, s.stream, rand.Text()).Slice()
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if len(answer) != 2 {
		return fmt.Errorf("join: unexpected answer")
	}
	s.generation, _ = answer[0].(string)
	applied, _ := answer[1].(int64)
	s.applied.Store(applied)
	return nil
}

// reclaim takes the names of our users, except from those who hold them
// elsewhere: their users here are disconnected.
func (s *session) reclaim(ctx context.Context, former string) error {
	ours, away, _ := s.c.Hub.Users()
	var all []change
	for _, u := range slices.Concat(ours, away) {
		all = append(all, change{kind: kindAgain, name: u.ID, epoch: u.Epoch, key: u.Key()})
	}
	for _, u := range away {
		all = append(all, change{kind: kindAway, name: u.ID, epoch: u.Epoch})
	}
	var refused []string
	for len(all) > 0 {
		list := all[:min(len(all), maxChanges)]
		all = all[len(list):]
		asking, cancel := s.ask(ctx)
		answer, err := s.evalChanges(asking, s.redis, former, list).StringSlice()
		cancel()
		if err != nil {
			return scriptError("reclaim user IDs", err)
		}
		refused = append(refused, answer...)
		if err := s.renewInTime(ctx); err != nil {
			return err
		}
	}
	for i := 0; i+2 < len(refused); i += 3 {
		h, ok := parseHolder(refused[i+1])
		if !ok {
			continue
		}
		u := s.c.user(refused[i], h)
		s.c.Hub.BindRemote(u, false)
		if !s.c.Presence {
			s.c.Hub.ForgetRemote(u)
		}
	}
	return nil
}

// synchronize makes the hub's users of other instances those of the directory.
func (s *session) synchronize(ctx context.Context) error {
	c := s.c
	asking, cancel := s.ask(ctx)
	version, err := s.redis.HGet(asking, c.versionsKey(), s.stream).Int64()
	cancel()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("version: %w", err)
	}
	_, _, others := c.Hub.Users()
	missing := make(map[string]*hub.User, len(others))
	for _, u := range others {
		missing[u.ID] = u
	}
	for cursor := uint64(0); ; {
		var page []string
		asking, cancel := s.ask(ctx)
		page, cursor, err = s.redis.HScan(asking, c.namesKey(), cursor, "", 1000).Result()
		cancel()
		if err != nil {
			return fmt.Errorf("directory: %w", err)
		}
		for i := 0; i+1 < len(page); i += 2 {
			name := page[i]
			h, ok := parseHolder(page[i+1])
			// What we held and did not claim anew is about to be freed.
			if !ok || h.process() == c.process {
				continue
			}
			c.relays.note(&h)
			known := missing[name]
			delete(missing, name)
			if h.is(known) {
				known.SetKey(h.key)
			} else {
				c.Hub.BindRemote(c.user(name, h), true)
			}
		}
		if cursor == 0 {
			break
		}
		if err := s.renewInTime(ctx); err != nil {
			return err
		}
	}
	if !s.emptied {
		for _, u := range missing {
			c.Hub.UnbindRemote(u)
		}
	}
	s.applied.Store(version)
	return nil
}

// renewInTime renews the lease, if that is due, on the way into the cluster.
func (s *session) renewInTime(ctx context.Context) error {
	if time.Since(s.leased) < renewEvery {
		return nil
	}
	_, err := s.renew(ctx)
	return err
}

// serve has our users be reached while the lease lasts.
func (s *session) serve() {
	if s.reclaimed {
		s.c.serveUntil(s.leased.Add(leaseTime - leaseMargin))
	}
}

// run renews the lease until the session fails.
func (s *session) run(ctx context.Context) error {
	joined := time.Now()
	orphans := time.NewTimer(orphanTime)
	defer orphans.Stop()
	if !s.emptied {
		orphans.Stop()
	}
	interval := max(0, renewEvery-time.Since(s.leased))
	for {
		timer := time.NewTimer(interval)
		select {
		case <-timer.C:
		case <-orphans.C:
			timer.Stop()
			interval = 0
			s.removeOrphans(ctx)
			continue
		case err := <-s.failed:
			// Whether Redis is there is to be asked anew.
			timer.Stop()
			return fmt.Errorf("%w: %w", errRejoin, err)
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		state, err := s.renew(ctx)
		switch {
		case err == nil:
			interval = renewEvery
			if err := s.check(state); err != nil {
				return err
			}
			if err := s.listen(ctx); err != nil {
				return err
			}
			if s.c.locator.moved(ctx, s.c.redis.Addr) {
				return fmt.Errorf("%w: the Sentinels name another primary", errRejoin)
			}
			s.c.relays.lost(s.c, state.dead)
			// The lease may have ended meanwhile, for relays to wait.
			s.c.relays.resume(s.c)
			if time.Since(joined) < settleTime {
				continue
			}
			if err := s.reap(ctx, state); err != nil {
				return err
			}
		case errors.Is(err, errRejoin), refused(err), !s.c.serving():
			return err
		default:
			interval = leastPause
		}
	}
}

// state is what renewing a lease tells.
type state struct {
	generation string
	version    int64
	live, dead []string
}

// renew renews the lease. errRejoin says that it had ended.
func (s *session) renew(ctx context.Context) (st state, err error) {
	c := s.c
	asking, cancel := s.ask(ctx)
	defer cancel()
	begun := s.asked
	s.known = s.applied.Load()
	answer, err := renewScript.EvalSha(asking, s.redis,
		[]string{s.leaseKey(), c.nodesKey(), c.versionsKey(), c.generationKey()},
		c.Prefix, s.instance, leaseTime.Milliseconds(), s.stream).Slice()
	if err != nil {
		return st, scriptError("renew", err)
	}
	if len(answer) != 4 {
		return st, fmt.Errorf("renew: unexpected answer")
	}
	s.leased = begun
	s.serve()
	st.generation, _ = answer[0].(string)
	st.version, _ = answer[1].(int64)
	st.live, st.dead = texts(answer[2]), texts(answer[3])
	s.instances.Store(int64(len(st.live)))
	return st, nil
}

// scriptError tells apart what a script says of the lease, or of itself, from
// Redis not being there.
func scriptError(what string, err error) error {
	for _, sign := range []string{"LEASE", "NOSCRIPT"} {
		if strings.Contains(err.Error(), sign) {
			return fmt.Errorf("%w: %s: %w", errRejoin, what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// refused reports whether Redis has answered that something is not allowed, or
// cannot be done.
func refused(err error) bool {
	var answer redis.Error
	return errors.As(err, &answer) && !errors.Is(err, redis.Nil)
}

func texts(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		if text, ok := item.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// check compares what Redis says with what arrived here.
func (s *session) check(st state) error {
	if st.generation != s.generation {
		return fmt.Errorf("%w: Redis was emptied", errRejoin)
	}
	if st.version < s.known {
		return fmt.Errorf("%w: changes %d to %d were forgotten, by a failover", errRejoin, st.version+1, s.known)
	}
	// What was published before the version was read has arrived by the next
	// time, at the latest, unless there is much of it.
	applied := s.applied.Load()
	if applied < s.expected && applied == s.checked {
		return fmt.Errorf("%w: missed changes %d to %d", errRejoin, applied+1, s.expected)
	}
	s.expected, s.checked = st.version, applied
	return nil
}

// overdue are the instances whose leases have ended and whose users have been away
// for the grace. keep calls it.
func (c *Cluster) overdue(st state) (overdue []string) {
	now := time.Now()
	since := make(map[string]time.Time, len(st.dead))
	for _, instance := range st.dead {
		process := processOf(instance)
		goes := process != c.process && !st.lives(process) // else it has joined again
		at, known := c.dead[instance]
		if !known {
			at = now
			if goes {
				c.Log.Info("instance disappeared", "node", c.Name, "instance", instance)
			}
		}
		since[instance] = at
		if !goes || now.Sub(at) >= c.Grace {
			overdue = append(overdue, instance)
		}
	}
	c.dead = since
	return overdue
}

// reapAtOnce is how many names are freed in one step.
const reapAtOnce = 500

// reap frees the names of instances whose lease has ended. All instances may
// be at it together. What takes longer than a renewal may wait, or fails, is
// gone on with after it, which finds the instance dead again.
func (s *session) reap(ctx context.Context, st state) error {
	c := s.c
	begun := time.Now()
	for _, instance := range s.c.overdue(st) {
		for left := int64(1); left > 0; {
			if time.Since(begun) > renewEvery/2 {
				return nil
			}
			var err error
			asking, cancel := s.ask(ctx)
			left, err = reapScript.EvalSha(asking, s.redis,
				[]string{c.leaseOf(instance), c.namesKey(), c.versionsKey(), c.nodesKey(), c.heldBy(instance)},
				c.Prefix, instance, s.stream, reapAtOnce).Int64()
			cancel()
			if refused(err) {
				return scriptError("reap", err)
			}
			if err != nil {
				return nil
			}
		}
	}
	return nil
}

// lives reports whether a process is one of the instances that live.
func (st *state) lives(process string) bool {
	return slices.ContainsFunc(st.live, func(instance string) bool { return processOf(instance) == process })
}

// removeOrphans removes users whose instance did not come back after Redis had
// lost everything.
func (s *session) removeOrphans(ctx context.Context) {
	st, err := s.renew(ctx)
	if err != nil {
		return // and so does the session, soon
	}
	known := make(map[string]bool)
	for _, instance := range append(st.live, st.dead...) {
		known[processOf(instance)] = true
	}
	_, _, others := s.c.Hub.Users()
	for _, u := range others {
		if !known[u.Instance] {
			s.c.Hub.UnbindRemote(u)
		}
	}
}

// fail ends the session, if nothing else has.
func (s *session) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// detach has nothing more be sent. end follows it.
func (s *session) detach() {
	c := s.c
	c.mu.Lock()
	if c.session == s {
		c.session = nil
	}
	c.mu.Unlock()
	close(s.stop)
}

// end waits for what the session started.
func (s *session) end() {
	if s.pubsub != nil {
		_ = s.pubsub.Close() // nothing waits to be sent on it
	}
	s.ended.Wait()
	if s.redis != nil {
		_ = s.redis.Close()   // nothing is asked on them any more, or the answer
		_ = s.lookups.Close() // is of no use
	}
	s.c.relays.drop(s.c)
}

// flush waits until all changes are told.
func (c *Cluster) flush(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s := c.current()
		if s == nil || s.idle() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// leave gives the lease back, and the names where nobody waits for their users. The
// session has ended.
func (c *Cluster) leave(ctx context.Context) error {
	if c.instance == "" {
		return nil
	}
	s := &session{c: c, instance: c.instance, redis: redis.NewClient(c.redis)}
	defer s.redis.Close()
	if c.Presence {
		s.stream = streamAll
	}
	asking, cancel := s.ask(ctx)
	defer cancel()
	if err := s.redis.Del(asking, s.leaseKey()).Err(); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if c.Grace > 0 {
		return nil // the others free the names in time
	}
	return s.reap(ctx, state{dead: []string{c.instance}})
}
