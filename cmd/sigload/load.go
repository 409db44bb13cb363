package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// A load is one run of one scenario.
type load struct {
	*options
	dialer   dialer
	tally    tally
	progress io.Writer
	run      string // part of all names, so that runs do not meet

	latency histogram            // of the messages, or of what the scenario says
	count   func() int64         // messages that were received so far
	opened  func(i int, c *conn) // called for each connection once it is read

	ending  atomic.Bool // connections may end
	readers sync.WaitGroup
	memory  int64 // of the server, before the first connection
}

func newLoad(o *options, progress io.Writer) *load {
	var run [3]byte
	_, _ = rand.Read(run[:])
	return &load{
		options:  o,
		dialer:   dialer{url: o.target(), from: o.from, tls: o.tls(), timeout: o.timeout, buffer: 16 << 10},
		tally:    tally{protocol: o.protocol},
		progress: progress,
		run:      hex.EncodeToString(run[:]),
		count:    func() int64 { return 0 },
		opened:   func(int, *conn) {},
	}
}

// name is the name of client number i of this run.
func (l *load) name(i int) string { return fmt.Sprintf("load-%s-%07d", l.run, i) }

// watchedBy are the users whom client number i watches.
func (l *load) watchedBy(i int) []string {
	ids := make([]string, l.watchEach)
	for k := range ids {
		ids[k] = fmt.Sprintf("%s-%d-%d", l.watched, i/l.watchers, k)
	}
	return ids
}

// connect opens n connections, several at a time, and registers them if so
// wanted. Each is then read by a goroutine that gives its messages to handle.
func (l *load) connect(ctx context.Context, n int, register bool, handle func(i int, c *conn, message []byte)) ([]*conn, error) {
	if err := enoughFiles(n); err != nil {
		return nil, err
	}
	interrupted := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conns := make([]*conn, n)
	var next, done atomic.Int64
	var workers sync.WaitGroup
	for range 16 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				c, err := l.open(ctx, i, register)
				if err != nil {
					cancel(fmt.Errorf("connection %d of %d: %w", i+1, n, err))
					return
				}
				conns[i] = c
				l.read(c, func(message []byte) { handle(i, c, message) })
				l.opened(i, c)
				done.Add(1)
			}
		})
	}
	finished := make(chan struct{})
	go func() { workers.Wait(); close(finished) }()
	for ticks := time.NewTicker(time.Second); ; {
		select {
		case <-ticks.C:
			l.say("%s of %s connected", thousands(done.Load()), thousands(int64(n)))
			continue
		case <-finished:
		}
		ticks.Stop()
		break
	}
	if err := context.Cause(ctx); err != nil {
		l.close(conns)
		if interrupted.Err() != nil {
			err = errors.New("interrupted before anything was measured")
		}
		return nil, err
	}
	return conns, nil
}

func (l *load) open(ctx context.Context, i int, register bool) (*conn, error) {
	c, err := l.dialer.dial(ctx, i)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.nc.Close() })
	_ = c.nc.SetDeadline(time.Now().Add(l.timeout))
	err = l.protocol.open(c)
	if err == nil && register {
		err = l.protocol.register(c, l.name(i))
	}
	if err == nil && register && l.watchEach > 0 {
		err = l.protocol.watch(c, l.watchedBy(i))
	}
	_ = c.nc.SetDeadline(time.Time{})
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		c.nc.Close()
		return nil, err
	}
	return c, nil
}

// read starts the goroutine that reads a connection, until it ends.
func (l *load) read(c *conn, handle func(message []byte)) {
	l.readers.Go(func() {
		defer c.nc.Close()
		for {
			message, err := l.protocol.next(c)
			if err != nil {
				l.ended(err)
				return
			}
			handle(message)
		}
	})
}

// ended takes note of the end of a connection.
func (l *load) ended(err error) {
	if !l.ending.Load() {
		l.tally.count(err.Error())
	}
}

// close ends all connections in order, and waits for their readers.
func (l *load) close(conns []*conn) {
	l.ending.Store(true)
	deadline := time.Now().Add(2 * time.Second)
	for _, c := range conns {
		if c != nil {
			_ = c.nc.SetDeadline(deadline)
			c.bye()
		}
	}
	l.readers.Wait()
}

// bye begins the closing handshake.
func (c *conn) bye() {
	c.queue(ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))
	_ = c.flush()
}

// A mark is how far a run has come.
type mark struct {
	at       int64
	messages int64
	server   time.Duration // CPU
	own      time.Duration
	latency  *distribution
}

func (l *load) mark() (mark, error) {
	m := mark{at: now(), messages: l.count(), own: ownCPU(), latency: l.latency.read()}
	for _, pid := range l.pids {
		cpu, err := processCPU(pid)
		if err != nil {
			return m, err
		}
		m.server += cpu
	}
	return m, nil
}

// rss is the resident memory of the servers.
func (l *load) rss() (sum int64, err error) {
	for _, pid := range l.pids {
		n, err := processMemory(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// watch reports progress once a second until ctx ends, which is not an error, or
// until done is closed or d has passed.
func (l *load) watch(ctx context.Context, d time.Duration, done <-chan struct{}) {
	timer, ticks := time.NewTimer(d), time.NewTicker(time.Second)
	defer timer.Stop()
	defer ticks.Stop()
	begin := now()
	at, messages, latency := begin, l.count(), l.latency.read()
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-timer.C:
			return
		case <-ticks.C:
		}
		at2, messages2, latency2 := now(), l.count(), l.latency.read()
		recent := latency2.since(latency)
		line := fmt.Sprintf("%3.0f s  %9s messages/s", float64(at2-begin)/1e9, thousands((messages2-messages)*1e9/(at2-at)))
		if recent.total > 0 {
			line += fmt.Sprintf("  p50 %s ms  p99 %s ms", millis(recent.percentile(50)), millis(recent.percentile(99)))
		}
		if n := l.faults(); n > 0 {
			line += fmt.Sprintf("  faults %s", thousands(n))
		}
		l.say("%s", line)
		at, messages, latency = at2, messages2, latency2
	}
}

// faults is how much has gone wrong so far.
func (l *load) faults() int64 {
	t := &l.tally
	n := t.lost.Load() + t.reordered.Load() + t.duplicated.Load() + t.altered.Load()
	for _, errors := range t.all() {
		n += errors
	}
	return n
}

func (l *load) say(format string, args ...any) {
	if !l.quiet {
		fmt.Fprintf(l.progress, format+"\n", args...)
	}
}

// errFaults is the end of a run that came through, but not without faults.
var errFaults = errors.New("messages were lost, reordered, duplicated, altered or refused")

// verdict is errFaults or nil.
func (l *load) verdict() error {
	t := &l.tally
	if t.lost.Load()+t.reordered.Load()+t.duplicated.Load()+t.altered.Load() > 0 ||
		!l.allowErrors && len(t.all()) > 0 {
		return errFaults
	}
	return nil
}
