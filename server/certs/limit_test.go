package certs

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	refused := func(value string) error {
		return fmt.Errorf("order: %w", &acme.Error{StatusCode: 429, Header: http.Header{"Retry-After": {value}}})
	}
	for _, test := range []struct {
		err  error
		want time.Duration
	}{
		{nil, 0},
		{fmt.Errorf("no route"), 0},
		{&acme.Error{StatusCode: 500}, 0},
		{refused("7200"), 2 * time.Hour},
		{refused("Thu, 26 Nov 2026 15:00:00 GMT"), 3 * time.Hour},
		{refused("soon"), 0},
		{refused("-5"), 0},
	} {
		if got := retryAfter(test.err, now); got != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}

// An authority that refuses orders for a while is not asked before.
func TestRetryAfterIsObeyed(t *testing.T) {
	var orders atomic.Int32
	var authority *httptest.Server
	authority = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", fmt.Sprint("nonce", time.Now().UnixNano()))
		switch r.URL.Path {
		case "/dir":
			fmt.Fprintf(w, `{"newNonce":"%[1]s/nonce","newAccount":"%[1]s/account","newOrder":"%[1]s/order"}`, authority.URL)
		case "/account":
			w.Header().Set("Location", authority.URL+"/account/1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"status":"valid"}`)
		case "/order":
			orders.Add(1)
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"}`)
		}
	}))
	defer authority.Close()
	var log logs
	a, err := NewACME(ACMEOptions{
		Domains: []string{"one.example"}, DirectoryURL: authority.URL + "/dir",
		Roots: authority.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, Log: log.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	a.Start()
	eventually(t, "a warning", func() bool { return log.count("certificate not issued") > 0 })
	if log.count("certificate not issued", "too many certificates", "retry=2h0m0s") != 1 || orders.Load() != 1 {
		t.Errorf("%d orders: %s", orders.Load(), log.String())
	}
}

// While there is no certificate, a health check by address is answered, and nobody
// takes the answer for that of a domain.
func TestHealthChecksWithoutACertificate(t *testing.T) {
	var log logs
	a, err := NewACME(ACMEOptions{Domains: []string{"one.example"}, DirectoryURL: "https://127.0.0.1:1/dir", Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	l := listen(t)
	serve(t, l, a, http.NotFoundHandler())
	if handshake(t, l.Addr().String(), "") == nil {
		t.Error("no handshake by address")
	}
	if handshake(t, l.Addr().String(), "one.example") != nil {
		t.Error("a handshake by name")
	}
	if _, err := dial(t, l.Addr().String(), &tls.Config{}); err == nil {
		t.Error("verified")
	}
	if !a.Expires().IsZero() {
		t.Errorf("expires %v", a.Expires())
	}
}

func TestCovers(t *testing.T) {
	p := newPair(t, nextMonth(), "signal.example.com", "*.example.org")
	dir := t.TempDir()
	write(t, dir+"/cert", p.cert)
	write(t, dir+"/key", p.key)
	var log logs
	files, err := NewFiles(dir+"/cert", dir+"/key", log.logger())
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	a, err := NewACME(ACMEOptions{Domains: []string{"signal.example.com", "a.example.org"}, Log: log.logger()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for host, want := range map[string]struct{ files, acme bool }{
		"signal.example.com": {true, true}, "a.example.org": {true, true}, "b.example.org": {true, false},
		"a.b.example.org": {}, "evil.example": {}, "127.0.0.1": {true, false}, "[::1]": {},
	} {
		if got := files.Covers(host); got != want.files {
			t.Errorf("files, %s: %v", host, got)
		}
		if got := a.Covers(host); got != want.acme {
			t.Errorf("ACME, %s: %v", host, got)
		}
	}
}
