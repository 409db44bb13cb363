package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// relay lets pairs of clients send each other candidates. Without a rate each
// answers every message with its next one; with a rate messages are sent when
// they are due, whatever has come back, and latency counts from then.
func (l *load) relay(ctx context.Context) (*report, error) {
	b, err := l.relayed()
	if err != nil {
		return nil, err
	}
	directions := make([]*direction, 2*l.pairs) // by sender
	for i := range directions {
		t := l.protocol.template(l.name(i), l.name(i^1), b, l.raw)
		directions[i] = &direction{name: l.name(i), rest: t, tally: &l.tally}
		if l.rate == 0 {
			directions[i].times = make([]atomic.Int64, l.window)
		}
	}
	l.count = func() (n int64) {
		for _, d := range directions {
			n += d.received.Load()
		}
		return n
	}

	var schedule schedule
	var stopped atomic.Bool
	handle := func(i int, c *conn, message []byte) {
		d := directions[i^1]
		n := d.receive(message)
		if n < 0 {
			return
		}
		if l.rate > 0 {
			schedule.arrived(&l.latency, c.readAt, n, i^1)
			return
		}
		at := now()
		l.latency.add(c.readAt - d.sentAt(n))
		if !stopped.Load() {
			directions[i].send(at)
		}
	}
	conns, err := l.connect(ctx, len(directions), true, handle)
	if err != nil {
		return nil, err
	}
	defer l.close(conns)
	for i, c := range conns {
		directions[i].from = c
	}

	sending, stop := context.WithCancel(ctx)
	defer stop()
	var senders sync.WaitGroup
	if l.rate > 0 {
		schedule.begin(l.rate, len(directions), l.warmup)
		senders.Go(func() { l.offer(sending, &schedule, directions) })
	} else {
		for i := 0; i < len(directions); i += 2 {
			for range l.window {
				directions[i].send(now())
			}
			if err := conns[i].flush(); err != nil {
				l.ended(err)
			}
		}
	}
	l.watch(ctx, l.warmup, nil)
	before, err := l.mark()
	if err != nil {
		return nil, err
	}
	l.watch(ctx, l.duration, nil)
	after, err := l.mark()
	if err != nil {
		return nil, err
	}
	memory, err := l.rss()
	if err != nil {
		return nil, err
	}
	stopped.Store(true)
	stop()
	senders.Wait()
	l.drain(ctx, directions)

	r := l.report(before, after)
	r.Bytes = len(b.text)
	if l.rate > 0 {
		// What was due in the time, whenever it came.
		r.latency("relay", l.latency.read(), true)
		r.latency("late sends of sigload's own", schedule.late.read(), false)
	} else {
		r.Window = l.window
		r.latency("relay", after.latency.since(before.latency), false)
	}
	r.perMessage(before, after)
	r.Connections = len(conns)
	r.memory(memory)
	return r, nil
}

// relayed is the body that the options ask for.
func (l *load) relayed() (body, error) {
	if l.event == "ice-candidate" {
		return candidate(l.size)
	}
	return description(l.event, l.size)
}

// drain waits until all that was sent has arrived, at most for l.drainTime, and
// counts the rest as lost, unless the server answered with an error.
func (l *load) drain(ctx context.Context, directions []*direction) {
	underway := func() (n int64) {
		for _, d := range directions {
			n += d.sent.Load() - d.received.Load()
		}
		return n - l.tally.answers.Load()
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.drainTime)
	defer cancel()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for underway() > 0 && deadline.Err() == nil {
		select {
		case <-ticks.C:
		case <-deadline.Done():
		}
	}
	l.tally.lost.Add(max(underway(), 0))
}

// A schedule says when which message is due: the directions take turns.
type schedule struct {
	start      atomic.Int64
	interval   float64 // nanoseconds
	directions int
	measured   int64 // messages that are due from then on are measured
	late       histogram
}

func (s *schedule) begin(rate float64, directions int, warmup time.Duration) {
	s.interval, s.directions = 1e9/rate, directions
	start := now() + int64(time.Millisecond)
	s.measured = start + int64(warmup)
	s.start.Store(start)
}

// due is when message number n of a direction is due.
func (s *schedule) due(n int64, direction int) int64 {
	return s.start.Load() + int64(float64(n*int64(s.directions)+int64(direction))*s.interval)
}

func (s *schedule) arrived(latency *histogram, at, n int64, direction int) {
	if due := s.due(n, direction); due >= s.measured {
		latency.add(at - due)
	}
}

// offer sends each message when it is due, until ctx ends.
func (l *load) offer(ctx context.Context, s *schedule, directions []*direction) {
	defer preciseWaits()()
	for n := int64(0); ; n++ {
		for i, d := range directions {
			due := s.due(n, i)
			waitUntil(due)
			if ctx.Err() != nil {
				return
			}
			at := now()
			d.send(at)
			if err := d.from.flush(); err != nil {
				l.ended(err) // what it should have sent counts as lost
				continue
			}
			if due >= s.measured {
				s.late.add(at - due)
			}
		}
	}
}
