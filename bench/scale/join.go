package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A joinCost is what it costs that one user joins or leaves while others are
// there.
type joinCost struct {
	Presence string `json:"presence"`
	Users    int    `json:"users"`
	Join     change `json:"join"`     // one, when all have heard of the one before
	Leave    change `json:"leave"`    // likewise
	Together change `json:"together"` // a join among many at once
}

// A change is what the server does for one join or leave, until everybody has
// heard of it.
type change struct {
	CPU   float64 `json:"cpu"`   // microseconds
	Bytes float64 `json:"bytes"` // written, headers of TCP and IP not counted
}

// measureJoins fills one server with registered users step by step, and sees at
// each step what joins and leaves cost. Heartbeats are off meanwhile.
func measureJoins(ctx context.Context, bin, presence string, steps []int, joiners int, stderr io.Writer) (all []joinCost, failed error) {
	p, err := startServer(ctx, bin, stderr, "PRESENCE="+presence, "RECONNECT_GRACE=0", "PING_INTERVAL=10m", "INACTIVITY_TIMEOUT=20m")
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	there := 0
	for _, n := range steps {
		crowd, err := measure.Gather(ctx, bin, p.Addr, n-there, true)
		if err != nil {
			return nil, err
		}
		defer func() { failed = errors.Join(failed, crowd.Disperse()) }()
		there = n
		c, err := joins(ctx, p, joiners, "joiner")
		if err != nil {
			return nil, fmt.Errorf("%d users: %w", n, err)
		}
		c.Presence, c.Users = presence, n
		fmt.Fprintf(stderr, "PRESENCE=%s, %d users: a join takes %.0f µs and %.0f bytes\n", presence, n, c.Join.CPU, c.Join.Bytes)
		all = append(all, c)
	}
	return all, nil
}

// joins has users join one by one, leave one by one, and join together. Their names are
// NAME-0-0, NAME-0-1, ….
func joins(ctx context.Context, p *measure.Process, n int, name string) (c joinCost, err error) {
	var clients []*measure.Client
	defer func() {
		for _, client := range clients {
			client.Close()
		}
	}()
	connect := func() error {
		clients = clients[:0]
		for range n {
			client, err := measure.Dial(ctx, p.Addr)
			if err != nil {
				return err
			}
			clients = append(clients, client)
		}
		return p.Quiet(ctx, quiet)
	}
	if err := connect(); err != nil {
		return c, err
	}
	if c.Join, err = cost(ctx, p, n, func() error {
		for i, client := range clients {
			if err := errors.Join(client.Register(fmt.Sprintf("%s-0-%d", name, i)), p.Quiet(ctx, heard)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return c, err
	}
	if c.Leave, err = cost(ctx, p, n, func() error {
		for _, client := range clients {
			if err := errors.Join(client.Leave(), p.Quiet(ctx, heard)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return c, err
	}
	if err := connect(); err != nil {
		return c, err
	}
	if c.Together, err = cost(ctx, p, n, func() error {
		failed := make(chan error, n)
		var joining sync.WaitGroup
		for i, client := range clients {
			joining.Go(func() { failed <- client.Register(fmt.Sprintf("%s-0-%d", name, n+i)) })
		}
		joining.Wait()
		close(failed)
		for err := range failed {
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return c, err
	}
	for _, client := range clients {
		if err := client.Leave(); err != nil {
			return c, err
		}
	}
	return c, p.Quiet(ctx, quiet)
}

const (
	// heard is how long a server must have written nothing until the next one
	// joins or leaves. What a busy machine delays longer counts with the next.
	heard = 20 * time.Millisecond
	// quiet is the same between measurements, where it would count wrongly.
	quiet = 500 * time.Millisecond
)

// cost is what do costs for each of n, until the server is quiet again.
func cost(ctx context.Context, p *measure.Process, n int, do func() error) (c change, err error) {
	cpu, err := p.CPU()
	if err != nil {
		return c, err
	}
	bytes, err := p.Written()
	if err != nil {
		return c, err
	}
	if err := errors.Join(do(), p.Quiet(ctx, quiet)); err != nil {
		return c, err
	}
	cpu2, err := p.CPU()
	if err != nil {
		return c, err
	}
	bytes2, err := p.Written()
	c.CPU, c.Bytes = micros(cpu2-cpu)/float64(n), float64(bytes2-bytes)/float64(n)
	return c, err
}
