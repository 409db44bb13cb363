package middleware

import (
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
		{"null listed", []string{"null"}, "h", []string{"null"}, false},
		{"null, all", []string{"*"}, "h", []string{"null"}, true},
		{"all", []string{"*"}, "h", []string{"https://any.example"}, true},
		{"pattern", []string{"https://*.example.com"}, "h", []string{app}, false},

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
			Origin(tt.origins)(ok).ServeHTTP(rec, r)

			status, body := 403, `{"error":"Origin not allowed"}`
			if tt.allowed {
				status, body = 200, ""
			}
			if rec.Code != status || rec.Body.String() != body {
				t.Errorf("answer = %d %s, want %d %s", rec.Code, rec.Body, status, body)
			}
			if got := rec.Header().Get("Content-Type"); !tt.allowed && got != "application/json; charset=utf-8" {
				t.Errorf("Content-Type = %q", got)
			}
			if got := NewOrigins(tt.origins).Check(r); got != tt.allowed {
				t.Errorf("Check = %v, want %v", got, tt.allowed)
			}
		})
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
	}
	if err := ValidateOrigins(good); err != nil {
		t.Errorf("refused: %v", err)
	}
	bad := []string{
		"localhost:3000", "app.example.com", "null", "https://*.example.com", "https://", "https://:3000",
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
