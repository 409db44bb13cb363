package turn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// FindPublicIP returns the address of the interface that the default route uses,
// of the family of the listen address. If that is a private one, and a STUN URL is
// given, it is the address that the STUN server sees: a NAT's.
func FindPublicIP(ctx context.Context, listen string, stunURL string) (netip.Addr, error) {
	network, remote := "udp4", "192.0.2.1:9" // RFC 5737; nothing is sent there
	host, _, _ := net.SplitHostPort(listen)
	if at, err := netip.ParseAddr(host); err == nil && at.Is6() && !at.IsUnspecified() {
		network, remote = "udp6", "[2001:db8::1]:9"
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, remote)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("default route: %w", err)
	}
	ip := addrPort(conn.LocalAddr()).Addr()
	if err := conn.Close(); err != nil {
		return netip.Addr{}, err
	}
	if stunURL == "" || scopeOf(ip) == global {
		return ip, nil
	}
	if ip, err = askSTUN(ctx, network, stunURL); err != nil {
		return netip.Addr{}, fmt.Errorf("%s: %w", stunURL, err)
	}
	return ip, nil
}

// askSTUN asks a STUN server which address it sees (RFC 8489, section 6.2.1, with
// a first retransmission after 500 ms), until ctx ends.
func askSTUN(ctx context.Context, network, text string) (netip.Addr, error) {
	uri, err := stun.ParseURI(text)
	if err != nil {
		return netip.Addr{}, err
	}
	if uri.Scheme != stun.SchemeTypeSTUN {
		return netip.Addr{}, errors.New("not a stun: URL")
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(uri.Host, fmt.Sprint(uri.Port)))
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // ends a read
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.Addr{}, err
	}
	answer := stun.Message{Raw: make([]byte, maxPacket)}
	for wait := 500 * time.Millisecond; ctx.Err() == nil; wait *= 2 {
		if _, err := conn.Write(request.Raw); err != nil {
			return netip.Addr{}, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return netip.Addr{}, err
		}
		for {
			answer.Raw = answer.Raw[:cap(answer.Raw)]
			n, err := conn.Read(answer.Raw)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				break
			}
			if err != nil {
				return netip.Addr{}, errors.Join(err, ctx.Err())
			}
			answer.Raw = answer.Raw[:n]
			var seen stun.XORMappedAddress
			if answer.Decode() != nil || answer.TransactionID != request.TransactionID || seen.GetFrom(&answer) != nil {
				continue
			}
			ip, _ := netip.AddrFromSlice(seen.IP)
			return ip.Unmap(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("no answer: %w", ctx.Err())
}
