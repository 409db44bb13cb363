package main

import (
	"context"
	"time"
)

// idle opens connections, answers heartbeats, and sees what memory and, for
// -duration, what CPU the server needs for them.
func (l *load) idle(ctx context.Context) (*report, error) {
	l.dialer.buffer = 512
	handle := func(_ int, _ *conn, message []byte) { l.tally.failed(message) }
	start, err := l.mark()
	if err != nil {
		return nil, err
	}
	conns, err := l.connect(ctx, l.clients, l.register, handle)
	if err != nil {
		return nil, err
	}
	defer l.close(conns)
	opened, err := l.mark()
	if err != nil {
		return nil, err
	}
	l.say("%s connected in %.1f s", thousands(int64(len(conns))), float64(opened.at-start.at)/1e9)
	memory, err := l.settle(ctx)
	if err != nil {
		return nil, err
	}
	before, err := l.mark()
	if err != nil {
		return nil, err
	}
	l.watch(ctx, l.duration, nil)
	after, err := l.mark()
	if err != nil {
		return nil, err
	}
	r := l.report(before, after)
	r.Connections = len(conns)
	r.memory(memory)
	r.perConnection(start, opened)
	return r, nil
}

// settle waits until the memory of the server stays within 1 % for two seconds,
// at most for l.settleTime, and returns it.
func (l *load) settle(ctx context.Context) (int64, error) {
	if len(l.pids) == 0 {
		return 0, nil
	}
	ticks := time.NewTicker(250 * time.Millisecond)
	defer ticks.Stop()
	limit := time.NewTimer(l.settleTime)
	defer limit.Stop()
	const steady = 8 // ticks
	var recent []int64
	for {
		n, err := l.rss()
		if err != nil {
			return 0, err
		}
		recent = append(recent, n)
		if len(recent) > steady {
			recent = recent[len(recent)-steady-1:]
			low, high := recent[0], recent[0]
			for _, m := range recent {
				low, high = min(low, m), max(high, m)
			}
			if high-low <= high/100 {
				return n, nil
			}
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return n, nil
		case <-limit.C:
			return n, nil
		}
	}
}
