package middleware

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	const app = "https://app.example.com"
	tests := []struct {
		name    string
		origins []string
		host    string
		origin  []string
		allowed bool
	}{
		{"none", []string{app}, "h", nil, true},
		{"none, nobody allowed", nil, "h", nil, true},
		{"empty", []string{app}, "h", []string{""}, true},
		{"listed", []string{app}, "h", []string{app}, true},
		{"listed, explicit default port", []string{app}, "h", []string{app + ":443"}, true},
		{"listed with its default port", []string{app + ":443"}, "h", []string{app}, true},
		{"listed with slash and space", []string{" " + app + "/ "}, "h", []string{app}, true},
		{"listed in capitals", []string{"HTTPS://App.Example.com"}, "h", []string{app}, true},
		{"listed, in capitals", []string{app}, "h", []string{"HTTPS://APP.EXAMPLE.COM"}, true},
		{"listed, application scheme", []string{"capacitor://localhost"}, "h", []string{"capacitor://localhost"}, true},
		{"listed, file", []string{"file://"}, "h", []string{"file://"}, true},
		{"not listed", []string{app}, "h", []string{"https://evil.example"}, false},
		{"not listed, other scheme", []string{app}, "h", []string{"http://app.example.com"}, false},
		{"not listed, other port", []string{app}, "h", []string{app + ":80"}, false},
		{"listed and not listed", []string{app}, "h", []string{app, "https://evil.example"}, false},
		{"null", []string{app}, "h", []string{"null"}, false},
		{"null listed", []string{"null"}, "h", []string{"null"}, true},
		{"null, all", []string{"*"}, "h", []string{"null"}, true},
		{"all", []string{"*"}, "h", []string{"https://any.example"}, true},
		{"pattern", []string{"https://*.example.com"}, "h", []string{app}, true},
		{"pattern, deeper", []string{"https://*.example.com"}, "h", []string{"https://a.b.example.com"}, true},
		{"pattern, in capitals", []string{"HTTPS://*.Example.com"}, "h", []string{"https://APP.example.com:443"}, true},
		{"pattern, apex", []string{"https://*.example.com"}, "h", []string{"https://example.com"}, false},
		{"pattern, empty label", []string{"https://*.example.com"}, "h", []string{"https://.example.com"}, false},
		{"pattern, other scheme", []string{"https://*.example.com"}, "h", []string{"http://app.example.com"}, false},
		{"pattern, other port", []string{"https://*.example.com"}, "h", []string{app + ":8443"}, false},
		{"pattern with a port", []string{"https://*.example.com:8443"}, "h", []string{app + ":8443"}, true},
		{"pattern, suffix of a name", []string{"https://*.example.com"}, "h", []string{"https://evilexample.com"}, false},

		{"own host", nil, "signal.example.com:3001", []string{"http://signal.example.com:3001"}, true},
		{"own host, in capitals", nil, "Signal.example.com", []string{"http://SIGNAL.example.com"}, true},
		{"own host, TLS ended by a proxy", nil, "signal.example.com", []string{"https://signal.example.com"}, true},
		{"own host, https port in Host", nil, "signal.example.com:443", []string{"https://signal.example.com"}, true},
		{"own host, https port in Origin", nil, "signal.example.com", []string{"https://signal.example.com:443"}, true},
		{"own host, http port in Host", nil, "signal.example.com:80", []string{"http://signal.example.com"}, true},
		{"own host, http port in Origin", nil, "signal.example.com", []string{"http://signal.example.com:80"}, true},
		{"own host, the other scheme's port", nil, "signal.example.com:80", []string{"https://signal.example.com"}, false},
		{"own host, other port", nil, "signal.example.com:3001", []string{"http://signal.example.com:3000"}, false},
		{"own host, IPv6", nil, "[::1]:3001", []string{"http://[::1]:3001"}, true},
		{"own host, IPv6 that ends like a port", nil, "[fe80::80]", []string{"http://[fe80::80]"}, true},
		{"own host as a prefix", nil, "signal.example.com", []string{"https://signal.example.com.evil.example"}, false},
		{"own host as user", nil, "signal.example.com", []string{"https://signal.example.com@evil.example"}, false},
		{"own host without scheme", nil, "signal.example.com", []string{"signal.example.com"}, false},
		{"no host at all", nil, "", []string{"file://"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("192.0.2.1:5000")
			r.Host = tt.host
			for _, origin := range tt.origin {
				r.Header.Add("Origin", origin)
			}
			rec := httptest.NewRecorder()
			allowed, own := NewOrigins(tt.origins), OwnHosts{Public: []string{"signal.example.com"}}
			Origin(allowed, own, slog.New(slog.DiscardHandler))(ok).ServeHTTP(rec, r)

			status, body := 403, `{"error":"Origin not allowed","code":"origin_not_allowed"}`
			if tt.allowed {
				status, body = 200, ""
			}
			if rec.Code != status || rec.Body.String() != body {
				t.Errorf("answer = %d %s, want %d %s", rec.Code, rec.Body, status, body)
			}
			if got := rec.Header().Get("Content-Type"); !tt.allowed && got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type = %q", got)
			}
		})
	}
}

// A page of the host that the request names may use the server, if no stranger can
// own that host's name.
func TestOwnHosts(t *testing.T) {
	secure := []string{"X-Forwarded-Proto", "https"}
	for _, tt := range []struct {
		name    string
		host    string // of both
		headers []string
		tls     bool
		proxies string
		want    bool
	}{
		{"public name", "signal.example.com", nil, false, "", true},
		{"any other name", "rebound.example", nil, false, "", false},
		{"other name with a port", "rebound.example:3001", nil, false, "", false},
		{"our TLS", "rebound.example", nil, true, "", true},
		{"TLS of a trusted proxy", "chat.example", secure, false, "192.0.2.0/24", true},
		{"TLS of the first of two", "chat.example", []string{"X-Forwarded-Proto", "https, http"}, false, "2", true},
		{"no TLS before a trusted proxy", "chat.example", []string{"X-Forwarded-Proto", "http"}, false, "1", false},
		{"TLS, says a stranger", "chat.example", secure, false, "", false},
		{"TLS, says another", "chat.example", secure, false, "10.0.0.0/8", false},
		{"IPv4", "192.168.1.5:3001", nil, false, "", true},
		{"IPv6", "[fd00::1]:3001", nil, false, "", true},
		{"IPv6, no port", "[::1]", nil, false, "", true},
		{"localhost", "localhost:3001", nil, false, "", true},
		{"no dot", "nas", nil, false, "", true},
		{"mDNS", "pi.local:3001", nil, false, "", true},
		{"internal", "signal.prod.internal", nil, false, "", true},
		{"home", "signal.home.arpa", nil, false, "", true},
		{"below localhost", "app.localhost:3001", nil, false, "", true},
		{"like local", "evillocal.example", nil, false, "", false},
		{"local as a label", "a.local.example", nil, false, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request("192.0.2.1:5000", append([]string{"Origin", "http://" + tt.host}, tt.headers...)...)
			r.Host = tt.host
			if tt.tls {
				r.TLS = new(tls.ConnectionState)
			}
			own := OwnHosts{Public: []string{"signal.example.com"}, Proxies: proxies(t, tt.proxies)}
			if got := own.Check(r); got != tt.want {
				t.Errorf("Check = %v", got)
			}
			r.Host = "other.example"
			if own.Check(r) {
				t.Error("another host passes")
			}
		})
	}
}

// A refusal is logged once for each host, and for a hundred at most.
func TestOriginLogs(t *testing.T) {
	var logged strings.Builder
	h := Origin(Origins{}, OwnHosts{}, slog.New(slog.NewTextHandler(&logged, nil)))(ok)
	ask := func(host, origin string) string {
		logged.Reset()
		r := request("192.0.2.1:5000", "Origin", origin)
		r.Host = host
		h.ServeHTTP(httptest.NewRecorder(), r)
		return logged.String()
	}
	if line := ask("signal.example.com:3001", "https://app.example.com"); !strings.Contains(line, "CORS_ORIGINS=https://app.example.com") {
		t.Errorf("logged %q", line)
	}
	if line := ask("signal.example.com", "https://app.example.com"); line != "" {
		t.Errorf("again: %q", line)
	}
	if line := ask("chat.example:3001", "http://chat.example:3001"); !strings.Contains(line, "PUBLIC_HOSTS=chat.example") {
		t.Errorf("logged %q", line)
	}
	lines := 0
	for i := range 2 * maxRefusalHosts {
		if ask("h", fmt.Sprintf("https://%d.example", i)) != "" {
			lines++
		}
	}
	if lines != maxRefusalHosts-2 {
		t.Errorf("%d more hosts logged", lines)
	}
}

func TestZeroOriginsAllowNone(t *testing.T) {
	var o Origins
	if o.Allowed("https://app.example.com") || o.Allowed("") {
		t.Error("the zero value allows an origin")
	}
}

func TestValidateOrigins(t *testing.T) {
	good := []string{
		"", " ", "*", "http://localhost:3000", " https://app.example.com/ ", "HTTPS://App.Example.com",
		"http://[::1]:3000", "http://192.0.2.1", "capacitor://localhost", "chrome-extension://abc", "file://",
		"null", "https://*.example.com", "https://*.example.com:8443",
	}
	if err := ValidateOrigins(good); err != nil {
		t.Errorf("refused: %v", err)
	}
	bad := []string{
		"localhost:3000", "app.example.com", "https://a*.example.com", "https://*", "https://*.", "https://*.*.example.com", "*.example.com", "https://", "https://:3000",
		"https://app.example.com/path", "https://app.example.com?q", "https://app.example.com#f",
		"https://user@app.example.com", "https://a b", "http://[::1", "http://h:port", "://h",
	}
	for _, s := range bad {
		t.Run(s, func(t *testing.T) {
			err := ValidateOrigins([]string{"http://localhost:3000", s})
			if err == nil || !strings.Contains(err.Error(), s) || strings.Contains(err.Error(), "localhost:3000\" is") != (s == "localhost:3000") {
				t.Errorf("error = %v, want one that names %q alone", err, s)
			}
		})
	}
	if err := ValidateOrigins(bad); strings.Count(err.Error(), "\n") != len(bad)-1 {
		t.Errorf("not one line for each: %v", err)
	}
}
