package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// hurried is engineIO with the heartbeat that the public suites expect.
func hurried(t *testing.T) *suite { return newSuite(t, "/engine.io/", options()) }

func TestPollingHeartbeat(t *testing.T) {
	t.Run("ping and pong", func(t *testing.T) {
		t.Parallel()
		p := hurried(t).poll()
		for range 2 {
			start := time.Now()
			if a := p.get(); a.status != http.StatusOK || a.body != "2" {
				t.Fatalf("%d %q", a.status, a.body)
			}
			if took := time.Since(start); took < pingInterval/2 {
				t.Errorf("a ping after %v", took)
			}
			p.post("3")
		}
	})
	t.Run("no pong", func(t *testing.T) {
		t.Parallel()
		s := hurried(t)
		p := s.poll()
		time.Sleep(pingInterval + pingTimeout)
		s.gone() // now, if the machine is not too busy
		if a := p.get(); a.status != http.StatusBadRequest {
			t.Errorf("%d %q", a.status, a.body)
		}
		s.gone()
	})
	t.Run("no pong while a poll waits", func(t *testing.T) {
		t.Parallel()
		p := hurried(t).poll()
		start := time.Now()
		for _, want := range []string{"2", "1"} {
			if a := p.get(); a.status != http.StatusOK || a.body != want {
				t.Fatalf("%d %q, want %q", a.status, a.body, want)
			}
		}
		if took := time.Since(start); took < pingInterval+pingTimeout-50*time.Millisecond {
			t.Errorf("closed after %v", took)
		}
		p.isGone()
	})
}

func TestWebSocketHeartbeat(t *testing.T) {
	t.Run("ping and pong", func(t *testing.T) {
		t.Parallel()
		c := hurried(t).websocket()
		for range 2 {
			start := time.Now()
			if m, err := c.read(); err != nil || m != "2" {
				t.Fatalf("%q, %v", m, err)
			}
			if took := time.Since(start); took < pingInterval/2 {
				t.Errorf("a ping after %v", took)
			}
			c.send("3")
		}
	})
	t.Run("no pong", func(t *testing.T) {
		t.Parallel()
		s := hurried(t)
		start := time.Now()
		c := s.websocket()
		if m, err := c.read(); err != nil || m != "2" {
			t.Fatalf("%q, %v", m, err)
		}
		if m, err := c.read(); err == nil {
			t.Fatalf("got %q, want the end", m)
		}
		if took := time.Since(start); took < pingInterval+pingTimeout {
			t.Errorf("closed after %v", took)
		}
		s.gone()
	})
	t.Run("messages are no pong", func(t *testing.T) {
		t.Parallel()
		s := hurried(t)
		c := s.websocket()
		silent := make(chan struct{})
		go func() {
			defer close(silent)
			for c.WriteMessage(websocket.TextMessage, []byte("4x")) == nil {
				time.Sleep(20 * time.Millisecond)
			}
		}()
		for {
			m, err := c.read()
			if err != nil {
				break
			}
			if m != "2" && m != "4x" {
				t.Errorf("got %q", m)
			}
		}
		s.gone()
		c.Close()
		<-silent
	})
	t.Run("after an upgrade", func(t *testing.T) {
		t.Parallel()
		s := hurried(t)
		c := s.poll().upgrade()
		for range 2 {
			if m, err := c.read(); err != nil || !strings.HasPrefix(m, "2") {
				t.Fatalf("%q, %v", m, err)
			}
			c.send("3")
		}
		c.send("4alive")
		c.expect("4alive")
	})
}
