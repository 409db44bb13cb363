package volli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/server"
)

var paths = []string{"/", "/signaling", "/ws"}

// stats is what /stats says of this family's clients.
func (s *instance) stats() (v struct {
	users, connections int
	relays, errors     map[string]int
}) {
	s.t.Helper()
	_, body, _, _ := s.request(http.MethodGet, "/stats")
	var all struct {
		ConnectedUsers int
		Connections    struct {
			Volli struct{ WebSocket int }
		}
		Relays, Errors map[string]int
	}
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		s.t.Fatalf("/stats: %v in %s", err, body)
	}
	v.users, v.connections, v.relays, v.errors = all.ConnectedUsers, all.Connections.Volli.WebSocket, all.Relays, all.Errors
	return v
}

// expectRefused asserts that the upgrade is answered with this status, and that
// the connection is not counted.
func (s *instance) expectRefused(status int, path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	before := s.stats().connections
	answer, body, conn, _ := s.upgrade(path, headers...)
	if conn != nil {
		_ = conn.Close()
	}
	if answer.StatusCode != status {
		s.t.Errorf("%s %v: %s, want %d", path, headers, answer.Status, status)
	}
	if n := s.stats().connections; n > before {
		s.t.Errorf("%s %v: %d connections, before it %d", path, headers, n, before)
	}
	return answer, body
}

func TestUpgrade(t *testing.T) {
	s := start(t, options())
	for _, path := range paths {
		answer, _, conn, _ := s.upgrade(path)
		if conn == nil {
			t.Fatalf("%s: %s", path, answer.Status)
		}
		_ = conn.Close()
		// The key is RFC 6455's own example, section 1.3.
		if got := answer.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
			t.Errorf("%s: Sec-WebSocket-Accept: %q", path, got)
		}
		for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "X-Powered-By"} {
			if got := answer.Header.Get(name); got != "" {
				t.Errorf("%s: %s: %q", path, name, got)
			}
		}
		if got := answer.Header.Get("X-Content-Type-Options"); got != "nosniff" {
			t.Errorf("%s: X-Content-Type-Options: %q", path, got)
		}
	}
	t.Run("offers that are not taken", func(t *testing.T) {
		answer, _, conn, _ := s.upgrade("/ws", "Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits", "Sec-WebSocket-Protocol", "chat")
		if conn == nil {
			t.Fatal(answer.Status)
		}
		_ = conn.Close()
		if got := answer.Header.Get("Sec-WebSocket-Extensions"); got != "" {
			t.Errorf("extensions: %q", got)
		}
	})
	t.Run("a message in the same segment as the request", func(t *testing.T) {
		conn, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		request := "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		if _, err := conn.Write(append([]byte(request), frame(true, ws.OpText, discoverA)...)); err != nil {
			t.Fatal(err)
		}
		c := &client{s: s, t: t, name: "early", conn: conn, r: newReader(t, conn)}
		c.expect(offlineA)
		c.settle()
	})
}

// TestBadHandshakes are refused, and not counted as connections.
func TestBadHandshakes(t *testing.T) {
	s := start(t, options())
	tests := []struct {
		name    string
		method  string
		headers []string
		status  int
	}{
		{"no key", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13"}, 400},
		{"a key that is too short", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "x"}, 400},
		{"no version", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, 400},
		{"another version", "GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "8", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, 426},
		{"Connection without Upgrade", "GET", []string{"Connection", "keep-alive", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, 400},
		{"POST", "POST", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, 405},
		{"POST without upgrade", "POST", nil, 405},
		{"DELETE", "DELETE", nil, 405},
	}
	for _, tt := range tests {
		for _, path := range paths {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				answer, _, conn, _ := s.request(tt.method, path, tt.headers...)
				if conn != nil || answer.StatusCode != tt.status {
					t.Errorf("%s, want %d", answer.Status, tt.status)
				}
				if tt.status == 426 && answer.Header.Get("Sec-WebSocket-Version") != "13" {
					t.Error("does not say which version it has")
				}
			})
		}
	}
	s.open("c", "/ws").settle()
	if n := s.stats().connections; n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestWithoutUpgrade(t *testing.T) {
	s := start(t, options())
	for _, path := range paths[1:] {
		answer, body, _, _ := s.request(http.MethodGet, path)
		if answer.StatusCode != http.StatusUpgradeRequired || answer.Header.Get("Upgrade") != "websocket" {
			t.Errorf("%s: %s, Upgrade: %q", path, answer.Status, answer.Header.Get("Upgrade"))
		}
		expectJSON(t, body, `{"error":"WebSocket upgrade required","code":"upgrade_required"}`)
	}
	if answer, body, _, _ := s.request(http.MethodGet, "/"); answer.StatusCode != 200 || !strings.Contains(body, "Oodaa Signaling Server") {
		t.Errorf("/: %s %s", answer.Status, body)
	}
	for _, path := range []string{"/ws/", "/signaling/", "/ws/x", "/Signaling", "/health/", "/unheard-of", "//"} {
		s.expectRefused(http.StatusNotFound, path)
	}
}

func TestOrigin(t *testing.T) {
	s := start(t, change(options(), func(o *server.Options) { o.Origins = []string{"https://app.example.com", "http://localhost:3000"} }))
	tests := []struct {
		name, origin string
		ok           bool
	}{
		{"none, as native applications", "", true},
		{"allowed", "https://app.example.com", true},
		{"another that is allowed", "http://localhost:3000", true},
		{"the server's own host", "http://signal.example.com", true},
		{"its own host behind TLS", "https://signal.example.com", true},
		{"foreign", "https://evil.example.com", false},
		{"another scheme", "http://app.example.com", false},
		{"another port", "http://localhost:3001", false},
		{"its own host at another port", "http://signal.example.com:8080", false},
		{"one that begins alike", "https://app.example.com.evil.com", false},
		{"one that ends alike", "https://evil.com/app.example.com", false},
		{"opaque", "null", false},
		{"no URL", "app.example.com", false},
	}
	for _, tt := range tests {
		for _, path := range paths {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				var headers []string
				if tt.origin != "" {
					headers = []string{"Origin", tt.origin}
				}
				if tt.ok {
					c := s.open("c", path, headers...)
					c.t = t
					c.settle()
					_ = c.conn.Close()
					return
				}
				answer, body, conn, _ := s.upgrade(path, headers...)
				if conn != nil || answer.StatusCode != http.StatusForbidden {
					t.Fatalf("%s", answer.Status)
				}
				expectJSON(t, body, `{"error":"Origin not allowed","code":"origin_not_allowed"}`)
				if got := answer.Header.Get("Access-Control-Allow-Origin"); got != "" {
					t.Errorf("Access-Control-Allow-Origin: %q", got)
				}
			})
		}
	}
	t.Run("two of them", func(t *testing.T) {
		s.expectRefused(http.StatusForbidden, "/ws", "Origin", "https://app.example.com", "Origin", "https://app.example.com")
	})
	t.Run("* allows all", func(t *testing.T) {
		s := start(t, change(options(), func(o *server.Options) { o.Origins = []string{"*"} }))
		for _, origin := range []string{"https://evil.example.com", "null"} {
			s.open("c", "/ws", "Origin", origin).settle()
		}
	})
}

// TestMaxConnections counts both families together; refused or failed ones not.
func TestMaxConnections(t *testing.T) {
	s := start(t, change(options(), func(o *server.Options) { o.MaxConnections = 3; o.Origins = nil }))
	for range 5 {
		s.request(http.MethodGet, "/ws", "Connection", "Upgrade", "Upgrade", "websocket") // no key
		s.upgrade("/ws", "Origin", "https://evil.example.com")
	}
	// The last that failed may be on its way out still.
	o, c := s.openSocketIO("o"), s.eventuallyOpen("c")
	c.settle()
	d := s.eventuallyOpen("d")
	d.settle()
	for _, path := range paths {
		_, body := s.expectRefused(http.StatusServiceUnavailable, path)
		expectJSON(t, body, `{"error":"Too many connections","code":"too_many_connections"}`)
	}
	if answer, _, _, _ := s.upgrade(socketIO); answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("Socket.IO: %s", answer.Status)
	}
	for _, path := range []string{"/health", "/ready", "/"} {
		if answer, _, _, _ := s.request(http.MethodGet, path); answer.StatusCode != 200 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	c.settle() // who is in does not notice
	// Who leaves makes room, for either family.
	_ = o.conn.Close()
	s.eventuallyOpen("e").settle()
	c.close(1000, "")
	c.expectClose(1000, "")
	s.eventuallyOpen("f").settle()
	s.expectRefused(http.StatusServiceUnavailable, "/ws")
}

// eventuallyOpen connects as soon as there is room.
func (s *instance) eventuallyOpen(name string) *client {
	s.t.Helper()
	for {
		answer, _, conn, r := s.upgrade("/ws")
		if conn != nil {
			s.t.Cleanup(func() { _ = conn.Close() })
			return &client{s: s, t: s.t, name: name, conn: conn, r: r}
		}
		if answer.StatusCode != http.StatusServiceUnavailable {
			s.t.Fatal(answer.Status)
		}
	}
}

func TestStats(t *testing.T) {
	s := start(t, options())
	a, b := s.join("a"), s.join("b")
	unregistered := s.open("c", "/")
	a.call(b)
	a.call(b)
	a.send(`{"type":"answer","from":"a","to":"b","answer":1}`)
	b.expect(`{"type":"answer","from":"a","to":"b","answer":1}`)
	for text, messages := range map[string][]string{
		"Invalid message format":  {`[]`, `x`},
		"Unknown message type":    {`{}`},
		"Missing required fields": {`{"type":"offer"}`, `{"type":"register"}`, `{"type":"discover"}`},
		"User y is not online":    {`{"type":"offer","from":"a","to":"y","offer":1}`},
		"Sender mismatch":         {`{"type":"offer","from":"b","to":"a","offer":1}`},
	} {
		for _, message := range messages {
			a.send(message)
			a.expectError(text)
		}
	}
	unregistered.send(`{"type":"offer","from":"c","to":"a","offer":1}`)
	unregistered.expectError("Not registered")

	v := s.stats()
	if v.users != 2 || v.connections != 3 {
		t.Errorf("%d users, %d connections", v.users, v.connections)
	}
	wantRelays := map[string]int{"offer": 2, "answer": 1, "ice-candidate": 0, "custom-message": 0}
	wantErrors := map[string]int{
		"Invalid message format": 2, "Unknown message type": 1, "Missing required fields": 3,
		"User <to> is not online": 1, "Sender mismatch": 1, "Not registered": 1,
	}
	expectCounts(t, "relays", v.relays, wantRelays)
	expectCounts(t, "errors", v.errors, wantErrors)

	b.close(1000, "")
	b.expectClose(1000, "")
	a.offline("b")
	if v := s.stats(); v.users != 1 || v.connections != 2 {
		t.Errorf("when one has left: %d users, %d connections", v.users, v.connections)
	}
}

func expectCounts(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %s is %d, want %d", what, name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
