package cluster

import (
	"context"
	_ "embed"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/server/hub"
)

//go:embed lua/change.lua
var changeSource string

var changeScript = redis.NewScript(changeSource)

// The kinds of changes to the directory.
const (
	kindClaim   = "c"
	kindProved  = "p" // a claim that takes no name from a holder with another key
	kindGuarded = "g" // a claim that takes no name from a holder with a key
	kindAgain   = "a" // a claim by who joins anew, for a name that it had
	kindKey     = "k"
	kindRelease = "d"
	kindPage    = "x" // a release: the page was closed, and may be loaded again
	kindAway    = "w" // the name's user is away
	kindTwo     = "v" // a takeover was by another device
	kindOne     = "o" // it was by the same
	kindFormer  = "f" // behind it comes a claim, for a name that an instance had which lives
)

// A change of the directory.
type change struct {
	kind, name string
	epoch      uint64
	key        string
	// from is the name, and its epoch, that a claim leaves for the new one.
	from      string
	fromEpoch uint64
}

// changes are those that this instance makes.
type changes struct {
	mu     sync.Mutex
	queue  []change          // not sent yet
	claims map[uint64]*claim // whose outcome is open, by epoch
}

// A claim is a registration that waits for its turn.
type claim struct {
	change
	former string // as in hub.Turn
	commit func(hub.Turn) hub.Outcome
	done   chan hub.Outcome // has room for one
}

// maxChanges bounds how many changes leave together.
const maxChanges = 256

// Claim gives the name to the member, unless the directory cannot be asked: it
// calls commit, which registers the member with the hub, when it is the name's
// turn among all instances. It waits for that, not longer than some seconds;
// Unavailable says that it took too long, and InvalidProof that the name is
// guarded. commit is called at most once, and not after Claim has returned.
func (c *Cluster) Claim(m *hub.Member, asked hub.Claim, commit func(hub.Turn) hub.Outcome) hub.Outcome {
	if u := m.User(); u != nil && u.ID == asked.ID {
		return c.claimAgain(u, asked.Key, commit)
	}
	epoch := c.epochs.Add(1)
	c.changing.RLock()
	if c.alone.Load() && c.serving() {
		c.registering.Add(1)
		defer c.registering.Done()
		c.changing.RUnlock()
		return commit(hub.Turn{Epoch: epoch})
	}
	waiting := &claim{
		change: change{kind: kindClaim, name: asked.ID, epoch: epoch, key: asked.Key},
		commit: commit,
		done:   make(chan hub.Outcome, 1),
	}
	if u := m.User(); u != nil {
		waiting.from, waiting.fromEpoch = u.ID, u.Epoch
	}
	switch {
	case asked.Guarded && asked.Proved:
		waiting.kind = kindProved
	case asked.Guarded:
		waiting.kind = kindGuarded
	}
	c.changes.mu.Lock()
	c.changes.claims[epoch] = waiting
	c.changes.queue = append(c.changes.queue, waiting.change)
	c.changes.mu.Unlock()
	c.changing.RUnlock()
	c.kick()

	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case code := <-waiting.done:
		return code
	case <-timer.C:
	}
	if c.takeClaim(epoch) == nil {
		return <-waiting.done // it is being committed
	}
	return hub.Unavailable
}

// claimAgain registers a member anew with the name that it has.
func (c *Cluster) claimAgain(u *hub.User, key string, commit func(hub.Turn) hub.Outcome) hub.Outcome {
	code := commit(hub.Turn{Epoch: u.Epoch})
	if code == hub.OK && key != "" {
		c.enqueue(change{kind: kindKey, name: u.ID, epoch: u.Epoch, key: key})
	}
	return code
}

// former takes note of which instance had the name of a claim.
func (c *Cluster) former(epoch uint64, instance string) {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	if waiting := c.changes.claims[epoch]; waiting != nil {
		waiting.former = strings.Clone(instance)
	}
}

// takeClaim returns the claim, once.
func (c *Cluster) takeClaim(epoch uint64) *claim {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	waiting := c.changes.claims[epoch]
	delete(c.changes.claims, epoch)
	return waiting
}

// commit carries out a claim whose turn it is. Who has given up, or cannot have
// the name after all, leaves it again: to the client of ours that had it, who
// was not told that it was to lose it.
func (c *Cluster) commit(name string, epoch uint64, returned bool) {
	waiting := c.takeClaim(epoch)
	code := hub.Unavailable
	if waiting != nil {
		code = waiting.commit(hub.Turn{Epoch: epoch, Returned: returned, Former: waiting.former})
		waiting.done <- code
	}
	if code == hub.OK {
		return
	}
	if waiting != nil && waiting.from != "" { // which it has still
		if u := c.Hub.Find([]byte(waiting.from)); u != nil && u.Instance == "" && u.Epoch == waiting.fromEpoch {
			c.enqueue(change{kind: kindAgain, name: u.ID, epoch: u.Epoch, key: u.Key()})
		}
	}
	u := c.Hub.Find([]byte(name))
	switch {
	case u != nil && u.Instance == "":
		c.enqueue(change{kind: kindAgain, name: name, epoch: u.Epoch, key: u.Key()})
	case c.Grace > 0 && (returned || u != nil) && c.Hub.Draining():
		// The user was there before, and comes back to another instance.
		c.enqueue(change{kind: kindAway, name: name, epoch: epoch})
	default:
		c.enqueue(change{kind: kindRelease, name: name, epoch: epoch})
	}
}

// refused ends claims for names that are guarded: list has name, holder and
// epoch of each.
func (c *Cluster) refused(list []string) {
	for i := 2; i < len(list); i += 3 {
		epoch, err := strconv.ParseUint(list[i], 10, 64)
		if err != nil {
			continue // the script repeats what we wrote
		}
		if waiting := c.takeClaim(epoch); waiting != nil {
			waiting.done <- hub.InvalidProof
		}
	}
}

// commitAlone carries out all claims that wait for a Redis that is not there.
func (c *Cluster) commitAlone() {
	for _, epoch := range c.openClaims() {
		if waiting := c.takeClaim(epoch); waiting != nil {
			waiting.done <- waiting.commit(hub.Turn{Epoch: epoch})
		}
	}
}

// openClaims are the claims whose outcome is open, in their order.
func (c *Cluster) openClaims() []uint64 {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	return slices.Sorted(maps.Keys(c.changes.claims))
}

// restart begins the queue of a new session: with the claims that are open.
// What else was to be changed is of a former one, whose names are all freed.
func (c *Cluster) restart() {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	c.changes.queue = c.changes.queue[:0]
	for _, epoch := range slices.Sorted(maps.Keys(c.changes.claims)) {
		c.changes.queue = append(c.changes.queue, c.changes.claims[epoch].change)
	}
}

// Released takes note that a name of ours is free.
func (c *Cluster) Released(u *hub.User) {
	c.enqueue(change{kind: kindRelease, name: u.ID, epoch: u.Epoch})
}

// PageGone takes note that a name of ours is free, while relays to it are still held.
func (c *Cluster) PageGone(u *hub.User) {
	c.enqueue(change{kind: kindPage, name: u.ID, epoch: u.Epoch})
}

// Left takes note that a user of ours is away.
func (c *Cluster) Left(u *hub.User) {
	c.enqueue(change{kind: kindAway, name: u.ID, epoch: u.Epoch})
}

// Settled has all instances told the verdict on a takeover. Without presence nobody
// waits for it.
func (c *Cluster) Settled(u *hub.User, two bool) bool {
	if !c.Presence {
		return false
	}
	ch := change{kind: kindOne, name: u.ID, epoch: u.Epoch, key: u.Instance}
	if two {
		ch.kind = kindTwo
	}
	if ch.key == "" {
		ch.key = c.process
	}
	return c.enqueue(ch)
}

// enqueue queues a change, where there is somebody to tell, and reports whether there
// is; whoever joins begins with what is then.
func (c *Cluster) enqueue(ch change) bool {
	if c.current() == nil {
		return false
	}
	c.changes.mu.Lock()
	c.changes.queue = append(c.changes.queue, ch)
	c.changes.mu.Unlock()
	c.kick()
	return true
}

// takeChanges takes changes from the queue, in their order.
func (c *Cluster) takeChanges() (taken []change) {
	c.changes.mu.Lock()
	defer c.changes.mu.Unlock()
	n := 0
	for n < len(c.changes.queue) && len(taken) < maxChanges {
		ch := c.changes.queue[n]
		n++
		if claimed := ch.kind == kindClaim || ch.kind == kindGuarded || ch.kind == kindProved; claimed && c.changes.claims[ch.epoch] == nil {
			continue // who has given up is not to take the name from anybody
		}
		taken = append(taken, ch)
	}
	c.changes.queue = c.changes.queue[:copy(c.changes.queue, c.changes.queue[n:])]
	return taken
}

// evalChanges adds the script with these changes to a pipeline. former is the
// instance that this one was, where it joins anew.
func (s *session) evalChanges(ctx context.Context, to redis.Scripter, former string, list []change) *redis.Cmd {
	args := make([]any, 0, 4+6*len(list))
	args = append(args, s.c.Prefix, s.instance, s.stream, former)
	for _, ch := range list {
		args = append(args, ch.kind, ch.name, strconv.FormatUint(ch.epoch, 10), ch.key, ch.from, strconv.FormatUint(ch.fromEpoch, 10))
	}
	return changeScript.EvalSha(ctx, to, []string{s.leaseKey(), s.c.namesKey(), s.c.versionsKey()}, args...)
}

// A holder is what the directory says of a name.
type holder struct {
	instance string
	epoch    uint64
	key      string
}

// parsePage reads the mark in away of a page that was closed: "page instance epoch key".
// Where somebody has the name, it is that page, loaded again.
func parsePage(away string) (h holder, ok bool) {
	value, ok := strings.CutPrefix(away, "page ")
	if !ok {
		return h, false
	}
	return parseHolder(value)
}

// parseHolder reads "instance epoch key".
func parseHolder(value string) (h holder, ok bool) {
	instance, rest, ok := strings.Cut(value, " ")
	if !ok {
		return h, false
	}
	epoch, key, ok := strings.Cut(rest, " ")
	if !ok {
		return h, false
	}
	n, err := strconv.ParseUint(epoch, 10, 64)
	h = holder{instance, n, key}
	return h, err == nil && h.process() != ""
}

// registration is what the directory says of who is away.
func (h *holder) registration() string { return h.instance + " " + strconv.FormatUint(h.epoch, 10) }

// process is what all instances have in common that a process was, one after
// the other, and with the epoch tells a registration from all others: it stays
// the same when its process joins anew.
func (h *holder) process() string { return processOf(h.instance) }

func processOf(instance string) string {
	return instance[:max(0, strings.LastIndexByte(instance, '.'))]
}

// is reports whether u is the registration that h says.
func (h *holder) is(u *hub.User) bool {
	return u != nil && u.Instance != "" && u.Instance == h.process() && u.Epoch == h.epoch
}

// isOurs reports whether u, a user of this instance, is the registration that h says.
func (h *holder) isOurs(u *hub.User) bool {
	return u != nil && u.Instance == "" && u.Epoch == h.epoch
}

// user is the holder of a name as the hub knows it. It keeps nothing of the message
// that name and h are parts of.
func (c *Cluster) user(name string, h holder) *hub.User {
	u := hub.NewUser(strings.Clone(name), strings.Clone(h.key), (*elsewhere)(c))
	u.Instance, u.Epoch = unique.Make(h.process()).Value(), h.epoch
	return u
}

// elsewhere is the connection of every user of another instance.
type elsewhere Cluster

// Relay hands a relay to the user's instance.
func (e *elsewhere) Relay(r *hub.Relay) hub.Outcome { return (*Cluster)(e).Relay(r) }

// Replaced does nothing: the user's own instance disconnects it.
func (e *elsewhere) Replaced(*hub.Question) []*hub.Held { return nil }

// Over is never true: another instance knows.
func (e *elsewhere) Over() bool { return false }

func (c *Cluster) namesKey() string      { return c.Prefix + "names" }
func (c *Cluster) nodesKey() string      { return c.Prefix + "nodes" }
func (c *Cluster) awayKey() string       { return c.Prefix + "away" }
func (c *Cluster) versionsKey() string   { return c.Prefix + "versions" }
func (c *Cluster) generationKey() string { return c.Prefix + "generation" }

func (c *Cluster) leaseOf(instance string) string   { return c.Prefix + "node:" + instance }
func (c *Cluster) heldBy(instance string) string    { return c.Prefix + "held:" + instance }
func (c *Cluster) channelOf(instance string) string { return c.Prefix + "to:" + instance }
func (s *session) leaseKey() string                 { return s.c.leaseOf(s.instance) }
func (s *session) feedChannel() string {
	if s.stream == "" {
		return s.c.Prefix + "feed:" + s.instance
	}
	return s.c.Prefix + "feed:" + s.stream
}
