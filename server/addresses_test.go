package server

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/middleware"
)

func TestAddresses(t *testing.T) {
	a := addresses{limit: 3, log: slog.New(slog.DiscardHandler)}
	step := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	step("a request", a.add("x", tcp, 0), true)
	step("becomes a WebSocket", a.add("x", webSocket, 1), true)
	a.remove("x", tcp)
	step("a long-polling session", a.add("x", polling, 0), true)
	step("on a connection, which is its own", a.add("x", tcp, 0), true)
	step("a connection", a.add("x", tcp, 0), true)
	step("one too many", a.add("x", tcp, 0), false)
	step("another address", a.add("y", tcp, 0), true)
	for range 3 {
		a.remove("x", tcp)
	}
	a.remove("x", polling)
	a.remove("x", webSocket)
	a.remove("y", tcp)
	if len(a.held) > 0 {
		t.Errorf("%d addresses are remembered", len(a.held))
	}
	if n := a.refused.Load(); n != 1 {
		t.Errorf("%d refused", n)
	}
}

// An address that comes close to the limit is logged, once a minute.
func TestAddressesWarn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged strings.Builder
		a := addresses{limit: 10, log: slog.New(slog.NewTextHandler(&logged, nil))}
		lines := func(want int) {
			t.Helper()
			if got := strings.Count(logged.String(), "close to MAX_CONNECTIONS_PER_IP"); got != want {
				t.Errorf("%d lines, want %d: %s", got, want, &logged)
			}
		}
		for range 7 {
			a.add("192.0.2.1", webSocket, 0)
		}
		lines(0)
		for range 10 {
			a.add("192.0.2.1", webSocket, 0)
		}
		lines(1)
		time.Sleep(warnInterval)
		a.add("192.0.2.1", webSocket, 0)
		lines(2)
	})
}

func TestMaxConnectionsPerIP(t *testing.T) {
	const limit = 4
	opts := options()
	opts.MaxConnectionsPerIP = limit
	dial := func(t *testing.T, s *running) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.url[len("http://"):])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	for name, path := range map[string]string{"Socket.IO": "/socket.io/?EIO=4&transport=websocket", "Volli": "/ws"} {
		t.Run(name, func(t *testing.T) {
			s := run(t, opts)
			var answers []*http.Response
			for range limit {
				answer, _ := s.get(t, path, upgradeHeaders...)
				if answer.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("%s", answer.Status)
				}
				answers = append(answers, answer)
			}
			// Another TCP connection is one too many: nothing was asked on it.
			c := dial(t, s)
			if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Read(make([]byte, 1)); n > 0 || err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("read %d, %v", n, err)
			}
			// There is room again once a client has gone.
			_ = answers[0].Body.Close()
			for end := time.Now().Add(10 * time.Second); ; {
				answer, err := s.client.Get(s.url + "/health")
				if err == nil {
					_ = answer.Body.Close()
					break
				}
				if time.Now().After(end) {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("long-polling", func(t *testing.T) {
		s := run(t, opts)
		for i := range limit + 1 {
			want := http.StatusOK
			if i == limit {
				want = http.StatusTooManyRequests
			}
			answer, _ := s.get(t, "/socket.io/?EIO=4&transport=polling")
			if answer.StatusCode != want || (answer.Header.Get("Retry-After") != "") != (i == limit) {
				t.Errorf("session %d: %s", i, answer.Status)
			}
		}
	})
	t.Run("behind a proxy", func(t *testing.T) {
		opts := opts
		var err error
		if opts.Proxies, err = middleware.ParseProxies("127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		s := run(t, opts)
		for i := range limit + 1 {
			want := http.StatusSwitchingProtocols
			if i == limit {
				want = http.StatusTooManyRequests
			}
			if answer, _ := s.get(t, "/ws", append([]string{"X-Forwarded-For", "203.0.113.7"}, upgradeHeaders...)...); answer.StatusCode != want {
				t.Errorf("connection %d: %s", i, answer.Status)
			}
		}
		// Another client of the same proxy.
		if answer, _ := s.get(t, "/ws", append([]string{"X-Forwarded-For", "203.0.113.8"}, upgradeHeaders...)...); answer.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("another client: %s", answer.Status)
		}
		for range 3 * limit { // the proxy itself may have as many as it likes
			dial(t, s)
		}
		if answer, _ := s.get(t, "/health"); answer.StatusCode != http.StatusOK {
			t.Errorf("%s", answer.Status)
		}
	})
}

// A probe counts as a connection while it lasts.
func TestProbesCount(t *testing.T) {
	opts := options()
	opts.MaxConnections = 2
	s := run(t, opts)
	_, body := s.get(t, "/socket.io/?EIO=4&transport=polling")
	probe, _ := s.get(t, "/socket.io/?EIO=4&transport=websocket&sid="+sidOf(body), upgradeHeaders...)
	if probe.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(probe.Status)
	}
	if answer, _ := s.get(t, "/ws", upgradeHeaders...); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("with a session and its probe: %s", answer.Status)
	}
	_ = probe.Body.Close()
	for end := time.Now().Add(10 * time.Second); s.gate.connections.Load() != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d connections are counted", s.gate.connections.Load())
		}
	}
}

// The files of pages have a limit of their own, their 404s included.
func TestPageFilesAreLimited(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.RateLimit = 3
	s := run(t, opts)
	for i := range fileFactor*opts.RateLimit + 1 {
		want := http.StatusNotFound
		if i == fileFactor*opts.RateLimit {
			want = http.StatusTooManyRequests
		}
		if answer, _ := s.get(t, "/demo/x/nothing.js"); answer.StatusCode != want {
			t.Fatalf("file %d: %s", i, answer.Status)
		}
	}
	if answer, _ := s.get(t, "/demo"); answer.StatusCode != http.StatusOK {
		t.Errorf("the page: %s", answer.Status)
	}
}
