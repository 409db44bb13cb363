package turn

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// A STUN server that loses the first request, and answers the second one twice:
// first to somebody else.
func TestPublicIPBySTUN(t *testing.T) {
	server, at := listenPeer(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, 2000)
		for i := 0; ; i++ {
			n, from, err := server.ReadFrom(p)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: p[:n]}
			if request.Decode() != nil || i == 0 {
				continue
			}
			for _, id := range []stun.Setter{stun.TransactionID, stun.NewTransactionIDSetter(request.TransactionID)} {
				seen := &stun.XORMappedAddress{IP: net.IPv4(203, 0, 113, 9), Port: 4711}
				if m, err := stun.Build(id, stun.BindingSuccess, seen); err == nil {
					_, _ = server.WriteTo(m.Raw, from)
				}
			}
		}
	}()
	defer func() { server.Close(); <-done }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := askSTUN(ctx, "udp4", "stun:"+at.String())
	if want := netip.MustParseAddr("203.0.113.9"); err != nil || got != want {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNoPublicIPBySTUN(t *testing.T) {
	_, at := listenPeer(t) // which is silent
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for _, url := range []string{"stun:" + at.String(), "stuns:" + at.String(), "turn:" + at.String(), "stun:"} {
		if got, err := askSTUN(ctx, "udp4", url); err == nil {
			t.Errorf("%s: %v", url, got)
		}
	}
}

// It is an address of this machine, if that has a default route.
func TestPublicIPOfTheInterface(t *testing.T) {
	got, err := FindPublicIP(context.Background(), "0.0.0.0:3478", "")
	if err != nil {
		t.Skipf("no default route: %v", err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Unmap() == got {
			return
		}
	}
	t.Errorf("%v is none of %v", got, addrs)
}
