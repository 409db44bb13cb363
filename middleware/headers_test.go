package middleware

import (
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/go-chi/chi/v5"
)

// helmet is the contract's list; the wire does not care about the case of names.
func helmet() http.Header {
	h := http.Header{}
	for name, value := range map[string]string{
		"Content-Security-Policy":           "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
		"Cross-Origin-Opener-Policy":        "same-origin",
		"Cross-Origin-Resource-Policy":      "same-origin",
		"Origin-Agent-Cluster":              "?1",
		"Referrer-Policy":                   "no-referrer",
		"Strict-Transport-Security":         "max-age=15552000; includeSubDomains",
		"X-Content-Type-Options":            "nosniff",
		"X-DNS-Prefetch-Control":            "off",
		"X-Download-Options":                "noopen",
		"X-Frame-Options":                   "SAMEORIGIN",
		"X-Permitted-Cross-Domain-Policies": "none",
		"X-XSS-Protection":                  "0",
	} {
		h.Set(name, value)
	}
	return h
}

func TestHeadersAreHelmets(t *testing.T) {
	rec := httptest.NewRecorder()
	Headers()(ok).ServeHTTP(rec, request("192.0.2.1:5000"))
	if got := rec.Result().Header; !reflect.DeepEqual(got, helmet()) {
		t.Errorf("headers = %v\nwant %v", got, helmet())
	}
}

func TestHeadersAreOnEveryAnswer(t *testing.T) {
	limiter := NewLimiter(1, nil)
	quietLog := slog.New(slog.DiscardHandler)
	mux := chi.NewRouter()
	mux.Use(Headers(), ClientIP(Proxies{}, quietLog), RequestLog(quietLog, nil), Recover(quietLog), CORS(NewOrigins([]string{"https://app.example.com"}), nobody))
	mux.Get("/", ok)
	mux.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	mux.With(limiter.Handler(nil)).Get("/limited", ok)
	mux.With(Origin(Origins{}, OwnHosts{}, quietLog)).Get("/origin", ok)
	srv := serve(t, mux)

	tests := []struct {
		name, method, path string
		origin             string
		status             int
	}{
		{"ok", "GET", "/", "", 200},
		{"not found", "GET", "/nowhere", "", 404},
		{"method not allowed", "POST", "/", "", 405},
		{"panic", "GET", "/panic", "", 500},
		{"within limit", "GET", "/limited", "", 200},
		{"over limit", "GET", "/limited", "", 429},
		{"foreign origin", "GET", "/origin", "https://evil.example", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, srv.URL+tt.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			res, err := srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != tt.status {
				t.Errorf("status = %d, want %d", res.StatusCode, tt.status)
			}
			for name, want := range helmet() {
				if got := res.Header[name]; !reflect.DeepEqual(got, want) {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestHeadersOfOneRequestStayItsOwn(t *testing.T) {
	change := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range helmet() {
			w.Header().Add(name, "added")
		}
		w.Header().Set("Content-Security-Policy", "replaced")
	})
	headers := Headers()
	headers(change).ServeHTTP(httptest.NewRecorder(), request("192.0.2.1:5000"))
	rec := httptest.NewRecorder()
	headers(ok).ServeHTTP(rec, request("192.0.2.1:5000"))
	if got := rec.Header(); !reflect.DeepEqual(got, helmet()) {
		t.Errorf("headers of the next request = %v", got)
	}
}

type headerOnly struct{ http.ResponseWriter }

var reused = http.Header{}

func (headerOnly) Header() http.Header { return reused }

func TestHeadersAllocateNothing(t *testing.T) {
	h, r := Headers()(ok), request("192.0.2.1:5000")
	var w http.ResponseWriter = headerOnly{}
	maps.Copy(reused, helmet())
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
