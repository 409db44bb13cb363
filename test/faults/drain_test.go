package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// stop stops a server with SIGTERM, waits for its end, and returns how long it
// took. The rig fails the test for any exit code but 0.
func stop(s *rig.Server) time.Duration {
	began := time.Now()
	s.Stop()
	return time.Since(began)
}

// orderly reports whether the server ended a client's connection as it should
// when it stops.
func orderly(c client, k kind) error {
	switch c := c.(type) {
	case *poller:
		if !c.endedInOrder() {
			return fmt.Errorf("the session ended without a word: %w", c.Err())
		}
	case *rig.Client:
		if code := c.CloseCode(); code != websocket.CloseGoingAway {
			return fmt.Errorf("%s closed with %d, want 1001: %w", k, code, c.Err())
		}
	}
	return nil
}

// errStaysAway is what a stop must not do to a Socket.IO client.
var errStaysAway = errors.New("got a DISCONNECT packet, after which a stock client does not reconnect")

// A registration is one attempt to connect and register.
type registration struct {
	client
	kind       kind
	registered bool
	err        error
}

// await waits for the connection's end, and says what was wrong with it.
func (r *registration) await() error {
	if r.client == nil {
		return nil // not connected: that is an answer, too
	}
	deadline := time.After(rig.Patience)
	for {
		select {
		case m, ok := <-r.Inbox():
			if ok {
				if m.Event == "disconnect" {
					return errStaysAway
				}
				continue
			}
			<-r.Done()
			if !r.registered {
				return nil
			}
			return orderly(r.client, r.kind)
		case <-deadline:
			return fmt.Errorf("a %s client was neither answered nor closed", r.kind)
		}
	}
}

// TestStopDuringRegistrations stops servers in the middle of storms of
// registrations: every client is answered or closed, the registered ones in order,
// and the exit is in time.
func TestStopDuringRegistrations(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			for round := range scaled(4, 2) {
				s := start(t, engine)
				stormAndStop(t, s, engine, round)
			}
		})
	}
}

func stormAndStop(t *testing.T, s *rig.Server, engine string, round int) {
	var mu sync.Mutex
	var all []*registration
	var registered atomic.Int64
	stopped := make(chan struct{})
	done := sync.OnceFunc(func() { close(stopped) })
	defer done()
	kinds := kindsOf(engine)
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stopped:
					return
				default:
				}
				r := &registration{kind: kinds[rand.IntN(len(kinds))]}
				if r.client, r.err = dial(s.Addr, r.kind); r.err == nil {
					r.err = r.Register(fmt.Sprint("user ", w, " ", n))
				} else {
					r.client = nil
				}
				r.registered = r.err == nil
				mu.Lock()
				all = append(all, r)
				mu.Unlock()
				if r.err != nil {
					return
				}
				registered.Add(1)
			}
		})
	}
	want := int64(rand.IntN(scaled(500, 150)))
	rig.Eventually(t, "registrations", func() bool { return registered.Load() >= want })
	took := stop(s)
	done()
	wg.Wait()

	kept, refused, answered := 0, 0, 0
	for _, r := range all {
		switch {
		case r.registered:
			kept++
		case r.client == nil:
			refused++
		default:
			answered++
		}
		if r.err != nil && strings.Contains(r.err.Error(), "nothing within") {
			t.Errorf("%s: %v", r.kind, r.err)
		}
		if err := r.await(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if r.client != nil {
			r.Close()
		}
	}
	t.Logf("stopped in %v: %d registered, %d were answered or closed before, %d not connected", took, kept, answered, refused)
	if took >= 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// A holdout is a client that does not answer the server's Close frame, so that
// the server cannot end before it.
type holdout struct{ conn *websocket.Conn }

// newHoldout connects one, which is told of the server's stop by a Close frame.
func newHoldout(t *testing.T, addr string) (h *holdout, told <-chan struct{}) {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/signaling", nil)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	done := make(chan struct{})
	conn.SetCloseHandler(func(int, string) error {
		close(closed)
		return nil
	})
	go func() {
		defer close(done)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	h = &holdout{conn}
	t.Cleanup(func() {
		h.release()
		<-done
	})
	return h, closed
}

// release lets the server end.
func (h *holdout) release() { _ = h.conn.Close() }

// unreadiness checks what a server says to newcomers while it stops.
func unreadiness(s *rig.Server, engine string) error {
	var ready struct{ Status, Reason string }
	status, err := s.Get("/ready", &ready)
	if err != nil || status != http.StatusServiceUnavailable || ready.Reason != "draining" {
		return fmt.Errorf("/ready: %d, %+v, %w", status, ready, err)
	}
	for _, k := range kindsOf(engine) {
		c, err := dial(s.Addr, k)
		if err == nil {
			c.Close()
			return fmt.Errorf("a new %s client was let in", k)
		}
		if !strings.Contains(err.Error(), "503") {
			return fmt.Errorf("a new client was refused otherwise than with 503: %w", err)
		}
	}
	return nil
}
