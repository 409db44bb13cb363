package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a real server, since hijacking and broken answers need one.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.Client().CloseIdleConnections)
	return srv
}

// request is a GET of / from remote, with headers given as name, value, ….
func request(remote string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://signal.example.com/", nil)
	r.RemoteAddr = remote
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
