package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A watchedCost is what it costs with PRESENCE=watched that one user joins or leaves,
// by how many clients watch that user.
type watchedCost struct {
	Users    int    `json:"users"` // who are there, the watchers not counted
	Watchers int    `json:"watchers"`
	Join     change `json:"join"`
	Leave    change `json:"leave"`
	Together change `json:"together"`
}

// measureWatched has more and more clients watch all users who join and leave, while
// others are there that nobody watches.
func measureWatched(ctx context.Context, bin string, users, watchers []int, joiners int, stderr io.Writer) (all []watchedCost, err error) {
	for _, n := range users {
		steps := watchers
		if n != users[len(users)-1] {
			steps = watchers[:1]
		}
		costs, err := watchedBy(ctx, bin, n, steps, joiners, stderr)
		if err != nil {
			return nil, fmt.Errorf("%d users: %w", n, err)
		}
		all = append(all, costs...)
	}
	return all, nil
}

func watchedBy(ctx context.Context, bin string, users int, watchers []int, joiners int, stderr io.Writer) (all []watchedCost, failed error) {
	p, err := startServer(ctx, bin, stderr, "PRESENCE=watched", "RECONNECT_GRACE=0", "PING_INTERVAL=10m", "INACTIVITY_TIMEOUT=20m")
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	crowd, err := measure.Gather(ctx, bin, p.Addr, users, true)
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, crowd.Disperse()) }()
	for _, n := range watchers {
		// All of them watch all who join.
		audience, err := measure.Gather(ctx, bin, p.Addr, n, true,
			"-watch", strconv.Itoa(2*joiners), "-watchers", strconv.Itoa(max(n, 1)), "-watched", "watched")
		if err != nil {
			return nil, err
		}
		c, err := joins(ctx, p, joiners, "watched")
		if err = errors.Join(err, audience.Disperse()); err != nil {
			return nil, fmt.Errorf("%d watchers: %w", n, err)
		}
		fmt.Fprintf(stderr, "PRESENCE=watched, %d users, %d watchers: a join takes %.0f µs and %.0f bytes\n", users, n, c.Join.CPU, c.Join.Bytes)
		all = append(all, watchedCost{users, n, c.Join, c.Leave, c.Together})
	}
	return all, nil
}
