package middleware

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

func TestCORS(t *testing.T) {
	const app = "https://app.example.com"
	granted := func(origin string) map[string]string {
		return map[string]string{
			"Access-Control-Allow-Origin":      origin,
			"Access-Control-Allow-Credentials": "true",
		}
	}
	tests := []struct {
		name    string
		origins []string
		method  string
		headers []string
		want    map[string]string // every Access-Control-* header
	}{
		{"allowed", []string{app}, "GET", []string{"Origin", app}, granted(app)},
		{"second of the list", []string{"http://localhost:3000", app}, "GET", []string{"Origin", app}, granted(app)},
		{"echoed as it came", []string{app}, "GET", []string{"Origin", "HTTPS://APP.example.com"}, granted("HTTPS://APP.example.com")},
		{"configured with a slash", []string{app + "/"}, "POST", []string{"Origin", app}, granted(app)},
		{"any method", []string{app}, "DELETE", []string{"Origin", app}, granted(app)},
		{"not allowed", []string{app}, "GET", []string{"Origin", "https://evil.example"}, nil},
		{"subdomain", []string{app}, "GET", []string{"Origin", "https://a.app.example.com"}, nil},
		{"suffix", []string{app}, "GET", []string{"Origin", app + ".evil.example"}, nil},
		{"other scheme", []string{app}, "GET", []string{"Origin", "http://app.example.com"}, nil},
		{"other port", []string{app}, "GET", []string{"Origin", app + ":8443"}, nil},
		{"own host is not granted", []string{app}, "GET", []string{"Origin", "http://signal.example.com"}, nil},
		{"no origin", []string{app}, "GET", nil, nil},
		{"no origin, all", []string{"*"}, "GET", nil, nil},
		{"null", []string{app}, "GET", []string{"Origin", "null"}, nil},
		{"null listed", []string{app, "null"}, "GET", []string{"Origin", "null"}, granted("null")},
		{"pattern", []string{"https://*.example.com"}, "GET", []string{"Origin", app}, granted(app)},
		{"two origins", []string{app}, "GET", []string{"Origin", app, "Origin", "https://evil.example"}, nil},
		{"nobody", nil, "GET", []string{"Origin", app}, nil},
		{"all", []string{"*"}, "GET", []string{"Origin", "https://any.example"}, granted("https://any.example")},
		{"all, null", []string{"*"}, "GET", []string{"Origin", "null"}, granted("null")},
		{"all among others", []string{app, "*"}, "GET", []string{"Origin", "https://any.example"}, granted("https://any.example")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("192.0.2.1:5000", tt.headers...)
			r.Method = tt.method
			rec := httptest.NewRecorder()
			reached := false
			CORS(NewOrigins(tt.origins), nobody)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(rec, r)
			if !reached {
				t.Error("the handler was not reached")
			}
			checkCORS(t, rec.Header(), tt.want)
			if got := rec.Header().Get("Vary"); got != "Origin" {
				t.Errorf("Vary = %q, want Origin", got)
			}
		})
	}
}

func TestCORSPreflight(t *testing.T) {
	const app = "https://app.example.com"
	tests := []struct {
		name    string
		origins []string
		headers []string
		want    map[string]string
	}{
		{"granted", []string{app}, []string{"Origin", app, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-anything"},
			map[string]string{
				"Access-Control-Allow-Origin":      app,
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods":     "POST",
				"Access-Control-Allow-Headers":     "content-type,x-anything",
			}},
		{"without headers", []string{"*"}, []string{"Origin", app, "Access-Control-Request-Method", "GET"},
			map[string]string{
				"Access-Control-Allow-Origin":      app,
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Methods":     "GET",
			}},
		{"not allowed", []string{app}, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, nil},
		{"unknown method", []string{app}, []string{"Origin", app, "Access-Control-Request-Method", "CHICKEN"}, nil},
		{"no origin", []string{app}, []string{"Access-Control-Request-Method", "POST"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("192.0.2.1:5000", tt.headers...)
			r.Method = http.MethodOptions
			rec := httptest.NewRecorder()
			CORS(NewOrigins(tt.origins), nobody)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				t.Error("a preflight reached the handler")
			})).ServeHTTP(rec, r)
			if rec.Code != http.StatusNoContent {
				t.Errorf("status = %d, want 204", rec.Code)
			}
			checkCORS(t, rec.Header(), tt.want)
			if got := rec.Header().Get("Vary"); !strings.HasPrefix(got, "Origin") {
				t.Errorf("Vary = %q, want Origin first", got)
			}
		})
	}
}

func TestCORSPassesOptionsThatIsNoPreflight(t *testing.T) {
	r := request("192.0.2.1:5000")
	r.Method = http.MethodOptions
	rec := httptest.NewRecorder()
	CORS(Origins{}, nobody)(http.NotFoundHandler()).ServeHTTP(rec, r)
	if rec.Code != http.StatusNotFound {
		t.Errorf("status = %d, want the handler's 404", rec.Code)
	}
}

func nobody(*http.Request) bool { return false }

// Where all may read figures, nobody needs cookies for it.
func TestCORSWithoutCredentials(t *testing.T) {
	isStats := func(r *http.Request) bool { return r.URL.Path == "/stats" }
	for _, tt := range []struct {
		origins, path string
		credentials   string
	}{
		{"*", "/stats", ""},
		{"*", "/ice-servers", "true"},
		{"https://app.example.com", "/stats", "true"},
	} {
		for _, method := range []string{"GET", "OPTIONS"} {
			r := request("192.0.2.1:5000", "Origin", "https://app.example.com", "Access-Control-Request-Method", "GET")
			r.Method, r.URL.Path = method, tt.path
			rec := httptest.NewRecorder()
			CORS(NewOrigins([]string{tt.origins}), isStats)(ok).ServeHTTP(rec, r)
			h := rec.Header()
			if h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || h.Get("Access-Control-Allow-Credentials") != tt.credentials {
				t.Errorf("CORS_ORIGINS=%s, %s %s: %v", tt.origins, method, tt.path, h)
			}
		}
	}
}

func checkCORS(t *testing.T, h http.Header, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for name, values := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			got[name] = strings.Join(values, " | ")
		}
	}
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("CORS headers = %v, want %v", got, want)
	}
}
