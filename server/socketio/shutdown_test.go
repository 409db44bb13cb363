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
)

// Every kind of client is told: sockets by a DISCONNECT packet, WebSockets by
// code 1001, and what was queued before arrives.
func TestShutdown(t *testing.T) {
	s := sockets(t, loopback{}, nil)
	inTwo, one := s.connected()
	inTwo.send("40/other")
	two := s.next()
	inTwo.next()
	bare := s.websocket() // in no namespace
	waits, three := s.connectedPolling()
	waiting := waits.waits()
	later, four := s.connectedPolling()
	upgraded, five := s.connectedPolling()
	up := upgraded.upgrade()
	_ = five.emit(`["queued"]`)
	up.expect(`42["queued"]`)
	probing, six := s.connectedPolling()
	probe := probing.probe()
	probe.send("2probe")
	probe.expect("3probe")
	_ = one.emit(`["queued"]`)
	_ = four.emit(`["queued"]`)

	shut := make(chan error, 1)
	go func() { shut <- s.Shutdown(inTime(t)) }()
	for _, m := range []*member{one, two, three, four, five, six} {
		ended(t, m.end, "server shutting down")
	}

	inTwo.expect(`42["queued"]`)
	got := []string{inTwo.next(), inTwo.next()}
	if got[0] > got[1] {
		got[0], got[1] = got[1], got[0]
	}
	if got[0] != "41" || got[1] != "41/other," {
		t.Errorf("got %q", got)
	}
	inTwo.closed(websocket.CloseGoingAway)
	bare.closed(websocket.CloseGoingAway)
	up.expect("41")
	up.closed(websocket.CloseGoingAway)
	if a := receive(t, "answer", waiting); a.status != http.StatusOK || a.body != "41" {
		t.Errorf("the poll that waited: %+v", a)
	}
	waits.expect("1")
	later.expect(`42["queued"]`, "41", "1")
	probe.send("5") // the upgrade had begun; the rest comes that way
	probe.expect("41")
	probe.closed(websocket.CloseGoingAway)

	if err := receive(t, "end of Shutdown", shut); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if w, p := s.Connections(); w != 0 || p != 0 {
		t.Errorf("%d, %d connections are left", w, p)
	}
	if err := s.Shutdown(inTime(t)); err != nil {
		t.Errorf("Shutdown again: %v", err)
	}
	if a := s.do("GET", "transport=polling", ""); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "shutting down") {
		t.Errorf("handshake: %+v", a)
	}
}

// Those that do not go are cut when the context ends, and no later.
func TestShutdownInTime(t *testing.T) {
	stays := map[string]func(b *bareSite){
		"polling":         func(b *bareSite) { b.polled() },
		"websocket":       func(b *bareSite) { b.dialled() },
		"upgraded":        func(b *bareSite) { p, m := b.polled(); p.upgrade(); b.upgraded(m) },
		"upgrading":       func(b *bareSite) { p, _ := b.polled(); p.upgrade() },
		"probe":           func(b *bareSite) { p, _ := b.polled(); p.probe() },
		"refused upgrade": func(b *bareSite) { p, _ := b.polled(); p.probe(); p.probe() },
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
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Shutdown: %v", err)
				}
				w.is(time.Second)
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
			p.probe()
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
	for _, patient := range []bool{true, false} {
		for range 3 {
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
	}
}

var errVisit = errors.New("the server is gone")

// visit is one client's session, in one of three ways. It fails once the server
// lets nobody in.
func visit(s *socketSite, kind int) error {
	ctx := context.Background()
	var query string
	if kind > 0 {
		a, err := s.request(ctx, "GET", "transport=polling", "")
		if err != nil || a.status != http.StatusOK {
			return errVisit
		}
		query = "transport=polling&sid=" + sessionID(s.t, a.body)
		_, _ = s.request(ctx, "POST", query, "40")
		_, _ = s.request(ctx, "POST", query, `42["x"]`)
	}
	if kind == 1 {
		for range rand.IntN(3) {
			_, _ = s.request(ctx, "POST", query, `42["y"]`)
			if a, err := s.request(ctx, "GET", query, ""); err != nil || a.status != http.StatusOK {
				return nil
			}
		}
		_, _ = s.request(ctx, "POST", query, "1")
		return nil
	}
	rest := func() { // what a session that ends has left
		for query != "" {
			if a, err := s.request(ctx, "GET", query, ""); err != nil || a.status != http.StatusOK {
				return
			}
		}
	}
	c, err := s.tryDial(strings.TrimPrefix(query, "transport=polling&"))
	if err != nil {
		if kind == 0 {
			return errVisit
		}
		rest()
		return nil
	}
	defer c.Close()
	if kind == 2 {
		_ = c.trySend("2probe")
		if _, err := c.read(); err != nil {
			rest()
			return nil
		}
		_ = c.trySend("5")
	} else {
		_ = c.trySend("40")
	}
	for range rand.IntN(10) {
		_ = c.trySend(`42["y"]`)
		if _, err := c.read(); err != nil {
			break
		}
	}
	c.Close()
	rest()
	return nil
}
