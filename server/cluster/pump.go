package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/server/hub"
)

// pump sends what is queued, all that has come together in one step, until the
// session ends.
func (s *session) pump() {
	for {
		select {
		case <-s.wake:
		case <-s.stop:
			return
		}
		for {
			// Those who can run now may have more to send: what leaves together
			// costs all instances less.
			runtime.Gosched()
			sent, err := s.send()
			if err != nil {
				s.fail(err)
				return
			}
			if !sent {
				break
			}
			select {
			case <-s.stop:
				return
			default:
			}
		}
	}
}

// kick has the pump look for what there is to send.
func (c *Cluster) kick() {
	if s := c.current(); s != nil {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// maxLookups bounds how many names are asked for together.
const maxLookups = 512

// send sends what is queued now. It reports false if nothing was.
func (s *session) send() (bool, error) {
	c := s.c
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	s.sending.Store(true)
	defer s.sending.Store(false)

	list := c.takeChanges()
	out, names := c.relays.take()
	if len(list) == 0 && len(out) == 0 && len(names) == 0 {
		return false, nil
	}
	pipe := s.redis.Pipeline()
	published := make([]*redis.IntCmd, len(out))
	for i, p := range out {
		published[i] = pipe.Publish(ctx, c.channelOf(p.instance), p.message)
		c.counts.commands.Add(1)
	}
	// After the relays: what somebody sent before leaving arrives before the
	// news of that.
	var changed *redis.Cmd
	if len(list) > 0 {
		changed = s.evalChanges(ctx, pipe, "", list)
		c.counts.commands.Add(1)
	}
	var found, away *redis.SliceCmd
	if len(names) > 0 {
		found = pipe.HMGet(ctx, c.namesKey(), names...)
		away = pipe.HMGet(ctx, c.awayKey(), names...)
		c.counts.commands.Add(2)
	}
	_, _ = pipe.Exec(ctx)    // each command has its own error
	defer c.relays.sent(out) // unreached reads them

	if changed != nil && changed.Err() != nil {
		return true, scriptError("change", changed.Err())
	}
	if changed != nil {
		refused, err := changed.StringSlice()
		if err != nil {
			return true, fmt.Errorf("change: %w", err)
		}
		c.refused(refused)
	}
	for i, p := range published {
		if p.Err() != nil {
			return true, fmt.Errorf("publish: %w", p.Err())
		}
		if p.Val() == 0 {
			c.unreached(out[i].message)
		}
	}
	if found != nil {
		if found.Err() != nil {
			return true, fmt.Errorf("lookup: %w", found.Err())
		}
		if away.Err() != nil {
			return true, fmt.Errorf("lookup: %w", away.Err())
		}
		for i, value := range found.Val() {
			var h *holder
			if text, ok := value.(string); ok {
				if parsed, ok := parseHolder(text); ok {
					h = &parsed
				}
			}
			said, _ := away.Val()[i].(string)
			c.found(s, names[i], h, said)
		}
		c.kick()
	}
	return true, nil
}

// A parcel is a message for an instance.
type parcel struct {
	instance string
	message  []byte
}

// maxTaken bounds what is published in one step, in bytes.
const maxTaken = 4 * maxPublish

// take takes what is to be published and looked up.
func (rs *relays) take() (out []parcel, names []string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	size := 0
	for instance, messages := range rs.out {
		for size < maxTaken && len(messages) > 0 {
			out = append(out, parcel{instance, messages[0]})
			size += len(messages[0])
			messages = messages[1:]
		}
		if len(messages) == 0 {
			delete(rs.out, instance)
		} else {
			rs.out[instance] = messages
		}
	}
	n := min(len(rs.lookup), maxLookups)
	names = rs.lookup[:n:n]
	rs.lookup = rs.lookup[n:]
	return out, names
}

// unreached takes note that nobody got what was published to an instance: it is
// gone, or no more the one that it was.
func (c *Cluster) unreached(message []byte) {
	in := reader{p: message}
	in.text()
	var left work
	for len(in.p) > 0 {
		switch in.byte() {
		case itemRelay:
			id := in.number()
			in.relay()
			c.relays.answered(c, id, codeMoved, &left)
		case itemAnswer:
			in.number()
			in.byte()
		case itemReport, itemFailed:
			in.number()
			in.text()
		}
	}
	c.carryOut(left, nil)
	c.kick()
}

// idle reports whether nothing is left to be told.
func (s *session) idle() bool {
	c := s.c
	c.changes.mu.Lock()
	queued := len(c.changes.queue)
	c.changes.mu.Unlock()
	c.relays.mu.Lock()
	queued += len(c.relays.out)
	c.relays.mu.Unlock()
	return queued == 0 && !s.sending.Load()
}

// Lookup asks the directory who holds a name that the hub does not know: a user
// of another instance, or nil. It waits for the answer.
func (c *Cluster) Lookup(id string) *hub.User {
	s := c.current()
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	c.counts.commands.Add(1)
	value, err := s.lookups.HGet(ctx, c.namesKey(), id).Result()
	if err != nil {
		if !errors.Is(err, redis.Nil) {
			c.Log.Debug("lookup failed", "node", c.Name, "error", err.Error())
		}
		return nil
	}
	h, ok := parseHolder(value)
	if !ok || c.current() == nil || h.process() == c.process {
		return c.Hub.Find([]byte(id))
	}
	return c.user(id, h)
}

// counts are what the metrics show.
type counts struct {
	changes        atomic.Uint64 // of the directory that were applied
	commands       atomic.Uint64 // sent to Redis, besides renewals
	rejoins        atomic.Uint64
	sent, received outcomes
}

// outcomes are how relays ended: well, or not.
type outcomes struct{ ok, failed atomic.Uint64 }

func (o *outcomes) count(code hub.Outcome) {
	if code == hub.OK {
		o.ok.Add(1)
	} else {
		o.failed.Add(1)
	}
}

// Totals are figures that only grow.
type Totals struct {
	Sent, SentFailed         uint64 // relays to other instances
	Received, ReceivedFailed uint64 // relays from them
	Changes                  uint64 // of the directory that were applied
	Commands                 uint64 // sent to Redis, besides those for the lease
	Rejoins                  uint64 // times that this instance joined anew
	HeldExpired              uint64 // held relays whose target did not come back
}

// Totals returns the figures of now.
func (c *Cluster) Totals() Totals {
	n := &c.counts
	c.relays.mu.Lock()
	expired := c.relays.expired
	c.relays.mu.Unlock()
	return Totals{
		HeldExpired: expired,
		Sent:        n.sent.ok.Load(), SentFailed: n.sent.failed.Load(),
		Received: n.received.ok.Load(), ReceivedFailed: n.received.failed.Load(),
		Changes: n.changes.Load(), Commands: n.commands.Load(), Rejoins: n.rejoins.Load(),
	}
}
