package main

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oodaa/signaling/test/rig/engineio"
)

func TestPollingHandshake(t *testing.T) {
	s := hurried(t)
	a := s.Do("GET", "EIO=4&transport=polling", "", "Origin", "http://elsewhere.example.com")
	if a.Status != http.StatusOK {
		t.Fatalf("%d %q", a.Status, a.Body)
	}
	for name, want := range map[string]string{
		"Content-Type":                "text/plain; charset=UTF-8",
		"Cache-Control":               "no-store",
		"Access-Control-Allow-Origin": "*",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	o := engineio.ParseOpen(t, a.Body)
	want := fmt.Sprintf(`0{"sid":"%s","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`, o.SID)
	if a.Body != want || o.SID == "" {
		t.Errorf("%s, want %s", a.Body, want)
	}
	if other := s.OpenPolling(); other.SID == o.SID {
		t.Error("two sessions with one id")
	}
}

// Requests that belong to no session, or not to it.
func TestBadRequests(t *testing.T) {
	s := engineIO(t)
	p, ws := s.OpenPolling(), s.Dial("")
	wsID := engineio.ParseOpen(t, ws.Next()).SID
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	tests := []struct {
		name, method, query string
		header              []string
		body                string
	}{
		{"no query", "GET", "", nil, `{"code":0,"message":"Transport unknown"}`},
		{"no transport", "GET", "EIO=4", nil, `{"code":0,"message":"Transport unknown"}`},
		{"unknown transport", "GET", "EIO=4&transport=abc", nil, `{"code":0,"message":"Transport unknown"}`},
		{"no version", "GET", "transport=polling", nil, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version 3", "GET", "EIO=3&transport=polling", nil, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version abc", "GET", "EIO=abc&transport=polling", nil, `{"code":5,"message":"Unsupported protocol version"}`},
		{"no version over WebSocket", "GET", "transport=websocket", upgrade, `{"code":5,"message":"Unsupported protocol version"}`},
		{"version abc over WebSocket", "GET", "EIO=abc&transport=websocket", upgrade, `{"code":5,"message":"Unsupported protocol version"}`},
		{"no transport over WebSocket", "GET", "EIO=4", upgrade, `{"code":0,"message":"Transport unknown"}`},
		{"unknown transport over WebSocket", "GET", "EIO=4&transport=abc", upgrade, `{"code":0,"message":"Transport unknown"}`},
		{"websocket without upgrade", "GET", "EIO=4&transport=websocket", nil, `{"code":3,"message":"Bad request"}`},
		{"polling with upgrade", "GET", "EIO=4&transport=polling", upgrade, `{"code":3,"message":"Bad request"}`},
		{"POST for a handshake", "POST", "EIO=4&transport=polling", nil, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT for a handshake", "PUT", "EIO=4&transport=polling", nil, `{"code":2,"message":"Bad handshake method"}`},
		{"DELETE for a handshake", "DELETE", "EIO=4&transport=polling", nil, `{"code":2,"message":"Bad handshake method"}`},
		{"unknown session", "GET", "EIO=4&transport=polling&sid=unknown", nil, `{"code":1,"message":"Session ID unknown"}`},
		{"POST to an unknown session", "POST", "EIO=4&transport=polling&sid=unknown", nil, `{"code":1,"message":"Session ID unknown"}`},
		{"upgrade of an unknown session", "GET", "EIO=4&transport=websocket&sid=unknown", upgrade, `{"code":1,"message":"Session ID unknown"}`},
		{"PUT to a session", "PUT", p.Query, nil, `{"code":3,"message":"Bad request"}`},
		{"DELETE of a session", "DELETE", p.Query, nil, `{"code":3,"message":"Bad request"}`},
		{"session without transport", "GET", "EIO=4&sid=" + p.SID, nil, `{"code":0,"message":"Transport unknown"}`},
		{"session with the wrong version", "GET", "EIO=3&transport=polling&sid=" + p.SID, nil, `{"code":5,"message":"Unsupported protocol version"}`},
		{"polling a WebSocket session", "GET", "EIO=4&transport=polling&sid=" + wsID, nil, `{"code":3,"message":"Bad request"}`},
		{"POST to a WebSocket session", "POST", "EIO=4&transport=polling&sid=" + wsID, nil, `{"code":3,"message":"Bad request"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.Do(tt.method, tt.query, "", tt.header...)
			if a.Status != http.StatusBadRequest || a.Body != tt.body {
				t.Errorf("%d %s, want 400 %s", a.Status, a.Body, tt.body)
			}
		})
	}
	// None of it harmed the sessions.
	p.Send("4polling")
	if got := p.Next(); got != "4polling" {
		t.Errorf("got %q", got)
	}
	ws.Send("4websocket")
	ws.Expect("4websocket")
}

func TestPollingMessages(t *testing.T) {
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	tests := []struct {
		name    string
		payload string
		packets []string
	}{
		{"text", "4hello", []string{"4hello"}},
		{"empty text", "4", []string{"4"}},
		{"Unicode", "4€ \U0001f600 \u2028", []string{"4€ \U0001f600 \u2028"}},
		{"several", "4test1\x1e4test2\x1e4test3", []string{"4test1", "4test2", "4test3"}},
		{"binary", "bAQIDBA==", []string{"bAQIDBA=="}},
		{"empty binary", "b", []string{"b"}},
		{"all bytes", "b" + base64.StdEncoding.EncodeToString(allBytes), []string{"b" + base64.StdEncoding.EncodeToString(allBytes)}},
		{"text and binary", "4a\x1ebAQI=\x1e4b\x1eb+/+/", []string{"4a", "bAQI=", "4b", "b+/+/"}},
		{"with a heartbeat", "4a\x1e3\x1e4b", []string{"4a", "4b"}},
		{"largest", "4" + strings.Repeat("x", maxPayload-1), []string{"4" + strings.Repeat("x", maxPayload-1)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := engineIO(t).OpenPolling()
			p.Send(tt.payload)
			for _, want := range tt.packets {
				if got := p.Next(); got != want {
					t.Errorf("got %.100q, want %.100q", got, want)
				}
			}
		})
	}
	t.Run("while a poll waits", func(t *testing.T) {
		p := engineIO(t).OpenPolling()
		for i := range 10 {
			got := p.Later()
			p.Send(fmt.Sprint("4", i))
			if a := <-got; a.Body != fmt.Sprint("4", i) {
				t.Fatalf("got %q", a.Body)
			}
		}
	})
}

// refused sends a payload that is not taken.
func refused(p *engineio.Poller, payload string) {
	p.T.Helper()
	if a := p.Post(payload); a.Status != http.StatusBadRequest {
		p.T.Fatalf("POST %.60q: %d %q, want 400", payload, a.Status, a.Body)
	}
}

// isGone expects the session to have ended, told or not.
func isGone(p *engineio.Poller) {
	p.T.Helper()
	a := p.Get()
	if a.Status == http.StatusOK && a.Body == "1" {
		a = p.Get()
	}
	if a.Status != http.StatusBadRequest {
		p.T.Fatalf("poll of a closed session: %d %q, want 400", a.Status, a.Body)
	}
}

func TestPollingInvalidPackets(t *testing.T) {
	tests := map[string]string{
		"unknown type":                "abc",
		"type 7":                      "7",
		"client ping":                 "2",
		"client ping with data":       "2probe",
		"empty payload":               "",
		"empty packet at the end":     "4a\x1e",
		"empty packet at the start":   "\x1e4a",
		"only a separator":            "\x1e",
		"valid, then of unknown type": "4a\x1eabc",
	}
	for name, payload := range tests {
		t.Run(name, func(t *testing.T) {
			p := engineIO(t).OpenPolling()
			refused(p, payload)
			isGone(p)
		})
	}
	t.Run("told to the poll that waits", func(t *testing.T) {
		p := engineIO(t).OpenPolling()
		waiting := p.Waits()
		refused(p, "abc")
		if a := <-waiting; a.Status != http.StatusOK || a.Body != "1" {
			t.Errorf("the poll: %d %q", a.Status, a.Body)
		}
		isGone(p)
	})
	t.Run("application/octet-stream", func(t *testing.T) {
		p := engineIO(t).OpenPolling()
		if a := p.Do("POST", p.Query, "4a", "Content-Type", "application/octet-stream"); a.Status != http.StatusBadRequest {
			t.Errorf("%d %q", a.Status, a.Body)
		}
		isGone(p)
	})
}

// The poll that waits is told; the second one is an error.
func TestDuplicatePoll(t *testing.T) {
	p := engineIO(t).OpenPolling()
	first := p.Waits()
	if a := p.Get(); a.Status != http.StatusBadRequest {
		t.Errorf("the second poll: %d %q", a.Status, a.Body)
	}
	if a := <-first; a.Status != http.StatusOK || a.Body != "1" {
		t.Errorf("the first poll: %d %q", a.Status, a.Body)
	}
	if a := p.Get(); a.Status != http.StatusBadRequest {
		t.Errorf("a third poll: %d %q", a.Status, a.Body)
	}
}

func TestConcurrentPosts(t *testing.T) {
	p := engineIO(t).OpenPolling()
	// The server asks for the body as soon as it reads it.
	nc := p.Raw("POST", p.Query, "Content-Length: 6\r\nExpect: 100-continue\r\n\r\n")
	if a, err := http.ReadResponse(bufio.NewReader(nc), nil); err != nil || a.StatusCode != http.StatusContinue {
		t.Fatalf("%v, %v", a, err)
	}
	refused(p, "4second")
	_, _ = nc.Write([]byte("4first"))
	isGone(p)
}

func TestCancelledPoll(t *testing.T) {
	s := engineIO(t)
	p := s.OpenPolling()
	if err := p.Abandon(); err == nil {
		t.Error("the poll was answered")
	}
	s.gone()
	if a := p.Get(); a.Status != http.StatusBadRequest {
		t.Errorf("the next poll: %d %q", a.Status, a.Body)
	}
}

func TestPollingTooLarge(t *testing.T) {
	inBubble(t, "/engine.io/", unhurried(), func(t *testing.T, s *suite) {
		p := s.OpenPolling()
		waiting := p.Waits()
		if a := p.Do("POST", p.Query, "4"+strings.Repeat("x", maxPayload)); a.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d %q, want 413", a.Status, a.Body)
		}
		if a := <-waiting; a.Status != http.StatusOK || a.Body != "1" {
			t.Errorf("the poll: %d %q", a.Status, a.Body)
		}
		isGone(p)
	})
}

func TestPollingClose(t *testing.T) {
	p := engineIO(t).OpenPolling()
	waiting := p.Waits()
	p.Send("1")
	if a := <-waiting; a.Status != http.StatusOK || a.Body != "6" {
		t.Errorf("the poll that waited: %d %q", a.Status, a.Body)
	}
	if a := p.Get(); a.Status != http.StatusBadRequest {
		t.Errorf("the next poll: %d %q", a.Status, a.Body)
	}
	t.Run("while no poll waits", func(t *testing.T) {
		s := engineIO(t)
		p := s.OpenPolling()
		p.Send("4a\x1e1\x1e4never handled")
		p.Expect("6")
		isGone(p)
		s.gone()
	})
}
