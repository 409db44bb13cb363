package turn

import "net/netip"

// quotaKey is whose allocations are counted together: those of a user id, or
// where the credentials have none, those of a client address.
func quotaKey(username string, client netip.Addr) string {
	if c, err := parseUsername(username); err == nil && c.user != "" {
		return "user " + c.user
	}
	return "client " + clientKey(client)
}

// clientKey is the IPv4 address, or the /64 of the IPv6 address, which is the
// least that one subscriber has to himself.
func clientKey(client netip.Addr) string {
	if client.Is6() {
		if p, err := client.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return client.String()
}

// reserve counts one more allocation of user; release counts it off.
func (s *Server) reserve(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserved >= s.limits.allocations || s.users[user] >= s.maxAllocations {
		return false
	}
	s.reserved++
	s.users[user]++
	return true
}

func (s *Server) release(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if s.users[user]--; s.users[user] == 0 {
		delete(s.users, user)
	}
}
