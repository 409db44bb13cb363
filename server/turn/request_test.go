package turn

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// The codes of RFC 8656, section 7.2, and that each is counted.
func TestAllocateRefusals(t *testing.T) {
	family := func(f byte) stun.Setter { return raw{stun.AttrRequestedAddressFamily, []byte{f}, 3} }
	for _, network := range []string{"udp", "tcp"} {
		for _, test := range []struct {
			name       string
			attributes []stun.Setter
			want       stun.ErrorCode
			counted    func(Stats) uint64
		}{
			{"IPv4", []stun.Setter{requestedTransport, family(1)}, 0, nil},
			{"IPv6 of an IPv4 server", []stun.Setter{requestedTransport, family(2)}, stun.CodeAddrFamilyNotSupported, func(s Stats) uint64 { return s.RefusedUnsupported }},
			{"TCP peers", []stun.Setter{raw{stun.AttrRequestedTransport, []byte{6}, 3}}, stun.CodeUnsupportedTransProto, func(s Stats) uint64 { return s.RefusedUnsupported }},
			{"unknown reservation", []stun.Setter{requestedTransport, raw{stun.AttrReservationToken, []byte("12345678"), 0}}, stun.CodeInsufficientCapacity, func(s Stats) uint64 { return s.RefusedCapacity }},
		} {
			t.Run(test.name+" "+network, func(t *testing.T) {
				s := start(t, Options{}, defaultLimits)
				c := login(t, network, s, "alice")
				answer := c.request(stun.MethodAllocate, test.attributes...)
				if code := errorCode(answer); code != test.want {
					t.Errorf("error %d, want %d", code, test.want)
				}
				if err := stun.NewLongTermIntegrity(c.username, c.realm, c.password).Check(answer); err != nil {
					t.Errorf("the answer is not signed: %v", err)
				}
				if test.counted != nil && test.counted(s.Stats()) != 1 {
					t.Errorf("counted %+v", s.Stats())
				}
				if test.want != 0 {
					c.allocate() // nothing is left of it
				}
			})
		}
	}
}

func TestForbiddenChannel(t *testing.T) {
	s := start(t, Options{PublicIP: netip.MustParseAddr("223.255.255.7")}, defaultLimits)
	c := login(t, "udp", s, "alice")
	c.allocate()
	answer := c.request(stun.MethodChannelBind, raw{stun.AttrChannelNumber, []byte{0x40, 0}, 2}, peerAddress(netip.MustParseAddrPort("10.0.0.1:9")))
	if code := errorCode(answer); code != stun.CodeForbidden {
		t.Errorf("error %d", code)
	}
}

func TestEvenPort(t *testing.T) {
	even, reserve := raw{stun.AttrEvenPort, []byte{0}, 0}, raw{stun.AttrEvenPort, []byte{0x80}, 0}
	token := func(answer *stun.Message) []byte {
		value, _ := answer.Get(stun.AttrReservationToken)
		return value
	}
	port := func(t *testing.T, answer *stun.Message) uint16 {
		t.Helper()
		var relayed stun.XORMappedAddress
		if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
			t.Fatalf("%v: error %d", answer, errorCode(answer))
		}
		return uint16(relayed.Port)
	}
	for _, network := range []string{"udp", "tcp"} {
		t.Run("even "+network, func(t *testing.T) {
			s := start(t, Options{MaxAllocations: 20}, defaultLimits)
			for range 8 {
				answer := login(t, network, s, "alice").request(stun.MethodAllocate, requestedTransport, even)
				if p := port(t, answer); p%2 != 0 || token(answer) != nil {
					t.Errorf("port %d, token %q", p, token(answer))
				}
			}
		})
		t.Run("reserved "+network, func(t *testing.T) {
			base := freePorts(t, 5)
			base += base % 2
			s := start(t, Options{MinPort: base, MaxPort: base + 3}, defaultLimits)
			c := login(t, network, s, "alice")
			m := c.ask(stun.MethodAllocate, requestedTransport, reserve)
			answer := &stun.Message{Raw: c.read()}
			if err := answer.Decode(); err != nil {
				t.Fatal(err)
			}
			first, got := port(t, answer), token(answer)
			if first%2 != 0 || len(got) != 8 {
				t.Fatalf("port %d, token %q", first, got)
			}
			c.send(m.Raw) // as if the answer had been lost
			answer = &stun.Message{Raw: c.read()}
			if err := answer.Decode(); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(token(answer), got) {
				t.Errorf("token %q the second time", token(answer))
			}
			// The other two ports are given away, the reserved one is not.
			for range 2 {
				if p := login(t, network, s, "alice").allocate().Port(); p == first+1 {
					t.Error("the reserved port was given away")
				}
			}
			full := login(t, network, s, "alice").request(stun.MethodAllocate, requestedTransport)
			if code := errorCode(full); code != stun.CodeInsufficientCapacity {
				t.Errorf("error %d", code)
			}
			// It is good on another connection, once.
			second := login(t, network, s, "alice")
			if p := second.allocate(raw{stun.AttrReservationToken, got, 0}).Port(); p != first+1 {
				t.Errorf("port %d after %d", p, first)
			}
			again := login(t, network, s, "alice").request(stun.MethodAllocate, requestedTransport, raw{stun.AttrReservationToken, got, 0})
			if code := errorCode(again); code != stun.CodeInsufficientCapacity {
				t.Errorf("error %d", code)
			}
		})
	}
	t.Run("ends with its allocation", func(t *testing.T) {
		base := freePorts(t, 3)
		base += base % 2
		s := start(t, Options{MinPort: base, MaxPort: base + 1}, defaultLimits)
		c := login(t, "udp", s, "alice")
		if !succeeded(c.request(stun.MethodAllocate, requestedTransport, reserve)) || !succeeded(c.request(stun.MethodRefresh, lifetime(0))) {
			t.Fatal("refused")
		}
		login(t, "udp", s, "alice").allocate()
		login(t, "udp", s, "alice").allocate()
	})
}

// A client that ends its allocation and makes another at once keeps that: the end
// of the first does not reach it, however late the library notices.
func TestAllocationSurvivesTheEndOfTheOneBefore(t *testing.T) {
	s := start(t, Options{}, defaultLimits)
	c := login(t, "udp", s, "alice")
	c.allocate()
	for i := range 300 {
		if !succeeded(c.request(stun.MethodRefresh, lifetime(0))) {
			t.Fatalf("refresh %d", i)
		}
		c.allocate()
		c.sync()
		if got := s.Stats().Allocations; got != 1 {
			t.Fatalf("%d allocations after %d", got, i)
		}
	}
}
