package oodaa

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/socketio"
)

// TestEarlyRoom sends more than may wait for a register.
func TestEarlyRoom(t *testing.T) {
	for _, tt := range []struct {
		name      string
		body      string
		fit, send int
	}{
		{"many", "1", maxEarly, maxEarly + 3},
		{"large", `"` + strings.Repeat("x", 50<<10) + `"`, 5, 7},
		{"one that never fits", `"` + strings.Repeat("x", maxEarlySize) + `"`, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				a := s.connect("A", time.Now())
				for range tt.send {
					if err := a.send(`["offer",{"to":"bob","from":"alice","offer":`+tt.body+`}]`, socketio.NoAck, nil); err != nil {
						t.Fatal(err)
					}
				}
				refused := a.take()
				if len(refused) != tt.send-tt.fit {
					t.Errorf("%d refused, want %d", len(refused), tt.send-tt.fit)
				}
				time.Sleep(earlyTimeout)
				synctest.Wait()
				late := a.take()
				if len(late) != tt.fit {
					t.Errorf("%d refused late, want %d", len(late), tt.fit)
				}
				for _, text := range append(refused, late...) {
					if text != `["error","Not registered"]` {
						t.Errorf("got %s", text)
					}
				}
				// The room is there again.
				if err := a.send(relayToBob, socketio.NoAck, nil); err != nil {
					t.Fatal(err)
				}
				a.hears()
				if err := a.send(`["register",{"userId":"alice"}]`, socketio.NoAck, nil); err != nil {
					t.Fatal(err)
				}
				a.hears(`["user-list",{"users":[]}]`, `["error","User bob not found"]`)
			})
		})
	}
}

// TestStrikes ends clients for abuse, the third time within ten minutes for good.
func TestStrikes(t *testing.T) {
	var s strikes
	start := time.Now()
	alice, bob := offender{"192.0.2.1", "alice"}, offender{"192.0.2.1", "bob"}
	for i, step := range []struct {
		who offender
		at  time.Duration
		out bool
	}{
		{alice, 0, false},
		{alice, 1 * time.Minute, false},
		{bob, 1 * time.Minute, false},
		{alice, 9 * time.Minute, true},
		{alice, 10 * time.Minute, false}, // it starts over
		{alice, 11 * time.Minute, false},
		{alice, 20 * time.Minute, false}, // the first one no longer counts
		{alice, 20*time.Minute + 30*time.Second, true},
	} {
		if out := s.out(step.who, start.Add(step.at)); out != step.out {
			t.Errorf("step %d: out is %v", i, out)
		}
	}
	for i := range 2 * maxOffenders {
		s.out(offender{user: strings.Repeat("x", i%7) + string(rune(i))}, start)
	}
	if n := len(s.last); n > maxOffenders {
		t.Errorf("remembers %d offenders", n)
	}
}
