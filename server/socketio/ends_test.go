package socketio

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// A client of one of the ways to be in a session.
type way struct {
	*engineio.Poller    // nil if it began as a WebSocket
	*engineio.WebSocket // nil while it polls
}

func (w way) send(messages ...string) {
	if w.WebSocket != nil {
		w.WebSocket.Send(messages...)
	} else {
		_ = w.PostMessages(messages...)
	}
}

// drop ends the client without a word.
func (w way) drop() {
	if w.WebSocket != nil {
		w.WebSocket.Close()
	} else {
		_ = w.Abandon()
	}
}

// ways are all that there are.
var ways = map[string]func(b *bareSite) (way, *bareSession){
	"websocket": func(b *bareSite) (way, *bareSession) {
		c, m := b.dialled()
		return way{nil, c}, m
	},
	"polling": func(b *bareSite) (way, *bareSession) {
		p, m := b.polled()
		return way{p, nil}, m
	},
	"upgrading": func(b *bareSite) (way, *bareSession) {
		p, m := b.polled()
		return way{p, p.Upgrade()}, m
	},
	"upgraded": func(b *bareSite) (way, *bareSession) {
		p, m := b.polled()
		c := p.Upgrade()
		b.upgraded(m)
		return way{p, c}, m
	},
}

// However a session ends, its handler is told once, last, and by the right
// name, its admission is released once, and nothing is left.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", testMaxPayload+1)
	tests := []struct {
		name   string
		handle func(m *bareSession, message string) error
		end    func(c way, m *bareSession)
		reason string
		large  bool
	}{
		{name: "close packet", end: func(c way, _ *bareSession) { c.send("1") }, reason: "transport close"},
		{name: "client gone", end: func(c way, _ *bareSession) { c.drop() }, reason: "transport close"},
		{name: "invalid packet", end: func(c way, _ *bareSession) { c.send("abc") }, reason: "parse error"},
		{name: "client ping", end: func(c way, _ *bareSession) { c.send("2") }, reason: "parse error"},
		{name: "too large", end: func(c way, _ *bareSession) { c.send("4" + big) }, reason: "transport", large: true},
		{name: "Close", end: func(_ way, m *bareSession) { m.Close("enough") }, reason: "enough"},
		{
			name: "Close from everywhere",
			end: func(_ way, m *bareSession) {
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() { m.Close("enough") })
				}
				all.Wait()
			},
			reason: "enough",
		},
		{
			name:   "Close in the handler",
			handle: func(m *bareSession, _ string) error { m.Close("enough"); return nil },
			end:    func(c way, _ *bareSession) { c.send("4x") },
			reason: "enough",
		},
		{
			name:   "error in the handler",
			handle: func(*bareSession, string) error { return errors.New("no") },
			end:    func(c way, _ *bareSession) { c.send("4x") },
			reason: "parse error",
		},
		{
			name:   "too large, by the handler",
			handle: func(*bareSession, string) error { return errTooLarge },
			end:    func(c way, _ *bareSession) { c.send("4x") },
			reason: "transport", large: true,
		},
		{
			name:   "panic in the handler",
			handle: func(*bareSession, string) error { panic("boom") },
			end:    func(c way, _ *bareSession) { c.send("4x") },
			reason: "", // that of the transport
		},
		{name: "outbox full", end: func(_ way, m *bareSession) {
			for m.text(big) == nil {
				continue
			}
		}, reason: "transport close"},
		{name: "outbox full in the handler", handle: func(m *bareSession, _ string) error {
			for m.text(big) == nil {
				continue
			}
			return nil
		}, end: func(c way, _ *bareSession) { c.send("4x") }, reason: "transport close"},
		{name: "Shutdown", end: func(_ way, m *bareSession) {
			_ = m.engine.Shutdown(cutNow())
		}, reason: "server shutting down"},
	}
	for _, tt := range tests {
		for name, open := range ways {
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				var panics []any
				b := bare(t, loopback{}, func(o *Options) {
					o.Panicked = func(v any, stack []byte) {
						if !strings.Contains(string(stack), "TestSessionEnds") {
							t.Errorf("panic %v at %s", v, stack)
						}
						panics = append(panics, v)
					}
				}, tt.handle)
				c, m := open(b)
				tt.end(c, m)
				reason := receive(t, "end", m.end)
				if !strings.HasPrefix(reason, tt.reason) || reason == "" {
					t.Errorf("closed by %q, want %q", reason, tt.reason)
				}
				if err := m.text("late"); err != ErrClosed {
					t.Errorf("Send after the end: %v", err)
				}
				if tt.large != (len(m.large) == 1) {
					t.Errorf("TooLarge was called %d times", len(m.large))
				}
				if c.WebSocket != nil {
					c.WebSocket.Close()
				} else if c.Poller != nil {
					for { // fetch what is left
						a, err := b.Request(context.Background(), "GET", c.Query, "")
						if err != nil || a.Status != http.StatusOK {
							break
						}
					}
				}
				within(t, "the session is forgotten", func() bool {
					ws, polling := b.Connections()
					return ws+polling == 0
				})
				if want := strings.HasPrefix(tt.name, "panic"); want != slices.Equal(panics, []any{"boom"}) {
					t.Errorf("panics: %v", panics)
				}
				if err := b.Shutdown(inTime(t)); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				b.gate.balanced()
				if len(m.end) > 0 {
					t.Errorf("closed again, by %q", <-m.end)
				}
			})
		}
	}
}

// Requests that open no session leave nothing behind either.
func TestNoSession(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	for _, header := range []string{
		"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
	} {
		nc := b.Raw("GET", "EIO=4&transport=websocket", header)
		answer := make([]byte, 12)
		if _, err := nc.Read(answer); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			t.Errorf("answer %q, %v", answer, err)
		}
	}
	within(t, "they are released", func() bool {
		b.gate.mu.Lock()
		defer b.gate.mu.Unlock()
		return b.gate.admitted == 2 && len(b.gate.out) == 0
	})
	if len(b.all) > 0 {
		t.Errorf("%d sessions", len(b.all))
	}
}

func TestGateRefuses(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	b.gate.refusal = &Refusal{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}, Code: "too_many", Message: `too "many"`}
	a := b.Do("GET", "EIO=4&transport=polling", "")
	if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "7" ||
		a.Header.Get("Content-Type") != "application/json" || a.Body != `{"error":"too \"many\"","code":"too_many"}` {
		t.Errorf("%+v", a)
	}
	_, err := b.TryDial("")
	if !errors.Is(err, websocket.ErrBadHandshake) {
		t.Errorf("dial: %v", err)
	}
	if len(b.all) > 0 {
		t.Errorf("%d sessions", len(b.all))
	}
}

func TestTransports(t *testing.T) {
	t.Run("WebSocket only", func(t *testing.T) {
		b := bare(t, loopback{}, func(o *Options) { o.Polling = false }, nil)
		if a := b.Do("GET", "EIO=4&transport=polling", ""); a.Status != http.StatusBadRequest || a.Body != `{"code":0,"message":"Transport unknown"}` {
			t.Errorf("polling: %+v", a)
		}
		b.dialled()
	})
	t.Run("polling only", func(t *testing.T) {
		b := bare(t, loopback{}, func(o *Options) { o.WebSocket = false }, nil)
		if _, err := b.TryDial(""); err == nil {
			t.Error("a WebSocket was let in")
		}
		a := b.Do("GET", "EIO=4&transport=polling", "")
		if !strings.Contains(a.Body, `"upgrades":[]`) {
			t.Errorf("handshake: %s", a.Body)
		}
		p := b.Poller(engineio.ParseOpen(t, a.Body).SID)
		if _, err := b.TryDial(p.SID); err == nil {
			t.Error("an upgrade was let in")
		}
		p.Send("4x")
	})
}

func TestConnections(t *testing.T) {
	t.Parallel()
	b := bare(t, loopback{}, nil, nil)
	count := func(websocket, polling int) {
		t.Helper()
		within(t, "the sessions are counted", func() bool {
			w, p := b.Connections()
			return w == websocket && p == polling
		})
	}
	count(0, 0)
	one, _ := b.polled()
	two, _ := b.polled()
	count(0, 2)
	three, _ := b.dialled()
	count(1, 2)
	upgraded := one.Upgrade()
	count(2, 1)
	two.Send("1")
	count(2, 0)
	three.Close()
	count(1, 0)
	upgraded.Close()
	count(0, 0)
}

// Established requests are those that a long-polling client makes after its
// handshake, and no others.
func TestEstablished(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	established := func(method, query string, upgrade bool) bool {
		r, err := http.NewRequest(method, "http://server/?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if upgrade {
			r.Header.Set("Upgrade", "websocket")
		}
		return b.Established(r)
	}
	const poll, probe = "EIO=4&transport=polling&sid=", "EIO=4&transport=websocket&sid="
	_, direct := b.dialled()
	for _, tt := range []struct {
		method, query string
		upgrade, want bool
	}{
		{"GET", poll + m.ID(), false, true},
		{"POST", poll + m.ID(), false, true},
		{"GET", probe + m.ID(), true, true},
		{"DELETE", poll + m.ID(), false, false},
		{"GET", poll + m.ID(), true, false},
		{"GET", probe + m.ID(), false, false},
		{"POST", probe + m.ID(), true, false},
		{"GET", "sid=" + m.ID(), false, false},
		{"GET", "EIO=3&transport=polling&sid=" + m.ID(), false, false},
		{"GET", "EIO=4&transport=pigeon&sid=" + m.ID(), false, false},
		{"GET", poll, false, false},
		{"GET", poll + "unknown", false, false},
		{"GET", poll + direct.ID(), false, false},
		{"GET", probe + direct.ID(), true, false},
	} {
		if got := established(tt.method, tt.query, tt.upgrade); got != tt.want {
			t.Errorf("%s %s, upgrade %v: %v", tt.method, tt.query, tt.upgrade, got)
		}
	}
	if opened := m.Opened(); time.Since(opened) > time.Minute || opened.IsZero() {
		t.Errorf("opened at %v", opened)
	}
	p.Probe().Close()
	if established("GET", probe+m.ID(), true) {
		t.Error("a second probe is established")
	}
	p.Send("1")
	p.Expect("6")
	if established("GET", p.Query, false) {
		t.Error("established after its end")
	}
	p, m = b.polled()
	p.Upgrade()
	b.upgraded(m)
	if established("GET", p.Query, false) || established("POST", p.Query, false) {
		t.Error("a session on a WebSocket need not poll")
	}
}

// A client that fetches nothing is cut once its outbox is full, of which memory
// counts, and not only bytes.
func TestMaxOutbox(t *testing.T) {
	const outbox = 1 << 20
	small := func(o *Options) { o.MaxOutbox = outbox }
	used := func(m *bareSession) int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.polling.memory()
	}
	for _, size := range []int{0, 10, 1000, 70_000} {
		t.Run(fmt.Sprintf("never polls, messages of %d bytes", size), func(t *testing.T) {
			b := bare(t, loopback{}, small, nil)
			p, m := b.polled()
			sent := 0
			for {
				err := m.text(strings.Repeat("x", size))
				if err == ErrSlow {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				if sent++; used(m) > outbox {
					t.Fatalf("%d messages take %d bytes", sent, used(m))
				}
			}
			if least := outbox * 8 / 10 / (size + 3); sent < least {
				t.Errorf("cut after %d messages, and there was room for %d", sent, least)
			}
			ended(t, m.end, "transport close")
			if err := m.text(""); err != ErrClosed {
				t.Errorf("after that: %v", err)
			}
			p.ExpectGone()
			if n := b.wire.SlowConsumers(); n != 1 {
				t.Errorf("%d slow consumers counted", n)
			}
			if used(m) != 0 {
				t.Errorf("%d bytes are left", used(m))
			}
		})
	}
	t.Run("polls", func(t *testing.T) {
		b := bare(t, loopback{}, small, nil)
		p, m := b.polled()
		for range 5 {
			for range 10 {
				if err := m.text(strings.Repeat("x", outbox*8/100)); err != nil {
					t.Fatal(err)
				}
			}
			for range 10 {
				p.Next()
			}
		}
	})
	t.Run("all packets of one Send count", func(t *testing.T) {
		b := bare(t, loopback{}, small, nil)
		_, m := b.polled()
		half := make([]byte, outbox/2)
		_ = m.text("something waits")
		if err := m.Send(nil, wire.Message{Payload: half}, wire.Message{Binary: true, Prefix: half, Payload: half[:1]}); err != ErrSlow {
			t.Errorf("Send: %v", err)
		}
	})
	t.Run("WebSocket", func(t *testing.T) {
		s := sockets(t, loopback{}, small)
		_, m := s.connected()
		var err error
		for err == nil {
			err = m.emit(`["x","` + strings.Repeat("x", outbox/2) + `"]`)
		}
		if err != ErrSlow {
			t.Errorf("Emit: %v", err)
		}
		ended(t, m.end, "transport close")
		if n := s.SlowConsumers(); n != 1 {
			t.Errorf("%d slow consumers counted", n)
		}
	})
}

// A client that polls is there if it answers the ping of DisconnectAsking, or only
// comes for more after it: then its poll has overtaken its pong.
func TestDisconnectAskingWhilePolling(t *testing.T) {
	for name, tt := range map[string]struct {
		then  func(m *member, p *engineio.Poller)
		there bool
	}{
		"pong":      {func(_ *member, p *engineio.Poller) { p.Send("3") }, true},
		"next poll": {func(_ *member, p *engineio.Poller) { p.Expect("1") }, true},
		"neither":   {func(m *member, _ *engineio.Poller) { m.Socket.(*socket).client.session.Cut() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := sockets(t, loopback{}, nil)
			p, m := s.connectedPolling()
			verdict := make(chan bool, 1)
			m.DisconnectAsking(func(there bool) { verdict <- there })
			p.Expect("2", "41")
			select {
			case there := <-verdict:
				t.Fatalf("settled as %v before the client did anything", there)
			default:
			}
			tt.then(m, p)
			if there := receive(t, "verdict", verdict); there != tt.there {
				t.Errorf("the client is there: %v", there)
			}
		})
	}
}
