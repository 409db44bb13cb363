package middleware

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

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
// of hops, at least 1. The empty text stands for no proxies. The error names the
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

// Hops is the number of proxies, where that is what is known of them.
func (p Proxies) Hops() int { return p.hops }

// BehindNearest is who is believed where the nearest proxy has already named its
// client, by the PROXY protocol: with a number of hops, one less.
func (p Proxies) BehindNearest() Proxies {
	p.hops = max(0, p.hops-1)
	return p
}

// Trust reports whether what the peer of the connection says of its client is
// believed.
func (p Proxies) Trust(r *http.Request) bool { return p.TrustAddr(peerAddr(r)) }

// TrustAddr is Trust for the address of a peer.
func (p Proxies) TrustAddr(peer netip.Addr) bool { return p.hops > 0 || p.contain(peer) }

func (p Proxies) contain(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(p.prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
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
// Entries may have a port or brackets around their address, as some proxies write
// them. Where there is no client to be found (no header, too short a one, an
// entry that is not an address), it is the peer of the connection: clients behind
// a proxy that does not name them share one address rather than having none.
//
// An entry of a trusted proxy that cannot be read, and a header from a peer that
// is not trusted, are logged, once each.
func ClientIP(trusted Proxies, log *slog.Logger) func(http.Handler) http.Handler {
	find := func(next http.Handler) http.Handler { return next } // Addr knows the peer
	switch {
	case trusted.hops > 0:
		find = chimw.ClientIPFromXFFTrustedProxies(trusted.hops)
	case len(trusted.prefixes) > 0:
		prefixes := make([]string, len(trusted.prefixes))
		for i, p := range trusted.prefixes {
			prefixes[i] = p.String()
		}
		find = chimw.ClientIPFromXFF(prefixes...)
	}
	var unreadable, untrusted sync.Once
	return func(next http.Handler) http.Handler {
		next = find(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			forwarded := r.Header["X-Forwarded-For"]
			switch {
			case len(forwarded) == 0 && r.Header["Via"] == nil:
			case !trusted.Trust(r):
				untrusted.Do(func() {
					log.Warn("client addresses from an untrusted proxy ignored, its clients share one rate limit",
						"peer", peerAddr(r).String(), "setting", "TRUSTED_PROXIES="+peerAddr(r).WithZone("").String())
				})
			default:
				plainAddrs(forwarded)
				if entry := trusted.unreadable(forwarded); entry != "" {
					unreadable.Do(func() {
						log.Warn("X-Forwarded-For has an entry that is not an address", "entry", clip(entry), "peer", peerAddr(r).String())
					})
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// plainAddrs takes ports and brackets off the addresses of X-Forwarded-For, in
// place.
func plainAddrs(headers []string) {
	for i, header := range headers {
		entries := strings.Split(header, ",")
		for j, entry := range entries {
			entry = strings.TrimSpace(entry)
			if withPort, err := netip.ParseAddrPort(entry); err == nil {
				entries[j] = withPort.Addr().String()
			} else if inner, ok := strings.CutPrefix(entry, "["); ok {
				entries[j] = strings.TrimSuffix(inner, "]")
			}
		}
		headers[i] = strings.Join(entries, ",")
	}
}

// unreadable is the entry of X-Forwarded-For at which the search for the client
// ends because it is not an address, or "". What stands left of the client is the
// client's own word.
func (p Proxies) unreadable(headers []string) string {
	entries := strings.Split(strings.Join(headers, ","), ",")
	for n, entry := range slices.Backward(entries) {
		addr, err := netip.ParseAddr(strings.TrimSpace(entry))
		if err != nil {
			return strings.TrimSpace(entry)
		}
		if p.hops > 0 && len(entries)-n >= p.hops || p.hops == 0 && !p.contain(addr) {
			return ""
		}
	}
	return ""
}

// Addr returns the address of the client of r as [ClientIP] found it, or else
// the peer of the connection. It is always valid: 0.0.0.0 stands for a peer
// without an IP address, as on a Unix socket. v4-mapped IPv6 comes as IPv4.
func Addr(r *http.Request) netip.Addr {
	if addr := chimw.GetClientIPAddr(r.Context()); addr.IsValid() {
		return addr
	}
	return peerAddr(r)
}

// peerAddr is the address of the peer of the connection, as Addr returns it.
func peerAddr(r *http.Request) netip.Addr {
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
