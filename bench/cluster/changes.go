package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A changesCost is what joins and leaves cost while many come on all instances, as
// they do in a cluster at work.
type changesCost struct {
	Presence  string  `json:"presence"`
	Instances int     `json:"instances"`
	PerSecond float64 `json:"perSecond"` // joins and leaves
	// Lease is how many cores Redis keeps busy for the instances' leases alone.
	Lease float64 `json:"lease"`
	// For each join or leave, in microseconds.
	CPU      float64 `json:"cpu"` // of all instances together
	RedisCPU float64 `json:"redisCPU"`
	Redis    traffic `json:"redis"`
}

// A changesRun says how they come.
type changesRun struct {
	perSecond float64
	duration  time.Duration // and as long without any, before
}

// changes measures it. Users join, stay for a second, and leave.
func (p programs) changes(ctx context.Context, instances int, presence string, run changesRun, stderr io.Writer) (c changesCost, err error) {
	s, err := p.ours(ctx, instances, presence, stderr)
	if err != nil {
		return c, err
	}
	defer s.stop()
	c.Presence, c.Instances = presence, instances
	if err := measure.Pause(ctx, time.Second); err != nil { // all are up
		return c, err
	}
	start, err := s.cost(ctx)
	if err != nil {
		return c, err
	}
	if err := measure.Pause(ctx, run.duration); err != nil {
		return c, err
	}
	before, err := s.cost(ctx)
	if err != nil {
		return c, err
	}
	stays, err := s.stays(ctx, run)
	if err != nil {
		return c, err
	}
	after, err := s.cost(ctx)
	if err != nil {
		return c, err
	}
	idle, busy := before.at.Sub(start.at).Seconds(), after.at.Sub(before.at).Seconds()
	n := 2 * float64(stays)
	rest := func(busyCPU, idleCPU time.Duration) float64 { return per(busyCPU, n) - per(idleCPU, n)*busy/idle }
	c.PerSecond = n / busy
	c.Lease = (before.redis - start.redis).Seconds() / idle
	c.CPU = rest(after.instances-before.instances, before.instances-start.instances)
	c.RedisCPU = rest(after.redis-before.redis, before.redis-start.redis)
	c.Redis = after.traffic.since(before.traffic).less(before.traffic.since(start.traffic), busy/idle).each(n)
	return c, nil
}

// stays has users join and leave on all instances, evenly over the time, and returns
// how many did.
func (s *system) stays(ctx context.Context, run changesRun) (int, error) {
	n := int(run.perSecond / 2 * run.duration.Seconds())
	failed := make(chan error, 1) // the first failure
	begun := time.Now()
	var stays sync.WaitGroup
	for i := range n {
		due := time.Duration(float64(i) * 2 / run.perSecond * float64(time.Second))
		if err := measure.Pause(ctx, due-time.Since(begun)); err != nil {
			break
		}
		stays.Go(func() {
			if err := s.stay(ctx, i); err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	stays.Wait()
	select {
	case err := <-failed:
		return 0, err
	default:
		return n, ctx.Err()
	}
}

// stay has the i-th user join, and leave a second later.
func (s *system) stay(ctx context.Context, i int) error {
	client, err := measure.Dial(ctx, s.instances[i%len(s.instances)].Addr)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.Register(fmt.Sprintf("user-%08d", i)); err != nil {
		return err
	}
	if err := measure.Pause(ctx, time.Second); err != nil {
		return err
	}
	return client.Leave()
}

// per is a CPU time for each of n, in microseconds.
func per(d time.Duration, n float64) float64 { return float64(d.Nanoseconds()) / 1e3 / n }
