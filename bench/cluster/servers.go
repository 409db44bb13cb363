package main

import (
	"context"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A system is several instances that are one server, and their Redis.
type system struct {
	store     *store
	instances []*measure.Process
}

// programs are where the servers are.
type programs struct{ root, bin string }

// ours starts instances of the server. presence is the setting PRESENCE.
func (p programs) ours(ctx context.Context, instances int, presence string, stderr io.Writer) (*system, error) {
	return begin(ctx, instances, stderr, func(i int, s *store) measure.Program {
		return measure.Program{
			Name: "signald " + strconv.Itoa(i),
			Args: []string{filepath.Join(p.bin, "signald")},
			Settings: []string{
				"HOST=127.0.0.1", "NODE_ENV=production", "LOG_LEVEL=error", "RATE_LIMIT=0", "MESSAGE_RATE=0",
				"REGISTER_TIMEOUT=1h", "PING_INTERVAL=5m", "INACTIVITY_TIMEOUT=10m", "PRESENCE=" + presence, "RECONNECT_GRACE=0",
				"REDIS_URL=" + s.url(), "REDIS_PREFIX=bench:", "NODE_ID=bench" + strconv.Itoa(i),
			},
		}
	}, (*measure.Process).Ready)
}

// node starts instances of bench/node/cluster.mjs.
func (p programs) node(ctx context.Context, instances int, stderr io.Writer) (*system, error) {
	return begin(ctx, instances, stderr, func(i int, s *store) measure.Program {
		return measure.Program{
			Name: "node " + strconv.Itoa(i), Dir: filepath.Join(p.root, "bench", "node"),
			Args:     []string{"node", "cluster.mjs"},
			Settings: []string{"NODE_ENV=production", "REDIS_URL=" + s.url()},
		}
	}, func(*measure.Process, context.Context) error { return nil })
}

// begin starts a Redis and instances on it.
func begin(ctx context.Context, instances int, stderr io.Writer, program func(int, *store) measure.Program, ready func(*measure.Process, context.Context) error) (*system, error) {
	st, err := startStore(ctx, stderr)
	if err != nil {
		return nil, err
	}
	s := &system{store: st}
	for i := range instances {
		p, err := measure.Start(ctx, program(i, st), stderr)
		if err == nil {
			s.instances = append(s.instances, p)
			err = ready(p, ctx)
		}
		if err != nil {
			s.stop()
			return nil, err
		}
	}
	return s, nil
}

func (s *system) stop() {
	for _, p := range s.instances {
		p.Stop()
	}
	s.store.stop()
}

// A cost is what a system has done up to a moment.
type cost struct {
	at        time.Time
	instances time.Duration // CPU of all
	redis     time.Duration // CPU
	traffic   traffic
}

func (s *system) cost(ctx context.Context) (c cost, err error) {
	c.at = time.Now()
	for _, p := range s.instances {
		cpu, err := p.CPU()
		if err != nil {
			return c, err
		}
		c.instances += cpu
	}
	if c.redis, err = s.store.CPU(); err != nil {
		return c, err
	}
	c.traffic, err = s.store.traffic(ctx)
	return c, err
}
