package rig

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// A Pair is two well-behaved users who send each other numbered candidates all
// the time, while a test does something else to the server.
type Pair struct {
	t    testing.TB
	a, b *Client
	stop chan struct{}
	ends [2]end

	senders, receivers sync.WaitGroup
}

// end is one direction.
type end struct {
	from, to *Client

	mu       sync.Mutex
	err      error
	sent     int
	sentAt   map[int]time.Time
	received int
	delays   []time.Duration
}

// A PairReport is what became of a pair's messages.
type PairReport struct {
	Sent, Received int
	P50, P99, Max  time.Duration
}

func (r PairReport) String() string {
	return fmt.Sprintf("%d sent, %d received, p50 %v, p99 %v, max %v", r.Sent, r.Received, r.P50, r.P99, r.Max)
}

// StartPair connects a pair, one user of each family, who each send a message
// every interval until Stop.
func StartPair(t testing.TB, addr, name string, interval time.Duration) *Pair {
	t.Helper()
	return StartPairWith(t, new(net.Dialer), "ws://"+addr, name, interval)
}

// StartPairWith is StartPair with a dialer of its own and a base URL, ws:// or wss://.
func StartPairWith(t testing.TB, dialer *net.Dialer, base, name string, interval time.Duration) *Pair {
	t.Helper()
	dial := func(family Family) *Client {
		c, err := DialWith(dialer, base, family, nil)
		if err != nil {
			t.Fatalf("dial %s: %v", family, err)
		}
		t.Cleanup(c.Close)
		return c
	}
	p := &Pair{t: t, a: dial(Oodaa), b: dial(Volli), stop: make(chan struct{})}
	for c, id := range map[*Client]string{p.a: name + "-a", p.b: name + "-b"} {
		if err := c.Register(id); err != nil {
			t.Fatalf("healthy pair: %v", err)
		}
	}
	p.ends[0] = end{from: p.a, to: p.b, sentAt: make(map[int]time.Time)}
	p.ends[1] = end{from: p.b, to: p.a, sentAt: make(map[int]time.Time)}
	for i := range p.ends {
		e := &p.ends[i]
		p.senders.Go(func() { e.send(interval, p.stop) })
		p.receivers.Go(e.receive)
	}
	return p
}

func (e *end) send(interval time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		e.mu.Lock()
		e.sentAt[e.sent] = time.Now()
		e.mu.Unlock()
		_, err := e.from.Send(e.to.ID, fmt.Sprintf(`{"candidate":"candidate:%d 1 udp 2122260223 192.0.2.1 54400 typ host"}`, e.sent), false)
		e.mu.Lock()
		if err != nil {
			e.err = err
			e.mu.Unlock()
			return
		}
		e.sent++
		e.mu.Unlock()
	}
}

// receive takes what arrives until the client ends; err is set when it is not
// the next number.
func (e *end) receive() {
	for m := range e.to.Inbox() {
		if m.Event == "error" {
			e.mu.Lock()
			e.err = fmt.Errorf("error instead of a message: %s", m.Args)
			e.mu.Unlock()
			continue
		}
		if m.Event != "ice-candidate" {
			continue
		}
		var candidate struct{ Candidate string }
		var n int
		err := json.Unmarshal(m.Body(), &candidate)
		if err == nil {
			_, err = fmt.Sscanf(candidate.Candidate, "candidate:%d ", &n)
		}
		e.mu.Lock()
		switch {
		case err != nil:
			e.err = fmt.Errorf("altered: %s: %w", m.Args, err)
		case n != e.received:
			e.err = fmt.Errorf("got message %d instead of %d", n, e.received)
		default:
			e.delays = append(e.delays, m.At.Sub(e.sentAt[n]))
			delete(e.sentAt, n)
		}
		e.received++
		e.mu.Unlock()
	}
}

// Stop ends the sending, waits for what is on its way, and fails the test if
// anything was lost, reordered, altered or refused.
func (p *Pair) Stop() PairReport {
	p.t.Helper()
	close(p.stop)
	p.senders.Wait() // what is being sent counts
	Eventually(p.t, "all messages of the healthy pair", func() bool {
		for i := range p.ends {
			e := &p.ends[i]
			e.mu.Lock()
			missing := e.received < e.sent && e.err == nil
			e.mu.Unlock()
			if missing {
				return false
			}
		}
		return true
	})
	p.a.Close()
	p.b.Close()
	p.receivers.Wait()
	var report PairReport
	var delays []time.Duration
	for i := range p.ends {
		e := &p.ends[i]
		if e.err != nil {
			p.t.Errorf("healthy pair, %s to %s: %v", e.from.ID, e.to.ID, e.err)
		}
		report.Sent += e.sent
		report.Received += e.received
		delays = append(delays, e.delays...)
	}
	if report.Sent == 0 {
		p.t.Error("the healthy pair never came to send")
	}
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		report.P50, report.P99, report.Max = delays[n/2], delays[n*99/100], delays[n-1]
	}
	return report
}
