package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig/engineio"
)

func TestUpgrade(t *testing.T) {
	s := engineIO(t)
	p := s.OpenPolling()
	c := p.Upgrade()
	c.Send("4hello")
	c.Expect("4hello")
	c.Send("b:\x01\x02")
	c.Expect("b:\x01\x02")
	if ws, polling := s.handler.engineIO.Connections(); ws != 1 || polling != 0 {
		t.Errorf("%d, %d connections", ws, polling)
	}
	t.Run("polling is over", func(t *testing.T) {
		if a := p.Get(); a.Status != http.StatusBadRequest {
			t.Errorf("poll: %d %q", a.Status, a.Body)
		}
		refused(p, "4polling")
		c.Send("4still here")
		c.Expect("4still here")
	})
	t.Run("a second WebSocket", func(t *testing.T) {
		p.Probe().Closed()
		c.Send("4still here")
		c.Expect("4still here")
	})
	t.Run("close", func(t *testing.T) {
		c.Send("1")
		c.Closed()
		s.gone()
	})
}

func TestUpgradeKeepsOrder(t *testing.T) {
	p := engineIO(t).OpenPolling()
	p.Send("41\x1e42")
	c := p.Probe()
	p.Send("43")
	c.Send("2probe")
	c.Expect("3probe")
	p.Send("b" + "NA==") // 4, as binary
	c.Send("5", "45", "b:6")
	c.Expect("41", "42", "43", "b:4", "45", "b:6")
}

// The poll that waits is answered with a noop, so that the client can stop
// polling, and so are those that still come.
func TestUpgradeEndsPolls(t *testing.T) {
	inBubble(t, "/engine.io/", unhurried(), func(t *testing.T, s *suite) {
		p := s.OpenPolling()
		waiting := p.Waits()
		c := p.Probe()
		c.Send("2probe")
		c.Expect("3probe")
		if a := <-waiting; a.Status != http.StatusOK || a.Body != "6" {
			t.Errorf("the poll that waited: %d %q", a.Status, a.Body)
		}
		for range 3 {
			if got := p.Next(); got != "6" {
				t.Errorf("another poll: %q", got)
			}
		}
		p.Send("4posted")
		if got := p.Next(); got != "4posted" {
			t.Errorf("the last poll: %q", got)
		}
		c.Send("5", "4x")
		c.Expect("4x")
	})
}

func TestUpgradeRefused(t *testing.T) {
	tests := []struct {
		name string
		send func(c *engineio.WebSocket)
	}{
		{"wrong probe", func(c *engineio.WebSocket) { c.Send("2foo") }},
		{"probe in binary", func(c *engineio.WebSocket) { c.Send("b:2probe") }},
		{"message instead of a probe", func(c *engineio.WebSocket) { c.Send("4hello") }},
		{"upgrade without a probe", func(c *engineio.WebSocket) { c.Send("5") }},
		{"message instead of the upgrade", func(c *engineio.WebSocket) {
			c.Send("2probe")
			c.Expect("3probe")
			c.Send("4hello")
		}},
		{"invalid packet", func(c *engineio.WebSocket) { c.Send("abc") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := engineIO(t).OpenPolling()
			c := p.Probe()
			tt.send(c)
			c.Closed()
			goesOn(p)
		})
	}
	t.Run("a second WebSocket during the probe", func(t *testing.T) {
		p := engineIO(t).OpenPolling()
		first := p.Probe()
		first.Send("2probe")
		first.Expect("3probe")
		notUpgraded(p.Client, p.SID)
		first.Send("5", "4x")
		first.Expect("4x")
	})
	t.Run("of a session that began as a WebSocket", func(t *testing.T) {
		s := engineIO(t)
		c := s.Dial("")
		sid := engineio.ParseOpen(t, c.Next()).SID
		s.Dial(sid).Closed()
		c.Send("4x")
		c.Expect("4x")
	})
}

// notUpgraded expects a WebSocket for the session to be refused.
func notUpgraded(c *engineio.Client, sid string) {
	c.T.Helper()
	if ws, err := c.TryDial(sid); err == nil || !strings.Contains(err.Error(), "400") {
		c.T.Errorf("not refused: %v, %v", ws, err)
	}
}

// goesOn expects the session to poll as before, and to be upgraded later.
func goesOn(p *engineio.Poller) {
	p.T.Helper()
	for i := range 3 {
		p.Send(fmt.Sprint("4", i))
		for {
			got := p.Next()
			if got == "6" { // the probe is not over yet
				continue
			}
			if got != fmt.Sprint("4", i) {
				p.T.Fatalf("got %q", got)
			}
			break
		}
	}
	// The server may not have noticed the end of the former probe yet.
	for end := time.Now().Add(patience); ; {
		c, err := p.TryDial(p.SID)
		if err != nil && time.Now().Before(end) {
			continue
		}
		if err != nil {
			p.T.Fatal(err)
		}
		c.Send("2probe")
		c.Expect("3probe")
		c.Send("5", "4x")
		c.Expect("4x")
		return
	}
}

func TestUpgradeAbandoned(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *engineio.WebSocket)
	}{
		{"before the probe", func(c *engineio.WebSocket) { c.Close() }},
		{"after the probe", func(c *engineio.WebSocket) {
			c.Send("2probe")
			c.Expect("3probe")
			c.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := engineIO(t).OpenPolling()
			tt.end(p.Probe())
			goesOn(p)
		})
	}
}

// A session that ends takes its probe along.
func TestUpgradeOfEndedSession(t *testing.T) {
	inBubble(t, "/engine.io/", unhurried(), func(t *testing.T, s *suite) {
		p := s.OpenPolling()
		c := p.Probe()
		c.Send("2probe")
		c.Expect("3probe")
		p.Send("1")
		c.Closed()
		s.gone()
	})
}
