package access

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
	"github.com/oodaa/signaling/test/rig/pebble"
)

// A server that starts with nothing has a certificate soon, serves both families
// with it, and keeps it over a restart.
func TestCertificatesByACME(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	own := newFiles(t)
	a.issue(own)
	plain, secure := rig.FreeAddr(t), rig.FreeAddr(t)
	port := func(addr string) int { return int(netip.MustParseAddrPort(addr).Port()) }
	p := pebble.Start(t, pebble.Options{
		CertFile: own.cert, KeyFile: own.key, HTTPPort: port(plain), TLSPort: port(secure), Validity: 90 * 24 * time.Hour,
	})
	env := []string{
		fmt.Sprintf("PORT=%d", port(secure)), "HTTP_REDIRECT_ADDR=" + plain,
		"ACME_DOMAINS=signaling.example", "ACME_EMAIL=admin@example.com", "ACME_CACHE_DIR=" + t.TempDir(), "ACME_DIRECTORY_URL=" + p.Directory,
		"SSL_CERT_FILE=" + write(t, filepath.Join(t.TempDir(), "root.pem"), a.rootPEM),
	}
	s := start(t, env...)

	issued := &tls.Config{RootCAs: p.Roots, ServerName: "signaling.example"}
	rig.EventuallyWithin(t, 2*rig.Patience, "a certificate of the authority", func() bool {
		conn, err := tls.Dial("tcp", s.Addr, issued)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	serial := serialOf(t, s.Addr, issued)
	for _, family := range []rig.Family{rig.Oodaa, rig.Volli} {
		c := door{family: family, tls: issued}.open(t, s.Addr)
		if family == rig.Oodaa {
			c.registerOodaa("alice")
		} else {
			c.registerVolli("vera", "")
		}
	}
	if err := health(t, s, "ACME_DOMAINS=signaling.example", "ACME_CACHE_DIR="+t.TempDir()); err != nil {
		t.Error(err)
	}
	// The plain listener knows its own name only.
	if answer := get(t, newTransport(t), "http://"+plain+"/", nil); answer.status != 421 {
		t.Errorf("by address: %d", answer.status)
	}
	s.Stop()
	again := start(t, append(env, "PORT=0", "HTTP_REDIRECT_ADDR=127.0.0.1:0")...)
	again.Log.Await(t, "certificate ready", again.Exited()) // read from the cache after it listens
	if got := serialOf(t, again.Addr, issued); got != serial {
		t.Error("the certificate was not kept over the restart")
	}
}
