package socketio

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// Every kind of client gets what was queued for it, and then the end of its
// transport: code 1001, or a close packet. No socket gets a DISCONNECT packet.
func TestShutdown(t *testing.T) {
	s := sockets(t, loopback{}, nil)
	inTwo, one := s.connected()
	inTwo.Send("40/other")
	two := s.next()
	inTwo.Next()
	bare := s.OpenWebSocket() // in no namespace
	waits, three := s.connectedPolling()
	waiting := waits.Waits()
	later, four := s.connectedPolling()
	upgraded, five := s.connectedPolling()
	up := upgraded.Upgrade()
	_ = five.emit(`["queued"]`)
	up.Expect(`42["queued"]`)
	probing, six := s.connectedPolling()
	probe := probing.Probe()
	probe.Send("2probe")
	probe.Expect("3probe")
	_ = one.emit(`["queued"]`)
	_ = four.emit(`["queued"]`)

	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(inTime(t)) }()
	toldTheEnd := func(members ...*member) {
		t.Helper()
		for _, m := range members {
			ended(t, m.end, "server shutting down")
		}
	}
	toldTheEnd(one, two, three, five)
	if len(four.end)+len(six.end) > 0 {
		t.Error("a session ended before its queue was fetched")
	}

	inTwo.Expect(`42["queued"]`)
	inTwo.ExpectClosed(websocket.CloseGoingAway)
	bare.ExpectClosed(websocket.CloseGoingAway)
	up.ExpectClosed(websocket.CloseGoingAway)
	if a := receive(t, "answer", waiting); a.Status != http.StatusOK || a.Body != "1" {
		t.Errorf("the poll that waited: %+v", a)
	}
	later.Expect(`42["queued"]`, "1")
	probe.Send("5") // the upgrade had begun; the rest comes that way
	probe.ExpectClosed(websocket.CloseGoingAway)
	toldTheEnd(four, six)

	if err := receive(t, "end of Shutdown", shut); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if w, p := s.Connections(); w != 0 || p != 0 {
		t.Errorf("%d, %d connections are left", w, p)
	}
	if err := s.Shutdown(inTime(t)); err != nil {
		t.Errorf("Shutdown again: %v", err)
	}
	if a := s.Do("GET", "EIO=4&transport=polling", ""); a.Status != http.StatusServiceUnavailable || !strings.Contains(a.Body, "Server unavailable") {
		t.Errorf("handshake: %+v", a)
	}
}

// Those that do not go are cut when the context ends, and no later.
func TestShutdownInTime(t *testing.T) {
	stays := map[string]func(b *bareSite){
		"polling":   func(b *bareSite) { b.polled() },
		"websocket": func(b *bareSite) { b.dialled() },
		"upgraded":  func(b *bareSite) { p, m := b.polled(); p.Upgrade(); synctest.Wait(); b.upgraded(m) },
		"upgrading": func(b *bareSite) { p, _ := b.polled(); p.Upgrade() },
		"probe":     func(b *bareSite) { p, _ := b.polled(); p.Probe() },
		"closed before": func(b *bareSite) {
			_, m := b.dialled()
			m.Close("enough")
			synctest.Wait()
		},
		"does not read": func(b *bareSite) {
			_, m := b.dialled()
			for range 50 {
				_ = m.text(strings.Repeat("x", 1000))
			}
		},
	}
	for name, stay := range stays {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w watch) {
				b := bare(t, pipes{}, nil, nil)
				stay(b)
				const limit = lateTimeout / 2 // nobody goes by itself before
				ctx, cancel := context.WithTimeout(context.Background(), limit)
				defer cancel()
				if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v", err)
				}
				w.is(limit)
			})
		})
	}
	t.Run("nobody", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, nil, nil)
			if err := b.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			w.is(0)
		})
	})
	t.Run("without end", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, nil, nil)
			b.polled()
			b.dialled()
			p, _ := b.polled()
			p.Probe()
			if err := b.Shutdown(context.Background()); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			if took := time.Since(w.start); took > 2*wire.DefaultCloseTimeout {
				t.Errorf("it took %v", took)
			}
		})
	})
}

// Clients come, talk, upgrade and go while the server shuts down.
func TestShutdownUnderLoad(t *testing.T) {
	t.Parallel()
	for name, patient := range map[string]bool{"in time": true, "at once": false} {
		for range 3 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				shutDownUnderLoad(t, patient)
			})
		}
	}
}

func shutDownUnderLoad(t *testing.T, patient bool) {
	s := sockets(t, loopback{}, nil)
	s.room.event = func(m *member, e *Event) error { return m.Emit(e.Args, e.Attachments, e.Batch) }
	var clients sync.WaitGroup
	started := make(chan struct{}, 1000)
	for i := range 12 {
		clients.Go(func() {
			for session := 0; ; session++ {
				if session == 1 {
					started <- struct{}{}
				}
				if err := visit(s, i%3); err != nil {
					return
				}
			}
		})
	}
	for range 12 {
		receive(t, "client", started)
	}
	ctx := inTime(t)
	if !patient {
		ctx = cutNow()
	}
	if err := s.Shutdown(ctx); patient && err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	clients.Wait()
	if w, p := s.Connections(); w != 0 || p != 0 {
		t.Errorf("%d, %d connections are left", w, p)
	}
	s.gate.balanced()
	s.room.empty()
}

var errVisit = errors.New("the server is gone")

// visit is one client's session, in one of three ways. It fails once the server
// lets nobody in.
func visit(s *socketSite, kind int) error {
	ctx := context.Background()
	var sid, query string
	if kind > 0 {
		a, err := s.Request(ctx, "GET", "EIO=4&transport=polling", "")
		if err != nil || a.Status != http.StatusOK {
			return errVisit
		}
		sid = engineio.ParseOpen(s.T, a.Body).SID
		query = s.Poller(sid).Query
		_, _ = s.Request(ctx, "POST", query, "40")
		_, _ = s.Request(ctx, "POST", query, `42["x"]`)
	}
	if kind == 1 {
		for range rand.IntN(3) {
			_, _ = s.Request(ctx, "POST", query, `42["y"]`)
			if a, err := s.Request(ctx, "GET", query, ""); err != nil || a.Status != http.StatusOK {
				return nil
			}
		}
		_, _ = s.Request(ctx, "POST", query, "1")
		return nil
	}
	rest := func() { // what a session that ends has left
		for query != "" {
			if a, err := s.Request(ctx, "GET", query, ""); err != nil || a.Status != http.StatusOK {
				return
			}
		}
	}
	c, err := s.TryDial(sid)
	if err != nil {
		if kind == 0 {
			return errVisit
		}
		rest()
		return nil
	}
	defer c.Close()
	if kind == 2 {
		_ = c.TrySend("2probe")
		if _, err := c.Read(); err != nil {
			rest()
			return nil
		}
		_ = c.TrySend("5")
	} else {
		_ = c.TrySend("40")
	}
	for range rand.IntN(10) {
		_ = c.TrySend(`42["y"]`)
		if _, err := c.Read(); err != nil {
			break
		}
	}
	c.Close()
	rest()
	return nil
}
