package turn

import "sync/atomic"

// Stats are the figures of a [Server]. All but Allocations and Connections only
// grow.
type Stats struct {
	Allocations      int    // live
	Connections      int    // TCP and TLS, open
	AllocationsTotal uint64 // ever made

	// Refused requests, by reason.
	RefusedAuth        uint64 // expired, forged or malformed credentials, another realm
	RefusedQuota       uint64 // allocations past a user's, a client address's or the server's limit
	RefusedCapacity    uint64 // allocations for which there was no port, or not the one asked for
	RefusedUnsupported uint64 // allocations of another address family, or to TCP peers
	RefusedPermission  uint64 // peers that may not be relayed to, and packets to such

	// Payload that was relayed, in bytes.
	BytesToPeers   uint64
	BytesFromPeers uint64
	BytesDropped   uint64 // past the bandwidth of an allocation, not relayed
}

type counters struct {
	allocations, auth, quota, capacity, unsupported, permission, dropped, toPeers, fromPeers atomic.Uint64
}

// Stats returns the figures of now.
func (s *Server) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{
		Allocations:        len(s.relays),
		Connections:        len(s.streams),
		AllocationsTotal:   s.count.allocations.Load(),
		RefusedAuth:        s.count.auth.Load(),
		RefusedQuota:       s.count.quota.Load(),
		RefusedCapacity:    s.count.capacity.Load(),
		RefusedUnsupported: s.count.unsupported.Load(),
		RefusedPermission:  s.count.permission.Load(),
		BytesToPeers:       s.count.toPeers.Load(),
		BytesFromPeers:     s.count.fromPeers.Load(),
		BytesDropped:       s.count.dropped.Load(),
	}
}
