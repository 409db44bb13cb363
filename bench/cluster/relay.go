package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// A relayRun is how one relay run is made.
type relayRun struct {
	pairs, window, size int
	warmup, duration    time.Duration
	warm                int64 // relays of the warm-up, at least: Node compiles what it runs often
}

// A relayCost is what one relay from one instance to the other costs. CPU
// times are in microseconds.
type relayCost struct {
	Messages  int64   `json:"messages"`
	Seconds   float64 `json:"seconds"`
	Faults    int64   `json:"faults"` // messages that were lost, not the next one, or not as they were sent
	CPU       float64 `json:"cpu"`    // of all instances
	RedisCPU  float64 `json:"redisCPU"`
	Redis     traffic `json:"redis"`
	Commands  float64 `json:"redisCommands"`
	PerSecond float64 `json:"messagesPerSecond"`
}

// A side is one client of a pair.
type side struct {
	*measure.Client
	peer     string
	sent     int64 // how many were sent, the number of the next one
	next     int64 // the number that is expected
	template []byte
	numberAt int // where the number is in template
	expected []byte
	expectAt int
}

const digits = 10

func newSide(c *measure.Client, peer string, size int) *side {
	const start = `{"candidate":"candidate:`
	end := ` 1 udp 2122260223 192.168.178.23 54321 typ host`
	const tail = `","sdpMid":"0","sdpMLineIndex":0}`
	if more := size - len(start) - digits - len(end) - len(tail); more > 0 {
		end += " " + strings.Repeat("x", more-1)
	}
	body := start + strings.Repeat("0", digits) + end + tail + `}]`
	s := &side{Client: c, peer: peer}
	head := `42["ice-candidate",{"to":"` + peer + `","from":"` + c.ID + `","candidate":`
	s.template, s.numberAt = []byte(head+body), len(head)+len(start)
	head = `42["ice-candidate",{"from":"` + peer + `","candidate":`
	s.expected, s.expectAt = []byte(head+body), len(head)+len(start)
	return s
}

func number(dst []byte, n int64) {
	for i := digits - 1; i >= 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
}

func (s *side) send() {
	number(s.template[s.numberAt:], s.sent)
	s.sent++
	s.Queue(s.template)
}

// receive reports whether message is the one that is expected.
func (s *side) receive(message []byte) bool {
	number(s.expected[s.expectAt:], s.next)
	s.next++
	return bytes.Equal(message, s.expected)
}

// relay has pairs, one client on the first instance and one on the second,
// send each other candidates, as many under way as the window says.
func (s *system) relay(ctx context.Context, run relayRun) (r relayCost, err error) {
	sides := make([]*side, 2*run.pairs)
	defer func() {
		for _, c := range sides {
			if c != nil {
				c.Close()
			}
		}
	}()
	name := func(i int) string { return fmt.Sprintf("pair-%04d-%d", i/2, i%2) }
	for i := range sides {
		c, err := measure.Dial(ctx, s.instances[i%2].Addr)
		if err != nil {
			return r, err
		}
		c.ID = name(i)
		sides[i] = newSide(c, name(i^1), run.size)
		if err := c.Register(c.ID); err != nil {
			return r, err
		}
	}
	for _, c := range sides[:2] { // one of each instance
		err := measure.Until(ctx, "every instance knows all users", func() bool {
			n, err := c.Users()
			return err != nil || n == len(sides)-1
		})
		if err != nil {
			return r, err
		}
	}

	var received, faults atomic.Int64
	var ending atomic.Bool
	failed := make(chan error, len(sides))
	var readers sync.WaitGroup
	for i, c := range sides {
		if i%2 == 0 {
			for range run.window {
				c.send()
			}
		}
		readers.Go(func() {
			for {
				message, err := c.Next()
				switch {
				case err != nil:
					if !ending.Load() {
						failed <- err
					}
					return
				case bytes.HasPrefix(message, []byte(`42["peer-`)):
					continue
				case !c.receive(message):
					faults.Add(1)
				}
				received.Add(1)
				if !ending.Load() {
					c.send()
				}
			}
		})
	}
	wait := func(d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case err := <-failed:
			return fmt.Errorf("a connection ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
	var before, after cost
	var first, last int64
	for err = wait(run.warmup); err == nil && received.Load() < run.warm; {
		err = wait(100 * time.Millisecond)
	}
	if err == nil {
		before, err = s.cost(ctx)
		first = received.Load()
	}
	if err == nil {
		err = wait(run.duration)
	}
	if err == nil {
		after, err = s.cost(ctx)
		last = received.Load()
	}
	ending.Store(true)
	err = errors.Join(err, drain(ctx, &received))
	for _, c := range sides {
		c.Close()
	}
	readers.Wait()
	if err != nil {
		return r, err
	}
	lost := -received.Load()
	for _, c := range sides {
		lost += c.sent
	}
	n := float64(last - first)
	if n == 0 {
		return r, errors.New("nothing was relayed")
	}
	done := after.traffic.since(before.traffic)
	r.Messages, r.Seconds, r.Faults = last-first, after.at.Sub(before.at).Seconds(), faults.Load()+lost
	r.CPU = float64((after.instances - before.instances).Nanoseconds()) / 1e3 / n
	r.RedisCPU = float64((after.redis - before.redis).Nanoseconds()) / 1e3 / n
	r.Redis, r.Commands = done.each(n), done.total()/n
	r.PerSecond = n / r.Seconds
	return r, nil
}

// drain waits until nothing has arrived for a while: what is missing then is
// lost.
func drain(ctx context.Context, received *atomic.Int64) error {
	last, since := received.Load(), time.Now()
	return measure.Until(ctx, "nothing is under way", func() bool {
		if n := received.Load(); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}
