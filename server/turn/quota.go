package turn

import "net/netip"

// AddressFactor is how many times the allocations of one user one client address
// may have: those of a household or an office.
const AddressFactor = 10

// A share is what an allocation counts on.
type share struct {
	user   string // a user id; where the credentials have none, the same as client
	client string // the client address
}

func shareOf(username string, client netip.Addr) share {
	of := share{client: "client " + clientKey(client)}
	of.user = of.client
	if c, err := parseUsername(username); err == nil && c.user != "" {
		of.user = "user " + c.user
	}
	return of
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

// reserve counts one more allocation; release counts it off.
func (s *Server) reserve(of share) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reserved >= s.limits.allocations || s.users[of.user] >= s.maxAllocations ||
		s.clients[of.client] >= AddressFactor*s.maxAllocations {
		return false
	}
	s.reserved++
	s.users[of.user]++
	s.clients[of.client]++
	return true
}

func (s *Server) release(of share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reserved--
	if s.users[of.user]--; s.users[of.user] == 0 {
		delete(s.users, of.user)
	}
	if s.clients[of.client]--; s.clients[of.client] == 0 {
		delete(s.clients, of.client)
	}
}
