package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A liveCost is what one instance does while many clients each watch some users who
// come and go.
type liveCost struct {
	Clients  int     `json:"clients"`
	Watching int     `json:"watching"` // users that each client watches, and clients that watch each of these users
	Joins    int     `json:"joins"`    // a second, and as many leaves
	Seconds  float64 `json:"seconds"`
	Memory   int64   `json:"memory"` // resident bytes in the end
	Cores    float64 `json:"cores"`  // busy
	Bytes    float64 `json:"bytes"`  // written, a second

	Relays int     `json:"relays"` // that a pair sent each other meanwhile
	P50    float64 `json:"p50"`    // milliseconds that a relay took
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
}

// measureLive has clients watch users, of whom so many join and leave each second, and
// measures what a relay takes meanwhile.
func measureLive(ctx context.Context, bin string, clients, joins int, d time.Duration, stderr io.Writer) (c liveCost, failed error) {
	const watching = 100
	p, err := startServer(ctx, bin, stderr, "PRESENCE=watched", "MAX_CONNECTIONS=0", "MAX_CONNECTIONS_PER_IP=0")
	if err != nil {
		return c, err
	}
	defer p.Stop()
	c = liveCost{Clients: clients, Watching: watching, Joins: joins}
	const part = 6000 // clients of one process of sigload
	var groups []string
	for there := 0; there < clients; there += part {
		n, name := min(part, clients-there), fmt.Sprint("watched", there)
		crowd, err := measure.Gather(ctx, bin, p.Addr, n, true,
			"-watch", strconv.Itoa(watching), "-watchers", strconv.Itoa(watching), "-watched", name)
		if err != nil {
			return c, err
		}
		defer func() { failed = errors.Join(failed, crowd.Disperse()) }()
		for g := range n / watching {
			groups = append(groups, fmt.Sprintf("%s-%d", name, g))
		}
	}
	pair, err := dialPair(ctx, p.Addr)
	if err != nil {
		return c, err
	}
	defer pair.close()

	running, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	cpu, err := p.CPU()
	if err != nil {
		return c, err
	}
	written, err := p.Written()
	if err != nil {
		return c, err
	}
	start := time.Now()
	var work sync.WaitGroup
	var pairErr, joinErr error
	work.Go(func() { pairErr = pair.talk(running) })
	work.Go(func() { joinErr = comeAndGo(running, p.Addr, groups, watching, joins) })
	work.Wait()
	if err := errors.Join(pairErr, joinErr, ctx.Err()); err != nil {
		return c, err
	}
	c.Seconds = time.Since(start).Seconds()
	cpu2, err := p.CPU()
	if err != nil {
		return c, err
	}
	written2, err := p.Written()
	if err != nil {
		return c, err
	}
	c.Cores, c.Bytes = (cpu2-cpu).Seconds()/c.Seconds, float64(written2-written)/c.Seconds
	if c.Memory, err = p.Memory(); err != nil {
		return c, err
	}
	c.Relays = len(pair.took)
	slices.Sort(pair.took)
	at := func(share float64) float64 {
		return micros(pair.took[min(int(share*float64(c.Relays)), c.Relays-1)]) / 1e3
	}
	c.P50, c.P99, c.Max = at(0.5), at(0.99), at(1)
	return c, nil
}

// comeAndGo has users of all groups join and leave, so many a second, until ctx ends.
// Each stays for a second: its connection then takes the next name.
func comeAndGo(ctx context.Context, addr string, groups []string, each, joins int) error {
	var work sync.WaitGroup
	failed := make(chan error, joins)
	for i := range joins {
		work.Go(func() {
			c, err := measure.Dial(ctx, addr)
			if err != nil {
				failed <- err
				return
			}
			defer c.Close()
			// Spread over the second.
			if measure.Pause(ctx, time.Second*time.Duration(i)/time.Duration(joins)) != nil {
				return
			}
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for n := i; ctx.Err() == nil; n += joins {
				group := groups[n%len(groups)]
				if err := c.Register(fmt.Sprintf("%s-%d", group, n/len(groups)%each)); err != nil {
					failed <- err
					return
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	work.Wait()
	select {
	case err := <-failed:
		return fmt.Errorf("come and go: %w", err)
	default:
		return nil
	}
}

// A pair is two clients who send each other candidates.
type pair struct {
	a, b *measure.Client
	took []time.Duration // from the sender to the other one
}

func dialPair(ctx context.Context, addr string) (*pair, error) {
	a, err := measure.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	b, err := measure.Dial(ctx, addr)
	if err != nil {
		a.Close()
		return nil, err
	}
	p := &pair{a: a, b: b}
	if err := errors.Join(a.Register("pair-a"), b.Register("pair-b")); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pair) close() {
	p.a.Close()
	p.b.Close()
}

// talk sends a relay every ten milliseconds, to and fro, until ctx ends.
func (p *pair) talk(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	from, to := p.a, p.b
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		sent := time.Now()
		from.Queue(fmt.Appendf(nil, `42["ice-candidate",{"to":%q,"from":%q,"candidate":"%0200d"}]`, to.ID, from.ID, len(p.took)))
		if err := from.Flush(); err != nil {
			return fmt.Errorf("pair: %w", err)
		}
		if _, err := to.Await([]byte(`42["ice-candidate"`)); err != nil {
			return fmt.Errorf("pair: %w", err)
		}
		p.took = append(p.took, time.Since(sent))
		from, to = to, from
	}
}
