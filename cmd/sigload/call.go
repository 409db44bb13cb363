package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// candidates is how many of them each side of a call sends.
const candidates = 20

// calls is what all calls of a run share.
type calls struct {
	*load
	offer, answer, candidate body

	next     atomic.Int64 // number of the next call
	done     atomic.Int64
	messages atomic.Int64
	answered histogram // offer to answer
}

// call makes calls, as many at a time as there are pairs. With a rate they
// begin when they are due, and latency counts from then.
func (l *load) call(ctx context.Context) (*report, error) {
	s := &calls{load: l}
	var err1, err2, err3 error
	s.offer, err1 = description("offer", l.size)
	s.answer, err2 = description("answer", l.size)
	s.candidate, err3 = candidate(200)
	if err := errors.Join(err1, err2, err3, enoughFiles(2*l.pairs)); err != nil {
		return nil, err
	}
	l.count = s.messages.Load

	calling, stop := context.WithCancel(ctx)
	defer stop()
	start := now()
	var workers sync.WaitGroup
	for range l.pairs {
		workers.Go(func() {
			for {
				n := s.next.Add(1) - 1
				due := now()
				if l.rate > 0 {
					due = start + int64(float64(n)/l.rate*1e9)
				}
				wait := time.NewTimer(time.Duration(due - now()))
				select {
				case <-wait.C:
				case <-calling.Done():
				}
				wait.Stop()
				if calling.Err() != nil {
					return
				}
				s.make(n, due)
			}
		})
	}
	l.watch(ctx, l.warmup, nil)
	before, err := l.mark()
	if err != nil {
		return nil, err
	}
	doneBefore := s.done.Load()
	l.watch(ctx, l.duration, nil)
	after, err := l.mark()
	if err != nil {
		return nil, err
	}
	done := s.done.Load() - doneBefore
	memory, err := l.rss()
	if err != nil {
		return nil, err
	}
	stop()
	workers.Wait() // calls that have begun end, in l.timeout at most

	r := l.report(before, after)
	r.Connections, r.Bytes = 2*l.pairs, len(s.offer.text)
	r.latency("call, from its start to its last message", after.latency.since(before.latency), l.rate > 0)
	r.latency("offer to answer", s.answered.read(), false)
	r.Calls = done
	r.CallsPerSecond = float64(done) / r.Seconds
	r.memory(memory)
	r.perMessage(before, after)
	if r.Server != nil {
		r.Server.CPUPerCall = per(before, after, done)
	}
	return r, nil
}

// make makes call number n, which was due at a time.
func (s *calls) make(n, due int64) {
	caller, callee := int(2*n), int(2*n+1)
	there, back := s.direction(caller, callee, s.offer), s.direction(callee, caller, s.answer)
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	defer cancel()
	ready := make(chan struct{}) // closed once the callee can be called
	var ended [2]int64
	var failed [2]error
	var parties sync.WaitGroup
	parties.Go(func() {
		ended[0], failed[0] = s.party(ctx, cancel, callee, back, there, func() error { close(ready); return nil })
	})
	parties.Go(func() {
		ended[1], failed[1] = s.party(ctx, cancel, caller, there, back, func() error {
			select {
			case <-ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			there.send(now())
			return there.from.flush()
		})
	})
	parties.Wait()
	switch err := cmp.Or(failed[0], failed[1]); {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		s.tally.count(fmt.Sprintf("call not complete after %s", s.timeout))
		for _, d := range []*direction{there, back} {
			s.tally.lost.Add(d.sent.Load() - d.received.Load())
		}
	case err == nil:
		s.done.Add(1)
		s.latency.add(max(ended[0], ended[1]) - due)
	case !errors.Is(err, errRefused): // those are counted
		s.tally.count(err.Error())
	}
}

// direction is what one party sends to the other: first, then candidates.
func (s *calls) direction(from, to int, first body) *direction {
	template := func(b body) *template { return s.protocol.template(s.name(from), s.name(to), b, s.raw) }
	return &direction{
		name:  s.name(from),
		first: template(first), rest: template(s.candidate),
		times: make([]atomic.Int64, 1+candidates),
		tally: &s.tally,
	}
}

var errRefused = errors.New("the server answered with an error")

// party is one side of a call. It returns when it got its last message. An
// error ends the other side too.
func (s *calls) party(ctx context.Context, cancel func(), id int, mine, theirs *direction, begin func() error) (at int64, err error) {
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	c, err := s.open(ctx, id, true)
	if err != nil {
		return 0, err
	}
	defer c.nc.Close()
	defer context.AfterFunc(ctx, func() { c.nc.Close() })()
	mine.from = c
	if err := begin(); err != nil {
		return 0, err
	}
	for theirs.handled < 1+candidates {
		message, err := s.protocol.next(c)
		if err != nil {
			return 0, err
		}
		n := theirs.receive(message)
		if n < 0 {
			if bytes.HasPrefix(message, s.protocol.failed) {
				return 0, errRefused
			}
			continue
		}
		s.messages.Add(1)
		if n == 0 && mine.sent.Load() == 1 {
			s.answered.add(c.readAt - mine.sentAt(0))
		}
		if theirs.handled > 1 {
			continue
		}
		for mine.sent.Load() < 1+candidates { // one by one, as they are found
			mine.send(now())
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
	}
	at = c.readAt
	c.bye()
	for err == nil { // until the server has closed
		_, err = c.next()
	}
	return at, nil
}
