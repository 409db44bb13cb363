// Package turn makes the ICE servers that clients are told of, with temporary
// credentials as the TURN REST convention has them, and runs the built-in TURN
// server (RFC 8656 over UDP, TCP and TLS, UDP relays), which checks the same ones.
//
// Peers must have a global address, no port of this host but its relays can be
// reached, and allocations, permissions and connections have bounds.
//
// What an abuser with credentials can still do: use the bandwidth of each
// allocation, which has no limit by default; send UDP to any global address, from
// this host's; hold as many allocations as a client address may have; keep them past
// the expiry of the credentials by refreshing, as calls must. Without credentials:
// have answers four times a request's size sent to an address that he forged.
// AllowPrivate opens to every user the private networks that this host is in,
// the host itself, and a cloud's link-local services.
package turn
