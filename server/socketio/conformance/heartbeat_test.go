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
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			p := s.OpenPolling()
			for range 2 {
				start := time.Now()
				if a := p.Get(); a.Status != http.StatusOK || a.Body != "2" {
					t.Fatalf("%d %q", a.Status, a.Body)
				}
				if took := time.Since(start); took < pingInterval/2 {
					t.Errorf("a ping after %v", took)
				}
				p.Send("3")
			}
		})
	})
	t.Run("no pong", func(t *testing.T) {
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			p := s.OpenPolling()
			time.Sleep(pingInterval + pingTimeout)
			s.gone()
			if a := p.Get(); a.Status != http.StatusBadRequest {
				t.Errorf("%d %q", a.Status, a.Body)
			}
			s.gone()
		})
	})
	t.Run("no pong while a poll waits", func(t *testing.T) {
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			p := s.OpenPolling()
			start := time.Now()
			for _, want := range []string{"2", "1"} {
				if a := p.Get(); a.Status != http.StatusOK || a.Body != want {
					t.Fatalf("%d %q, want %q", a.Status, a.Body, want)
				}
			}
			if took := time.Since(start); took < pingInterval+pingTimeout-50*time.Millisecond {
				t.Errorf("closed after %v", took)
			}
			isGone(p)
		})
	})
}

func TestWebSocketHeartbeat(t *testing.T) {
	t.Run("ping and pong", func(t *testing.T) {
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			c := s.OpenWebSocket()
			for range 2 {
				start := time.Now()
				if m, err := c.Read(); err != nil || m != "2" {
					t.Fatalf("%q, %v", m, err)
				}
				if took := time.Since(start); took < pingInterval/2 {
					t.Errorf("a ping after %v", took)
				}
				c.Send("3")
			}
		})
	})
	t.Run("no pong", func(t *testing.T) {
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			start := time.Now()
			c := s.OpenWebSocket()
			if m, err := c.Read(); err != nil || m != "2" {
				t.Fatalf("%q, %v", m, err)
			}
			if m, err := c.Read(); err == nil {
				t.Fatalf("got %q, want the end", m)
			}
			if took := time.Since(start); took < pingInterval+pingTimeout {
				t.Errorf("closed after %v", took)
			}
			s.gone()
		})
	})
	// On a socket: a pipe holds nothing for its reader, so that each answer that is
	// read would put the end off.
	t.Run("messages are no pong", func(t *testing.T) {
		t.Parallel()
		s := hurried(t)
		c := s.OpenWebSocket()
		silent := make(chan struct{})
		go func() {
			defer close(silent)
			for c.WriteMessage(websocket.TextMessage, []byte("4x")) == nil {
				time.Sleep(20 * time.Millisecond)
			}
		}()
		for {
			m, err := c.Read()
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
		inBubble(t, "/engine.io/", options(), func(t *testing.T, s *suite) {
			c := s.OpenPolling().Upgrade()
			for range 2 {
				if m, err := c.Read(); err != nil || !strings.HasPrefix(m, "2") {
					t.Fatalf("%q, %v", m, err)
				}
				c.Send("3")
			}
			c.Send("4alive")
			c.Expect("4alive")
		})
	})
}
