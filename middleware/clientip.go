package middleware

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	chimw "github.com/go-chi/chi/v5/middleware"
)

// Proxies says which reverse proxies in front of the server are believed when
// they name the client in X-Forwarded-For: those with certain addresses, or a
// number of hops. The zero value believes none.
type Proxies struct {
	prefixes []netip.Prefix
	hops     int
}

// ParseProxies reads comma-separated CIDR prefixes and addresses, or one number
// of hops, at least 1. The empty text is no proxy at all. The error names the
// element that cannot be used.
func ParseProxies(s string) (Proxies, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return Proxies{}, nil
	}
	if hops, err := strconv.Atoi(s); err == nil {
		if hops < 1 {
			return Proxies{}, fmt.Errorf("%q: the number of proxies must be at least 1", s)
		}
		return Proxies{hops: hops}, nil
	}
	var p Proxies
	for element := range strings.SplitSeq(s, ",") {
		prefix, err := parsePrefix(strings.TrimSpace(element))
		if err != nil {
			return Proxies{}, err
		}
		p.prefixes = append(p.prefixes, prefix)
	}
	return p, nil
}

// String says who is believed; it is empty where nobody is.
func (p Proxies) String() string {
	if p.hops > 0 {
		return fmt.Sprintf("the last %d hops", p.hops)
	}
	prefixes := make([]string, len(p.prefixes))
	for i, prefix := range p.prefixes {
		prefixes[i] = prefix.String()
	}
	return strings.Join(prefixes, ", ")
}

// parsePrefix folds v4-mapped IPv6 to IPv4, since addresses are compared so.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither a CIDR prefix nor an IP address", s)
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	if prefix.Addr().Is4In6() {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	if prefix.Bits() < 1 {
		return netip.Prefix{}, fmt.Errorf("%q would believe everybody; give the number of proxies instead", s)
	}
	return prefix.Masked(), nil
}

// ClientIP finds the address of the client of each request, for [Addr] to tell.
//
//   - Without proxies, it is the peer of the connection, and X-Forwarded-For is
//     not looked at.
//   - With prefixes, X-Forwarded-For is read from the right, while hops are
//     trusted: the peer itself first, which is the client if it is not.
//   - With n hops, it is the nth entry from the right, whoever the peer is. Only
//     the proxies may be able to reach the server then; and a number greater
//     than the true one lets clients choose their address.
//
// Where that finds none (no header, too short a one, an entry that is no
// address), it is the peer of the connection: clients behind a proxy that does
// not name them share one address rather than having none.
func ClientIP(trusted Proxies) func(http.Handler) http.Handler {
	switch {
	case trusted.hops > 0:
		return chimw.ClientIPFromXFFTrustedProxies(trusted.hops)
	case len(trusted.prefixes) > 0:
		prefixes := make([]string, len(trusted.prefixes))
		for i, p := range trusted.prefixes {
			prefixes[i] = p.String()
		}
		return chimw.ClientIPFromXFF(prefixes...)
	}
	return chimw.ClientIPFromRemoteAddr
}

// Addr returns the address of the client of r as [ClientIP] found it, or else
// the peer of the connection. It is always valid: 0.0.0.0 stands for a peer
// without an IP address, as on a Unix socket. v4-mapped IPv6 comes as IPv4.
func Addr(r *http.Request) netip.Addr {
	if addr := chimw.GetClientIPAddr(r.Context()); addr.IsValid() {
		return addr
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if peer, err := netip.ParseAddr(host); err == nil {
		return peer.Unmap()
	}
	return netip.IPv4Unspecified()
}

// LimitKey is what counts as one client where clients are limited: an IPv4
// address, or the /64 of an IPv6 address, which is the least that one
// subscriber has to himself. v4-mapped IPv6 is IPv4; zones make no difference.
func LimitKey(addr netip.Addr) string {
	addr = addr.Unmap()
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
