package certs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig/pebble"
)

// An authority is a Pebble of the test's own.
type authority struct {
	*pebble.Server
	own pair // its HTTPS server's certificate
}

// startPebble starts one that validates at the given ports, until the test ends.
// Its certificates last for the time given.
func startPebble(t *testing.T, httpPort, tlsPort int, validity time.Duration) *authority {
	t.Helper()
	own, dir := newPair(t, nextMonth(), "localhost"), t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, own.cert)
	write(t, keyFile, own.key)
	return &authority{own: own, Server: pebble.Start(t, pebble.Options{
		CertFile: certFile, KeyFile: keyFile, HTTPPort: httpPort, TLSPort: tlsPort, Validity: validity,
	})}
}

// orders is how many were made.
func (a *authority) orders() int { return len(a.Log.Lines("POST /order-plz")) }
