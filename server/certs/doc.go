// Package certs is the server's TLS: where its certificate comes from, and what
// is spoken with it.
//
// A certificate comes from a [Source]. [Files] reads it from two files and
// takes up their changes; [ACME] orders it from a certificate authority such as
// Let's Encrypt (RFC 8555) and renews it. Neither disturbs a connection that
// stands: a new certificate is for new handshakes.
//
// [Config] makes the tls.Config of either. http.Server.ServeTLS would add HTTP/2 to
// it, over which WebSocket clients cannot upgrade. [Redirect] is the handler of the
// plain listener, which sends everybody to HTTPS; with ACME, [ACME.HTTPHandler] goes
// around it to answer the authority's challenges. ACME orders nothing before
// [ACME.Start], since the authority connects to those very listeners.
package certs
