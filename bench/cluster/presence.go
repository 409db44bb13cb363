package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A presenceCost is what Redis does for one user who joins, and for one who
// leaves, beside so many users on so many instances.
type presenceCost struct {
	Presence  string  `json:"presence"`
	Instances int     `json:"instances"`
	Users     int     `json:"users"`
	Join      traffic `json:"join"`
	Leave     traffic `json:"leave"`
}

// settled is how long an instance must have written nothing to its clients
// until everybody is taken to have heard. It is below the second after which
// leases are renewed.
const settled = 100 * time.Millisecond

// renewal is the command that is done once for each renewal of a lease, and
// never else.
const renewal = "pexpire"

// presence measures joins and leaves, one at a time, while crowds of users are
// there.
func (p programs) presence(ctx context.Context, instances int, presence string, users []int, joiners int, quiet time.Duration, report func(presenceCost), stderr io.Writer) (failed error) {
	s, err := p.ours(ctx, instances, presence, stderr)
	if err != nil {
		return err
	}
	defer s.stop()
	there := 0
	for _, n := range users {
		for i, instance := range s.instances {
			// Each gets its share of those that are still missing.
			share := (n-there)*(i+1)/instances - (n-there)*i/instances
			crowd, err := measure.Gather(ctx, p.bin, instance.Addr, share, true)
			if err != nil {
				return err
			}
			defer func() { failed = errors.Join(failed, crowd.Disperse()) }()
		}
		there = n
		c, err := s.joins(ctx, joiners, quiet)
		if err != nil {
			return fmt.Errorf("%d users: %w", n, err)
		}
		c.Presence, c.Instances, c.Users = presence, instances, n
		report(c)
	}
	return nil
}

// joins has users join one after the other, and then leave.
func (s *system) joins(ctx context.Context, joiners int, quiet time.Duration) (c presenceCost, err error) {
	clients := make([]*measure.Client, joiners)
	defer func() {
		for _, client := range clients {
			if client != nil {
				client.Close()
			}
		}
	}()
	for i := range clients {
		if clients[i], err = measure.Dial(ctx, s.instances[0].Addr); err != nil {
			return c, err
		}
	}
	// What Redis does without any joins: leases are renewed.
	if err := s.hushed(ctx); err != nil {
		return c, err
	}
	before, err := s.store.traffic(ctx)
	if err == nil {
		err = measure.Pause(ctx, quiet)
	}
	if err != nil {
		return c, err
	}
	after, err := s.store.traffic(ctx)
	if err != nil {
		return c, err
	}
	idle := after.since(before)
	if idle.Commands[renewal] == 0 {
		return c, errors.New("no lease was renewed")
	}
	idle = idle.each(idle.Commands[renewal])

	step := func(do func(i int) error) (traffic, error) {
		before, err := s.store.traffic(ctx)
		for i := range clients {
			err = errors.Join(err, do(i))
			err = errors.Join(err, s.hushed(ctx))
			if err != nil {
				return traffic{}, err
			}
		}
		after, err := s.store.traffic(ctx)
		done := after.since(before)
		return done.less(idle, done.Commands[renewal]).each(float64(len(clients))), err
	}
	if c.Join, err = step(func(i int) error {
		return clients[i].Register(fmt.Sprintf("joiner-%08d", i))
	}); err != nil {
		return c, err
	}
	c.Leave, err = step(func(i int) error { return clients[i].Leave() })
	return c, err
}

// hushed waits until no instance has written anything for a while.
func (s *system) hushed(ctx context.Context) error {
	type last struct {
		written int64
		since   time.Time
	}
	seen := make([]last, len(s.instances))
	return measure.Until(ctx, "all have heard", func() bool {
		all := true
		for i, p := range s.instances {
			n, err := p.Written()
			if err != nil || n != seen[i].written {
				seen[i].written, seen[i].since = n, time.Now()
			}
			all = all && err == nil && time.Since(seen[i].since) >= settled
		}
		return all
	})
}
