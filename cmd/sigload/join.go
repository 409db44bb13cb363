package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// A watcher is a client of the join storm: it registers, and notes who the
// others are.
type watcher struct {
	storm *storm
	self  int

	// owned by the connection's reader
	known   []uint64 // a bit for each client
	missing int      // how many are not known yet
	listed  bool     // the user list has come
	done    bool     // and missing is 0

	registered atomic.Int64 // when the registration was sent
	messages   atomic.Int64
}

// A storm is what the watchers share.
type storm struct {
	*load
	prefix   []byte    // of all names of this run
	listing  histogram // registration to user list
	knowing  histogram // first registration to knowing everybody
	begin    atomic.Int64
	left     atomic.Int64 // watchers that do not know all others yet
	complete chan struct{}
}

// join connects clients and then registers all of them at once. With -reconnect
// each registers as soon as it is connected, and connecting is measured as well:
// so it is after a restart of the server. It ends when each knows all others.
func (l *load) join(ctx context.Context) (*report, error) {
	if l.clients < 2 || !l.protocol.engineIO {
		return nil, errors.New("join needs two clients or more, and -protocol socketio: others hear of nobody")
	}
	s := &storm{load: l, prefix: []byte("load-" + l.run + "-"), complete: make(chan struct{})}
	s.left.Store(int64(l.clients))
	watchers := make([]*watcher, l.clients)
	for i := range watchers {
		watchers[i] = &watcher{storm: s, self: i, known: make([]uint64, (l.clients+63)/64), missing: l.clients - 1}
	}
	l.count = func() (n int64) {
		for _, w := range watchers {
			n += w.messages.Load()
		}
		return n
	}
	register := func(i int, c *conn) {
		c.queue(ws.OpText, l.protocol.registration(l.name(i)))
		watchers[i].registered.Store(now())
		if err := c.flush(); err != nil {
			l.ended(err)
		}
	}
	var before mark
	begin := func() (err error) {
		before, err = l.mark()
		s.begin.Store(before.at)
		return err
	}
	if l.reconnect {
		l.opened = register
		if err := begin(); err != nil {
			return nil, err
		}
	}
	conns, err := l.connect(ctx, l.clients, false, func(i int, c *conn, message []byte) { watchers[i].receive(c, message) })
	if err != nil {
		return nil, err
	}
	defer l.close(conns)
	if !l.reconnect {
		if err := begin(); err != nil {
			return nil, err
		}
	}
	bounded, cancel := context.WithTimeout(ctx, l.duration)
	defer cancel()
	var registering sync.WaitGroup
	if !l.reconnect {
		registering.Go(func() {
			for i, c := range conns {
				if bounded.Err() != nil {
					return
				}
				register(i, c)
			}
		})
	}
	l.watch(bounded, l.duration, s.complete)
	registering.Wait()
	after, err := l.mark()
	if err != nil {
		return nil, err
	}
	memory, err := l.rss()
	if err != nil {
		return nil, err
	}
	if s.left.Load() > 0 && ctx.Err() == nil {
		l.close(conns) // from here on the watchers are ours
		for _, w := range watchers {
			l.tally.lost.Add(int64(w.missing))
		}
		l.tally.count(fmt.Sprintf("not complete after %s", l.duration.Round(time.Millisecond)))
	}

	r := l.report(before, after)
	r.latency("registration to user list", s.listing.read(), false)
	r.latency("first registration to knowing all others", s.knowing.read(), true)
	r.perUser(before, after, l.clients)
	r.Connections = len(conns)
	r.memory(memory)
	return r, nil
}

// receive takes one message.
func (w *watcher) receive(c *conn, message []byte) {
	s := w.storm
	w.messages.Add(1)
	p := s.protocol
	switch {
	case bytes.HasPrefix(message, p.joined):
		if i := s.client(message[len(p.joined):]); i >= 0 && !w.know(i) {
			s.tally.duplicated.Add(1)
		}
	case bytes.HasPrefix(message, p.registered):
		if !w.listed {
			w.listed = true
			s.listing.add(c.readAt - w.registered.Load())
		}
		for rest := message; ; {
			at := bytes.Index(rest, s.prefix)
			if at < 0 {
				break
			}
			w.know(s.client(rest[at:]))
			rest = rest[at+len(s.prefix):]
		}
	default:
		s.tally.failed(message)
		return
	}
	if w.missing == 0 && w.listed && !w.done {
		w.done = true
		s.knowing.add(c.readAt - s.begin.Load())
		if s.left.Add(-1) == 0 {
			close(s.complete)
		}
	}
}

// client is the number of the client that a name at the start of text belongs
// to, or -1 if it is none of this run.
func (s *storm) client(text []byte) int {
	rest, ok := bytes.CutPrefix(text, s.prefix)
	if !ok {
		return -1
	}
	n := 0
	for _, digit := range rest {
		if digit < '0' || digit > '9' {
			break
		}
		n = 10*n + int(digit-'0')
	}
	if n >= s.clients {
		return -1
	}
	return n
}

// know notes that there is client i. It reports whether that is news.
func (w *watcher) know(i int) bool {
	if i < 0 || i == w.self || w.known[i/64]&(1<<(i%64)) != 0 {
		return false
	}
	w.known[i/64] |= 1 << (i % 64)
	w.missing--
	return true
}
