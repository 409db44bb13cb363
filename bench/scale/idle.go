package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// An idleCost is what so many connections cost that do nothing but answer
// heartbeats.
type idleCost struct {
	Connections     int     `json:"connections"`
	Bytes           int64   `json:"bytes"`           // resident, of the whole server
	BytesEach       float64 `json:"bytesEach"`       // above what an empty server has
	BytesEachOfLast float64 `json:"bytesEachOfLast"` // of those that this step added
	OpenCPU         float64 `json:"openCPU"`         // of opening one of them, in microseconds
	HeartbeatCPU    float64 `json:"heartbeatCPU"`    // for 1,000 connections and minute, in milliseconds
}

// measureIdle opens connections to one server step by step. beats is for how
// long heartbeats are watched: a multiple of PING_INTERVAL.
func measureIdle(ctx context.Context, bin string, steps []int, beats time.Duration, stderr io.Writer) (all []idleCost, failed error) {
	p, err := startServer(ctx, bin, stderr)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	empty, err := settle(ctx, p)
	if err != nil {
		return nil, err
	}
	there, bytes := 0, empty
	for _, n := range steps {
		begun, err := p.CPU()
		if err != nil {
			return nil, err
		}
		crowd, err := measure.Gather(ctx, bin, p.Addr, n-there, false)
		if err != nil {
			return nil, err
		}
		defer func() { failed = errors.Join(failed, crowd.Disperse()) }()
		opened, err := p.CPU()
		if err != nil {
			return nil, err
		}
		c := idleCost{Connections: n, OpenCPU: micros(opened-begun) / float64(n-there)}
		if c.Bytes, err = settle(ctx, p); err != nil {
			return nil, err
		}
		c.BytesEach = float64(c.Bytes-empty) / float64(n)
		c.BytesEachOfLast = float64(c.Bytes-bytes) / float64(n-there)
		there, bytes = n, c.Bytes

		before, err := p.CPU()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := measure.Pause(ctx, beats); err != nil {
			return nil, err
		}
		after, err := p.CPU()
		if err != nil {
			return nil, err
		}
		c.HeartbeatCPU = (after - before).Seconds() * 1e3 / time.Since(start).Minutes() / (float64(n) / 1000)
		fmt.Fprintf(stderr, "%d idle connections: %.2f KB each, heartbeats of 1,000 take %.1f ms a minute\n", n, c.BytesEach/1e3, c.HeartbeatCPU)
		all = append(all, c)
	}
	return all, nil
}

// settle waits until memory has stayed within 1 % for a while, not for ever,
// and returns it.
func settle(ctx context.Context, p *measure.Process) (int64, error) {
	const steady, most, tick = 8, 60, 250 * time.Millisecond
	var recent []int64
	for range most {
		n, err := p.Memory()
		if err != nil {
			return 0, err
		}
		recent = append(recent, n)
		if len(recent) > steady {
			recent = recent[1:]
			low, high := recent[0], recent[0]
			for _, m := range recent {
				low, high = min(low, m), max(high, m)
			}
			if high-low <= high/100 {
				return n, nil
			}
		}
		if err := measure.Pause(ctx, tick); err != nil {
			return 0, err
		}
	}
	return recent[len(recent)-1], nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
