package socketio

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// limitedTo has each session send so many packets, and ten per second more.
func limitedTo(packets int) func(*Options) {
	return func(o *Options) { o.Limits = &wire.Limits{Packets: 10, PacketBurst: packets} }
}

// A session has one budget, whatever namespaces come and go, and every packet
// counts. What comes with an empty budget has no effect.
func TestOneBudget(t *testing.T) {
	const handshake = 1 // CONNECT
	tests := []struct {
		name    string
		packets []string
		within  int // how many packets the budget has
		events  []string
	}{
		{"events", []string{`42["a"]`, `42["b"]`}, 1, []string{`["a"]`, `limited -1 ["b"]`}},
		{"an acknowledgement is asked for", []string{`427["a"]`}, 0, []string{`limited 7 ["a"]`}},
		{"namespaces", []string{"40/other,", "41/other,", "40/nowhere,", `42["a"]`}, 3, []string{`limited -1 ["a"]`}},
		{"acknowledgements", []string{`431[]`, `42["a"]`}, 1, []string{`limited -1 ["a"]`}},
		{"pongs", []string{"3", "3", `42["a"]`}, 2, []string{`limited -1 ["a"]`}},
		{"what is ignored", []string{"0", "5", "6", `42["a"]`}, 3, []string{`limited -1 ["a"]`}},
		{"binary event", []string{`451-["a"]`, "b:x", `42["b"]`}, 1, []string{`["a"] b:x`, `limited -1 ["b"]`}},
		{"binary event over it", []string{`42["a"]`, `452-["b"]`, "b:x", "b:y"}, 1, []string{`["a"]`, `limited -1 ["b"]`}},
	}
	for _, tt := range tests {
		check := func(t *testing.T, s *socketSite, m *member, send func(...string)) {
			send(tt.packets...)
			for _, want := range tt.events {
				if got := receive(t, "event", m.events); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			if got := s.opts.Limits.Refused(); got == 0 {
				t.Error("nothing was counted")
			}
		}
		slowly := func(o *Options) { o.Limits = &wire.Limits{Packets: 1, PacketBurst: handshake + tt.within} }
		t.Run(tt.name+"/websocket", func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ watch) {
				s := sockets(t, pipes{}, slowly)
				c, m := s.connected()
				check(t, s, m, c.Send)
			})
		})
		t.Run(tt.name+"/polling", func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ watch) {
				s := sockets(t, pipes{}, slowly)
				p, m := s.connectedPolling()
				check(t, s, m, func(messages ...string) { p.PostMessages(messages...) })
			})
		})
	}
}

// What is for a namespace that there was no budget to join is no fault of the
// client's.
func TestNoBudgetToJoin(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) { noBudgetToJoin(t, sockets(t, pipes{}, limitedTo(1))) })
}

func noBudgetToJoin(t *testing.T, s *socketSite) {
	p, m := s.connectedPolling()
	p.PostMessages("40/other,", `42/other,["a"]`, `42["b"]`)
	if got := receive(t, "event", m.events); got != `limited -1 ["b"]` {
		t.Errorf("got %s", got)
	}
	if m.over.Load() {
		t.Error("the session has ended")
	}
}

// A POST is held until the debt is paid, and what is in it is handled as slowly
// as a WebSocket is read.
func TestPostIsHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		s := sockets(t, pipes{}, limitedTo(3))
		p, m := s.connectedPolling()
		p.PostMessages(`42["a"]`, `42["b"]`, `42["c"]`) // one over, and one for the next
		w.is(200*time.Millisecond + 1)
		p.PostMessages(`42["d"]`)
		for _, want := range []string{`["a"]`, `["b"]`, `limited -1 ["c"]`, `["d"]`} {
			if got := receive(t, "event", m.events); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		start := time.Now()
		p.PostMessages(slices.Repeat([]string{`42["x"]`}, 100)...)
		if took := time.Since(start).Round(time.Millisecond); took != time.Second {
			t.Errorf("held for %v", took)
		}
	})
}

// The budget stays the same when the session moves to a WebSocket.
func TestBudgetAfterUpgrade(t *testing.T) {
	inBubble(t, func(t *testing.T, _ watch) {
		s := sockets(t, pipes{}, limitedTo(3))
		p, m := s.connectedPolling()
		p.Send(`42["a"]`)
		c := p.Upgrade()
		c.Send(`42["b"]`, `42["c"]`)
		for _, want := range []string{`["a"]`, `["b"]`, `limited -1 ["c"]`} {
			if got := receive(t, "event", m.events); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	})
}

// A session that stays over its budget ends, on either transport, and its
// sockets are told why before.
func TestOverRate(t *testing.T) {
	flood := strings.Repeat(`42["x"]`+"\x1e", 50) + `42["x"]`
	overRate := func(t *testing.T, m *member, start time.Time) {
		if got := reasonOf(&bareSession{end: m.end}); got != "over the message rate" {
			t.Errorf("closed by %q", got)
		}
		told := false
		for len(m.events) > 0 {
			told = <-m.events == "over rate" || told
		}
		if !told {
			t.Error("the socket was not told")
		}
		if took := time.Since(start); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("after %v", took)
		}
	}
	t.Run("polling", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			s := sockets(t, pipes{}, limitedTo(10))
			p, m := s.connectedPolling()
			for !m.over.Load() {
				p.Post(flood)
			}
			overRate(t, m, w.start)
		})
	})
	t.Run("websocket", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			s := sockets(t, pipes{}, limitedTo(10))
			c, m := s.connected()
			go func() { // ends with the connection
				for c.TrySend(`42["x"]`) == nil {
				}
			}()
			for {
				if _, err := c.Read(); err != nil {
					break
				}
			}
			synctest.Wait()
			overRate(t, m, w.start)
		})
	})
}

// A session that is over is not read faster for it.
func TestPostsAfterTheEndAreHeld(t *testing.T) {
	inBubble(t, func(t *testing.T, _ watch) {
		s := sockets(t, pipes{}, limitedTo(10))
		p, m := s.connectedPolling()
		m.Close("enough")
		start := time.Now()
		for range 30 {
			p.Post("6")
		}
		if took := time.Since(start); took < time.Second {
			t.Errorf("30 posts in %v", took)
		}
	})
}

// Neither the heartbeat nor an upgrade runs out of time for a pause.
func TestClocksStandStillInPauses(t *testing.T) {
	short := func(o *Options) {
		limitedTo(1)(o)
		o.PingInterval, o.PingTimeout = time.Second, 500*time.Millisecond
	}
	inBubble(t, func(t *testing.T, w watch) {
		s := sockets(t, pipes{}, short)
		c, m := s.connected()
		pings := make(chan struct{}, 10)
		go func() { // ends with the connection
			defer close(pings)
			for {
				message, err := c.Read()
				if err != nil {
					return
				}
				if message == "2" {
					pings <- struct{}{}
				}
			}
		}()
		w.sleep(900 * time.Millisecond)
		for range 8 {
			c.Send(`42["x"]`) // each a token short, but the first
		}
		for range 3 {
			if _, ok := <-pings; !ok {
				t.Fatalf("ended in a pause, after %v", time.Since(w.start))
			}
			c.Send("3")
		}
		if took := time.Since(w.start); m.over.Load() || took < 2*time.Second {
			t.Errorf("over: %v, after %v", m.over.Load(), took)
		}
	})
}

// What clients post and have not finished counts into the account, and past its
// limit the one that has posted most is ended, though it sends nothing more.
func TestHeldPosts(t *testing.T) {
	account := wire.NewAccount(10_000)
	defer account.Close()
	b := bare(t, loopback{}, func(o *Options) { o.Account = account }, nil)
	const headers = "Content-Length: 9000\r\n\r\n"
	little, small := b.polled()
	b.Raw("POST", little.Query, headers+strings.Repeat("4", 3000))
	within(t, "the first body in the account", func() bool { return account.Held() >= 3000 })
	much, large := b.polled()
	b.Raw("POST", much.Query, headers+strings.Repeat("4", 8900))
	ended(t, large.end, "transport close")
	within(t, "its memory is given back", func() bool { return account.Held() < 10_000 })
	if small.over.Load() {
		t.Error("the other one was ended too")
	}
}
