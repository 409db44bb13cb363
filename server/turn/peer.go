package turn

import (
	"fmt"
	"net"
	"net/netip"
)

// scope says how far an address reaches.
type scope int

const (
	nowhere scope = iota // no single host's: multicast, broadcast, reserved, documentation
	private              // this host, this link, this site
	global
)

// The tables follow the IANA special-purpose address registries. What is in
// none is global in IPv4, and in IPv6 within 2000::/3.
var (
	privateIPv4 = prefixes("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16",
		"168.63.129.16/32") // Azure's services for the host itself
	privateIPv6 = prefixes("::1/128", "fc00::/7", "fe80::/10", "fec0::/10")
	nowhereIPv4 = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
		"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
	nowhereIPv6 = prefixes("2001::/23", "2001:db8::/32", "3fff::/20")
	globalIPv6  = netip.MustParsePrefix("2000::/3")

	nat64   = netip.MustParsePrefix("64:ff9b::/96")
	sixToIV = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

func contains(all []netip.Prefix, ip netip.Addr) bool {
	for _, p := range all {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// target returns the IPv4 address that packets to ip end up at if it is an
// IPv4-mapped, NAT64 (RFC 6052) or 6to4 (RFC 3056) address, or else ip.
func target(ip netip.Addr) netip.Addr {
	if ip = ip.Unmap(); ip.Is4() {
		return ip
	}
	ip = ip.WithZone("")
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToIV.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return ip
}

// isISATAP reports whether packets to ip may leave in a tunnel to the IPv4 address
// in its interface identifier (RFC 5214, section 6.1), which nobody has checked.
func isISATAP(ip netip.Addr) bool {
	b := ip.As16()
	return ip.Is6() && b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// scopeOf takes addresses that target returned.
func scopeOf(ip netip.Addr) scope {
	isPrivate, isNowhere := privateIPv6, nowhereIPv6
	if ip.Is4() {
		isPrivate, isNowhere = privateIPv4, nowhereIPv4
	}
	switch {
	case !ip.IsValid() || contains(isNowhere, ip) || isISATAP(ip):
		return nowhere
	case contains(isPrivate, ip):
		return private
	case ip.Is4() || globalIPv6.Contains(ip):
		return global
	}
	return nowhere
}

// peerRule says which addresses may be relayed to.
type peerRule struct {
	public       netip.Addr          // of the relays; clients of this server are each other's peers there
	own          map[netip.Addr]bool // the other addresses of this host
	broadcast    map[netip.Addr]bool // of the networks that this host is in
	allowPrivate bool
}

func newPeerRule(public netip.Addr, interfaces []net.Addr, allowPrivate bool) (*peerRule, error) {
	r := &peerRule{public, map[netip.Addr]bool{}, map[netip.Addr]bool{}, allowPrivate}
	for _, a := range interfaces {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			return nil, fmt.Errorf("address of an interface: %w", err)
		}
		ip := p.Addr().Unmap().WithZone("")
		r.own[ip] = true
		if ip.Is4() && p.Bits() < 31 {
			last := ip.As4()
			for bit := p.Bits(); bit < 32; bit++ {
				last[bit/8] |= 0x80 >> (bit % 8)
			}
			r.broadcast[netip.AddrFrom4(last)] = true
		}
	}
	return r, nil
}

// allows says whether permissions for ip are granted. What may be sent to this
// host depends on the port too: see [Server.route].
func (r *peerRule) allows(ip netip.Addr) bool {
	ip = target(ip)
	switch scopeOf(ip) {
	case global:
		return !r.broadcast[ip] && (!r.own[ip] || ip == r.public)
	case private:
		return r.allowPrivate && !r.broadcast[ip]
	}
	return false
}

// isHost says whether what is sent to ip arrives at this host.
func (r *peerRule) isHost(ip netip.Addr) bool {
	ip = target(ip)
	return ip == r.public || ip.IsLoopback() || r.own[ip]
}
