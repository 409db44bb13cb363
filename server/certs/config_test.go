package certs

import (
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

// served has a handler served with a certificate from files, at addr.
func served(t *testing.T, h http.Handler) (p pair, addr string) {
	t.Helper()
	p = newPair(t, nextMonth())
	var log logs
	f, _, _ := onDisk(t, p, &log, time.Hour)
	l := listen(t)
	serve(t, l, f, h)
	return p, l.Addr().String()
}

func TestVersions(t *testing.T) {
	p, addr := served(t, http.NotFoundHandler())
	for _, c := range []struct {
		version  uint16
		accepted bool
	}{
		{tls.VersionTLS10, false},
		{tls.VersionTLS11, false},
		{tls.VersionTLS12, true},
		{tls.VersionTLS13, true},
	} {
		t.Run(tls.VersionName(c.version), func(t *testing.T) {
			conn, err := dial(t, addr, &tls.Config{
				RootCAs: p.roots(), MinVersion: c.version, MaxVersion: c.version,
			})
			if (err == nil) != c.accepted {
				t.Fatalf("accepted: %v, %v", err == nil, err)
			}
			if err == nil && conn.ConnectionState().Version != c.version {
				t.Errorf("speaks %s", tls.VersionName(conn.ConnectionState().Version))
			}
		})
	}
}

func TestProtocols(t *testing.T) {
	p, addr := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))

	for _, c := range []struct {
		name    string
		offered []string
		want    string
	}{
		{"a browser", []string{"h2", "http/1.1"}, "http/1.1"},
		{"HTTP/1.1 alone", []string{"http/1.1"}, "http/1.1"},
		{"no ALPN", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, err := dial(t, addr, &tls.Config{RootCAs: p.roots(), NextProtos: c.offered})
			if err != nil {
				t.Fatal(err)
			}
			if got := conn.ConnectionState().NegotiatedProtocol; got != c.want {
				t.Errorf("negotiated %q, want %q", got, c.want)
			}
		})
	}

	t.Run("a client that could speak HTTP/2", func(t *testing.T) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots()}, ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "HTTP/1.1" {
			t.Errorf("served as %q, %v", body, err)
		}
	})

	t.Run("challenges are of ACME only", func(t *testing.T) {
		if slices.Contains(Config(&Files{}).NextProtos, acme.ALPNProto) {
			t.Error("offered with files")
		}
		if !slices.Contains(Config(&ACME{}).NextProtos, acme.ALPNProto) {
			t.Error("not offered with ACME")
		}
	})
}

// A client that comes back resumes its session, which spares both sides the
// expensive part of the handshake.
func TestResumption(t *testing.T) {
	p, addr := served(t, http.NotFoundHandler())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			client := http.Client{Transport: &http.Transport{
				DisableKeepAlives: true,
				TLSClientConfig:   &tls.Config{RootCAs: p.roots(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)},
			}}
			for _, resumed := range []bool{false, true} {
				res, err := client.Get("https://" + addr)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, res.Body); err != nil { // a ticket may follow the handshake
					t.Fatal(err)
				}
				res.Body.Close()
				if res.TLS.DidResume != resumed {
					t.Errorf("resumed: %v, want %v", res.TLS.DidResume, resumed)
				}
			}
		})
	}
}
