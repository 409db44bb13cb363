package oodaa

import (
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

const relayToBob = `["offer",{"to":"bob","from":"alice","offer":1}]`

// limitedServer has alice, who may send so much, and bob.
func limitedServer(t *testing.T, limit wire.RateLimit) (s *server, alice, bob *testClient) {
	s = newServer(t)
	alice, bob = s.connect("A", time.Now()), s.connect("B", time.Now())
	alice.register("alice")
	bob.register("bob")
	s.settle()
	alice.take()
	bob.take()
	s.handlers.Rate = limit
	return s, alice, bob
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, alice, bob := limitedServer(t, wire.RateLimit{PerSecond: 2, Burst: 3})
		send := func(args string, ack int64) {
			t.Helper()
			if err := alice.send(args, ack, nil); err != nil {
				t.Errorf("%s: %v", args, err)
			}
		}
		const (
			arrives  = `["offer",{"from":"alice","offer":1}]`
			exceeded = `["error","Rate limit exceeded"]`
		)
		send(relayToBob, 1)
		send(`["ping"]`, socketio.NoAck)
		send(`["unknown"]`, socketio.NoAck)
		alice.hears(`1 [{"ok":true}]`, `["pong"]`)
		bob.hears(arrives)

		// Over it nothing has an effect, whatever it is.
		send(relayToBob, 2)
		send(relayToBob, socketio.NoAck)
		send(`["register",{"userId":"carol"}]`, 3)
		send(`["get-users"]`, 4)
		send(`["ping"]`, socketio.NoAck)
		send(`["unknown"]`, socketio.NoAck)
		alice.hears(
			exceeded, `2 [{"ok":false,"error":"Rate limit exceeded","code":"rate_limited"}]`,
			exceeded,
			exceeded, `3 [{"ok":false,"error":"Rate limit exceeded","code":"rate_limited"}]`,
			exceeded, `4 [{"ok":false,"error":"Rate limit exceeded","code":"rate_limited"}]`,
			exceeded,
			exceeded,
		)
		bob.hears()
		if s.hub.Find([]byte("carol")) != nil {
			t.Error("registered")
		}
		want := map[string]uint64{"Rate limit exceeded": 6}
		if got := s.errors(); !maps.Equal(got, want) {
			t.Errorf("counted %v, want %v", got, want)
		}

		// bob has a limit of his own.
		if err := bob.send(`["ping"]`, socketio.NoAck, nil); err != nil {
			t.Error(err)
		}
		bob.hears(`["pong"]`)

		time.Sleep(499 * time.Millisecond)
		send(relayToBob, socketio.NoAck)
		alice.hears(exceeded)
		time.Sleep(time.Millisecond)
		send(relayToBob, socketio.NoAck)
		alice.hears()
		bob.hears(arrives)
		time.Sleep(time.Hour)
		for range 3 {
			send(relayToBob, socketio.NoAck)
		}
		bob.hears(arrives, arrives, arrives)
		send(relayToBob, socketio.NoAck)
		alice.hears(exceeded)
	})
}

// TestOverTheRate has alice send for half a minute, and more or less.
func TestOverTheRate(t *testing.T) {
	tests := []struct {
		name      string
		limit     wire.RateLimit
		perSecond func(second int) int
		ends      bool // 10 to 12 seconds after it began
	}{
		{"no limit", wire.RateLimit{}, func(int) int { return 100 }, false},
		{"at the rate", wire.RateLimit{PerSecond: 5, Burst: 10}, func(int) int { return 5 }, false},
		{"twice the rate", wire.RateLimit{PerSecond: 5, Burst: 10}, func(int) int { return 10 }, true},
		{"much more", wire.RateLimit{PerSecond: 5, Burst: 10}, func(int) int { return 100 }, true},
		{"in between a second's rest", wire.RateLimit{PerSecond: 5, Burst: 10}, func(s int) int { return 10 * min(s%9, 1) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, alice, bob := limitedServer(t, tt.limit)
				start := time.Now()
				for second := range 30 {
					n := tt.perSecond(second)
					for range n {
						if err := alice.send(relayToBob, socketio.NoAck, nil); err != nil {
							t.Fatal(err)
						}
						if alice.ended {
							after := time.Since(start)
							if !tt.ends || after < 10*time.Second || after > 12*time.Second {
								t.Fatalf("disconnected after %v", after)
							}
							s.settle()
							heard := bob.take()
							if last := heard[len(heard)-1]; last != `["peer-disconnected",{"peerId":"alice"}]` {
								t.Errorf("bob got %s last", last)
							}
							if s.hub.Find([]byte("alice")) != nil {
								t.Error("alice is still there")
							}
							return
						}
						time.Sleep(time.Second / time.Duration(n))
					}
					if n == 0 {
						time.Sleep(time.Second)
					}
				}
				if tt.ends {
					t.Error("never disconnected")
				}
				errors := s.errors()["Rate limit exceeded"]
				relays := s.gateway.Handlers.Counters.Relays()["offer"]
				if tt.limit.PerSecond == 0 && (errors != 0 || relays != 3000) {
					t.Errorf("%d errors, %d relays", errors, relays)
				}
				if got := uint64(len(bob.take())); got != relays {
					t.Errorf("%d arrived, %d were counted", got, relays)
				}
				if got := uint64(len(alice.take())); got != errors {
					t.Errorf("%d errors arrived, %d were counted", got, errors)
				}
			})
		})
	}
}
