package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// probe connects a WebSocket that may take p's session over.
func (p *polling) probe() *socket {
	p.t.Helper()
	return p.dial("EIO=4&transport=websocket&sid=" + p.sid)
}

// upgrade moves p's session to a WebSocket.
func (p *polling) upgrade() *socket {
	p.t.Helper()
	c := p.probe()
	c.send("2probe")
	c.expect("3probe")
	c.send("5")
	return c
}

func TestUpgrade(t *testing.T) {
	s := engineIO(t)
	p := s.poll()
	c := p.upgrade()
	c.send("4hello")
	c.expect("4hello")
	c.sendBinary("\x01\x02")
	c.expect("b:\x01\x02")
	if ws, polling := s.handler.engineIO.Connections(); ws != 1 || polling != 0 {
		t.Errorf("%d, %d connections", ws, polling)
	}
	t.Run("polling is over", func(t *testing.T) {
		if a := p.get(); a.status != http.StatusBadRequest {
			t.Errorf("poll: %d %q", a.status, a.body)
		}
		p.refused("4polling")
		c.send("4still here")
		c.expect("4still here")
	})
	t.Run("a second WebSocket", func(t *testing.T) {
		other := p.probe()
		other.send("2probe")
		other.closed()
		c.send("4still here")
		c.expect("4still here")
	})
	t.Run("close", func(t *testing.T) {
		c.send("1")
		c.closed()
		s.gone()
	})
}

func TestUpgradeKeepsOrder(t *testing.T) {
	p := engineIO(t).poll()
	p.post("41\x1e42")
	c := p.probe()
	p.post("43")
	c.send("2probe")
	c.expect("3probe")
	p.post("b" + "NA==") // 4, as binary
	c.send("5", "45")
	c.sendBinary("6")
	c.expect("41", "42", "43", "b:4", "45", "b:6")
}

// The poll that waits is answered with a noop, so that the client can stop
// polling, and so are those that still come.
func TestUpgradeEndsPolls(t *testing.T) {
	p := engineIO(t).poll()
	waiting := p.waits()
	c := p.probe()
	c.send("2probe")
	c.expect("3probe")
	if a := <-waiting; a.status != http.StatusOK || a.body != "6" {
		t.Errorf("the poll that waited: %d %q", a.status, a.body)
	}
	for range 3 {
		if got := p.next(); got != "6" {
			t.Errorf("another poll: %q", got)
		}
	}
	p.post("4posted")
	if got := p.next(); got != "4posted" {
		t.Errorf("the last poll: %q", got)
	}
	c.send("5", "4x")
	c.expect("4x")
}

func TestUpgradeRefused(t *testing.T) {
	tests := []struct {
		name string
		send func(c *socket)
	}{
		{"wrong probe", func(c *socket) { c.send("2foo") }},
		{"probe in binary", func(c *socket) { c.sendBinary("2probe") }},
		{"message instead of a probe", func(c *socket) { c.send("4hello") }},
		{"upgrade without a probe", func(c *socket) { c.send("5") }},
		{"message instead of the upgrade", func(c *socket) {
			c.send("2probe")
			c.expect("3probe")
			c.send("4hello")
		}},
		{"invalid packet", func(c *socket) { c.send("abc") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := engineIO(t).poll()
			c := p.probe()
			tt.send(c)
			c.closed()
			p.goesOn()
		})
	}
	t.Run("a second WebSocket during the probe", func(t *testing.T) {
		p := engineIO(t).poll()
		first := p.probe()
		first.send("2probe")
		first.expect("3probe")
		second := p.probe()
		second.send("2probe")
		second.closed()
		first.send("5", "4x")
		first.expect("4x")
	})
	t.Run("of a session that began as a WebSocket", func(t *testing.T) {
		s := engineIO(t)
		c := s.dial("EIO=4&transport=websocket")
		sid := parseOpen(t, c.next()).SID
		second := s.dial("EIO=4&transport=websocket&sid=" + sid)
		second.send("2probe")
		second.closed()
		c.send("4x")
		c.expect("4x")
	})
}

// goesOn expects the session to poll as before, and to be upgraded later.
func (p *polling) goesOn() {
	p.t.Helper()
	for i := range 3 {
		p.post(fmt.Sprint("4", i))
		for {
			got := p.next()
			if got == "6" { // the probe is not over yet
				continue
			}
			if got != fmt.Sprint("4", i) {
				p.t.Fatalf("got %q", got)
			}
			break
		}
	}
	// The server may not have noticed the end of the former probe yet.
	for end := time.Now().Add(patience); ; {
		c := p.probe()
		c.send("2probe")
		m, err := c.read()
		if err != nil && time.Now().Before(end) {
			continue
		}
		if m != "3probe" {
			p.t.Fatalf("got %q, %v", m, err)
		}
		c.send("5", "4x")
		c.expect("4x")
		return
	}
}

func TestUpgradeAbandoned(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *socket)
	}{
		{"before the probe", func(c *socket) { c.Close() }},
		{"after the probe", func(c *socket) {
			c.send("2probe")
			c.expect("3probe")
			c.Close()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := engineIO(t).poll()
			tt.end(p.probe())
			p.goesOn()
		})
	}
}

// A session that ends takes its probe along.
func TestUpgradeOfEndedSession(t *testing.T) {
	s := engineIO(t)
	p := s.poll()
	c := p.probe()
	c.send("2probe")
	c.expect("3probe")
	p.post("1")
	c.closed()
	s.gone()
}
