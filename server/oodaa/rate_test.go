package oodaa

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

const relayToBob = `["offer",{"to":"bob","from":"alice","offer":1}]`

// limited has the engine find no budget for an event.
func (c *testClient) limited(args string, ack int64) {
	p := socketio.Packet{Data: []byte(args)}
	name, rest, err := p.EventName()
	if err != nil {
		c.server.t.Fatal(err)
	}
	c.Limited(&socketio.Event{Name: name, Args: p.Data, Rest: rest, Ack: ack, Batch: &c.batch})
}

// What comes with an empty budget has no effect, and is answered.
func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		alice, bob := s.connect("A", time.Now()), s.connect("B", time.Now())
		alice.register("alice")
		bob.register("bob")
		s.settle()
		alice.take()
		bob.take()
		alice.limited(relayToBob, 2)
		alice.limited(relayToBob, socketio.NoAck)
		alice.limited(`["register",{"userId":"carol"}]`, 3)
		alice.limited(`["unknown"]`, socketio.NoAck)
		const exceeded = `["error","Rate limit exceeded"]`
		alice.hears(
			exceeded, `2 [{"ok":false,"error":"Rate limit exceeded","code":"rate_limited"}]`,
			exceeded,
			exceeded, `3 [{"ok":false,"error":"Rate limit exceeded","code":"rate_limited"}]`,
			exceeded,
		)
		bob.hears()
		if s.hub.Find([]byte("carol")) != nil {
			t.Error("registered")
		}
		want := map[string]uint64{"Rate limit exceeded": 4}
		if got := s.errors(); !maps.Equal(got, want) {
			t.Errorf("counted %v, want %v", got, want)
		}
	})
}

// A connection pays for each further name, whichever socket takes it.
func TestNewNamesCostMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		a := s.connect("A", time.Now())
		a.budget.Limits = &wire.Limits{Packets: 1, PacketBurst: 100}
		a.register("one")
		a.register("one")
		a.register("two")
		a.Closed("client namespace disconnect")
		again, err := s.accept(a)
		if err != nil {
			t.Fatal(err)
		}
		a.Receiver = again
		again.Opened()
		a.register("three")
		left := 0
		for a.budget.Packet(time.Now()) {
			left++
		}
		if want := 100 - 9 - 9; left != want { // the engine charges the packets themselves
			t.Errorf("%d packets left, want %d", left, want)
		}
	})
}

// A client that stays over its rate is disconnected; the third time within ten
// minutes, for good.
func TestOverTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for i, want := range []string{"close", "close", "disconnect", "close"} {
			a := s.connect("A", time.Now())
			a.register("alice")
			a.OverRate()
			a.hears(want)
			s.settle()
			if s.hub.Find([]byte("alice")) != nil {
				t.Errorf("end %d: alice is still there", i)
			}
			time.Sleep(time.Minute)
		}
	})
}

// Each 100 IDs in a list of users to watch cost a packet, of which the engine has
// charged the first.
func TestWatchedUsersCost(t *testing.T) {
	for _, tt := range []struct{ ids, cost int }{{0, 0}, {1, 0}, {100, 0}, {101, 1}, {1000, 9}, {1001, 9}, {100_000, 9}} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t)
			const burst = 50
			alice := s.connect("A", time.Now())
			alice.budget.Limits = &wire.Limits{Packets: 1, PacketBurst: burst}
			alice.register("alice")
			list := strings.TrimSuffix(strings.Repeat(`"bob",`, tt.ids), ",")
			if err := alice.send(`["watch-users",{"users":[`+list+`]}]`, socketio.NoAck, nil); err != nil {
				t.Fatal(err)
			}
			left := 0
			for alice.budget.Packet(time.Now()) {
				left++
			}
			if cost := burst - left; cost != tt.cost {
				t.Errorf("%d IDs cost %d packets, want %d", tt.ids, cost, tt.cost)
			}
		})
	}
}
