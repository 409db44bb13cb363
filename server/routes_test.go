package server

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// get asks for a path, and returns the answer with its body, if it has one.
func (r *running) get(t *testing.T, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, r.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		t.Cleanup(func() { answer.Body.Close() })
		return answer, "" // the body is the connection, open until the end of the test
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if sid := sidOf(string(body)); sid != "" {
		// A session that its client does not end keeps Shutdown waiting.
		t.Cleanup(func() { r.leave(t, path+"&sid="+sid) })
	}
	return answer, string(body)
}

// leave ends a session of long-polling as clients do, who poll meanwhile.
func (r *running) leave(t *testing.T, path string) {
	t.Helper()
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) {
			return r.client.Post(r.url+path, "text/plain", strings.NewReader("1"))
		},
		func() (*http.Response, error) { return r.client.Get(r.url + path) },
	} {
		answer, err := ask()
		if err != nil {
			t.Error(err)
			return
		}
		_ = answer.Body.Close() // what it says does not matter
	}
}

// sidOf returns the session of an Engine.IO handshake, or "".
func sidOf(body string) string {
	_, sid, _ := strings.Cut(body, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	return sid
}

var upgradeHeaders = []string{
	"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

// With a base path every route stands below it, and nothing beside it.
func TestBasePath(t *testing.T) {
	opts := options()
	opts.BasePath, opts.Metrics = "/signal", true
	s := run(t, opts)
	for _, tt := range []struct {
		path    string
		headers []string
		inside  int
	}{
		{"", nil, 200},
		{"/", nil, 200},
		{"/health", nil, 200},
		{"/favicon.ico", nil, 204},
		{"/healthz", nil, 200},
		{"/livez", nil, 200},
		{"/ready", nil, 200},
		{"/readyz", nil, 200},
		{"/stats", nil, 200},
		{"/metrics", nil, 200},
		{"/ice-servers", nil, 200},
		{"/demo", nil, 200},
		{"/demo/", nil, 308},
		{"/status", nil, 200},
		{"/unheard-of", nil, 404},
		{"/socket.io/?EIO=4&transport=polling", nil, 200},
		{"/socket.io/socket.io.js", nil, 404}, // there is no URL in these options
		{"/socket.io/?EIO=4&transport=websocket", upgradeHeaders, 101},
		{"", upgradeHeaders, 101},
		{"/", upgradeHeaders, 101},
		{"/ws", upgradeHeaders, 101},
		{"/signaling", upgradeHeaders, 101},
	} {
		if answer, _ := s.get(t, "/signal"+tt.path, tt.headers...); answer.StatusCode != tt.inside {
			t.Errorf("/signal%s: %s, want %d", tt.path, answer.Status, tt.inside)
		}
		for _, prefix := range []string{"", "/signals", "/signa", "/Signal", "//signal"} {
			answer, _ := s.get(t, prefix+tt.path, tt.headers...)
			if answer.StatusCode != 404 || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s%s: %s, %v", prefix, tt.path, answer.Status, answer.Header)
			}
		}
	}
	_, body := s.get(t, "/signal/")
	var index struct{ Endpoints map[string]string }
	if err := json.Unmarshal([]byte(body), &index); err != nil {
		t.Fatal(err)
	}
	for name, path := range index.Endpoints {
		if answer, _ := s.get(t, path); answer.StatusCode == 404 {
			t.Errorf("the endpoint %s is not at %s", name, path)
		}
	}
}

// Pages that load the client from its usual place are sent to where it is.
func TestClientScripts(t *testing.T) {
	for _, tt := range []struct{ setting, file, location string }{
		{"https://cdn.example/4/", "socket.io.js", "https://cdn.example/4/socket.io.js"},
		{"https://cdn.example/4/", "socket.io.min.js", "https://cdn.example/4/socket.io.min.js"},
		{"https://cdn.example/4/", "socket.io.esm.min.js", "https://cdn.example/4/socket.io.esm.min.js"},
		{"https://cdn.example/4/", "socket.io.msgpack.min.js", "https://cdn.example/4/socket.io.msgpack.min.js"},
		{"https://cdn.example/own.js", "socket.io.min.js", "https://cdn.example/own.js"},
		{"", "socket.io.js", ""},
	} {
		opts := options()
		opts.ClientScripts = tt.setting
		s := run(t, opts)
		// A script tag of any page may ask for it.
		answer, _ := s.get(t, "/socket.io/"+tt.file, "Origin", "https://page.example")
		want := http.StatusFound
		if tt.location == "" {
			want = http.StatusNotFound
		}
		if got := answer.Header.Get("Location"); answer.StatusCode != want || got != tt.location {
			t.Errorf("%q, %s: %s, %q", tt.setting, tt.file, answer.Status, got)
		}
		if got := answer.Header.Get("Cross-Origin-Resource-Policy"); want == http.StatusFound && got != "cross-origin" {
			t.Errorf("for pages of the policy %q only", got)
		}
		if answer, _ := s.get(t, "/socket.io/socket.io.js.map"); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("another file: %s", answer.Status)
		}
	}
}

// Load balancers keep connections for 60 seconds: ours live longer.
func TestIdleTimeout(t *testing.T) {
	s := run(t, options())
	if got := s.http.IdleTimeout; got != 75*time.Second {
		t.Errorf("%v", got)
	}
}

// Browsers get a page where others get JSON, and caches are told so.
func TestLandingPage(t *testing.T) {
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, base := range []string{"", "/signal"} {
		opts := options()
		opts.BasePath, opts.StatusPages = base, true
		s := run(t, opts)
		for path, status := range map[string]int{base + "/": 200, base + "/nothing": 404, base + "/demo/nothing": 404} {
			for accept, kind := range map[string]string{browser: "text/html; charset=utf-8", "*/*": "application/json; charset=utf-8"} {
				answer, body := s.get(t, path, "Accept", accept)
				if answer.StatusCode != status || answer.Header.Get("Content-Type") != kind || !slices.Contains(answer.Header.Values("Vary"), "Accept") {
					t.Errorf("%s for %s: %d, %v", path, accept, answer.StatusCode, answer.Header)
				}
				for _, want := range []string{`href="` + base + `/demo"`, `href="` + base + `/status"`, s.url + base + "/socket.io/socket.io.js"} {
					if strings.Contains(body, want) != (accept == browser) {
						t.Errorf("%s for %s: %q in\n%s", path, accept, want, body)
					}
				}
			}
		}
	}
}

func TestSecurityTxt(t *testing.T) {
	opts := options()
	s := run(t, opts)
	if answer, _ := s.get(t, "/.well-known/security.txt"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("without a contact: %s", answer.Status)
	}
	opts.SecurityContact = "mailto:security@example.com"
	s = run(t, opts)
	answer, body := s.get(t, "/.well-known/security.txt")
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
	contact, rest, _ := strings.Cut(body, "\n")
	expires, err := time.Parse(time.RFC3339, strings.TrimPrefix(strings.TrimSpace(rest), "Expires: "))
	if contact != "Contact: mailto:security@example.com" || err != nil || time.Until(expires) <= 0 || time.Until(expires) > 365*24*time.Hour {
		t.Errorf("%q: %v", body, err)
	}
}
