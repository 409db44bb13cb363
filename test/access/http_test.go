package access

import (
	"io"
	"net/http"
	"testing"
)

// An httpAnswer is one that was read to its end.
type httpAnswer struct {
	status int
	header http.Header
	body   string
}

// get asks for a URL, and does not follow redirects.
func get(t testing.TB, transport http.RoundTripper, url string, header http.Header) httpAnswer {
	t.Helper()
	return ask(t, transport, http.MethodGet, url, header)
}

func ask(t testing.TB, transport http.RoundTripper, method, url string, header http.Header) httpAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return httpAnswer{answer.StatusCode, answer.Header, string(body)}
}

// newTransport is one of the test's own.
func newTransport(t testing.TB) *http.Transport {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// bearer is the header with a token.
func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
