package certs

import (
	"crypto/tls"
	"time"

	"golang.org/x/crypto/acme"
)

// A Source has the certificate for a handshake. It is safe for concurrent use.
type Source interface {
	// GetCertificate is for tls.Config. What it returns must not be changed.
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Covers reports whether clients can reach the host, a name or an address as it
	// stands in URLs, with a certificate of the source.
	Covers(host string) bool
	// Expires is when the certificate in use ends, the first of them if there
	// are several; zero if there is none yet.
	Expires() time.Time
	// Close ends all work in the background, and waits for its end. What the
	// source has can still be used.
	Close()
}

// Config is the server's side of TLS: version 1.2 and up, and HTTP/1.1 alone,
// since an upgrade to WebSocket (RFC 6455, section 4.1) needs it.
func Config(s Source) *tls.Config {
	c := &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: s.GetCertificate,
	}
	if _, ok := s.(*ACME); ok {
		c.NextProtos = append(c.NextProtos, acme.ALPNProto) // RFC 8737
	}
	return c
}
