package turn

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// Two clients of the server reach each other at their relayed addresses,
// whatever way they came, whether or not the host has the public address.
func TestRelayBetweenClients(t *testing.T) {
	for _, test := range []struct {
		name string
		opts Options
	}{
		{"public address of this host", Options{PublicIP: loopback, AllowPrivate: true}},
		{"public address of a NAT", Options{PublicIP: netip.MustParseAddr("223.255.255.7")}},
		{"NAT, all addresses", Options{Listen: "0.0.0.0:0", PublicIP: netip.MustParseAddr("223.255.255.7")}},
		{"NAT, both families", Options{Listen: ":0", PublicIP: netip.MustParseAddr("223.255.255.7")}},
	} {
		for _, networks := range [][2]string{{"udp", "udp"}, {"udp", "tcp"}, {"tcp", "tcp"}} {
			t.Run(test.name+" "+networks[0]+" "+networks[1], func(t *testing.T) {
				s := start(t, test.opts, defaultLimits)
				at := netip.AddrPortFrom(loopback, s.port).String()
				var relays [2]net.PacketConn
				var clients [2]*turn.Client
				for i, network := range networks {
					name, key := credentials([]string{"alice", "bob"}[i], time.Hour)
					c := dialPion(t, network, at, name, key)
					relay, err := c.Allocate()
					if err != nil {
						t.Fatal(err)
					}
					defer relay.Close()
					if got := addrPort(relay.LocalAddr()); got.Addr() != test.opts.PublicIP {
						t.Fatalf("relayed address %v", got)
					}
					relays[i], clients[i] = relay, c
				}
				a, b := relays[0], relays[1]
				if err := clients[1].CreatePermission(a.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				// The first goes as an indication, later ones by channel.
				for range 10 {
					for _, pair := range [][2]net.PacketConn{{a, b}, {b, a}} {
						want := randomText()
						if _, err := pair[0].WriteTo([]byte(want), pair[1].LocalAddr()); err != nil {
							t.Fatal(err)
						}
						got, from := readFrom(t, pair[1])
						if got != want || from != addrPort(pair[0].LocalAddr()) {
							t.Fatalf("got %q from %v, want %q from %v", got, from, want, pair[0].LocalAddr())
						}
					}
				}
				const bytes = 10 * 26
				want := Stats{Allocations: 2, AllocationsTotal: 2, BytesToPeers: 2 * bytes, BytesFromPeers: 2 * bytes}
				want.Connections = strings.Count(networks[0]+networks[1], "tcp")
				eventually(t, "the right figures", func() bool { return s.Stats() == want })
			})
		}
	}
}

func TestRelayToPeer(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := start(t, Options{AllowPrivate: true}, defaultLimits)
			peer, at := listenPeer(t)
			c := login(t, network, s, "alice")
			relayed := c.allocate()
			to := net.UDPAddrFromAddrPort(relayed)

			c.indicate(at, "without permission")
			if !c.permit(at.Addr()) {
				t.Fatal("no permission")
			}
			c.indicate(at, "hello")
			if got, from := readFrom(t, peer); got != "hello" || from != relayed {
				t.Fatalf("the peer got %q from %v", got, from)
			}
			stranger, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
			if err != nil {
				t.Fatal(err)
			}
			defer stranger.Close()
			if _, err := stranger.WriteTo([]byte("without permission"), to); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.WriteTo([]byte("welcome"), to); err != nil {
				t.Fatal(err)
			}
			if got, from := c.readData(); got != "welcome" || from != at {
				t.Fatalf("got %q from %v", got, from)
			}

			// One byte by channel: less than the library's own framing needs.
			if !c.bind(0x4000, at) {
				t.Fatal("no channel")
			}
			c.channelData(0x4000, "x")
			if got, _ := readFrom(t, peer); got != "x" {
				t.Fatalf("the peer got %q", got)
			}
			if _, err := peer.WriteTo([]byte("y"), to); err != nil {
				t.Fatal(err)
			}
			if got := string(c.read()); got[:5] != "\x40\x00\x00\x01y" {
				t.Fatalf("got %q", got)
			}

			// What would be cut short is dropped.
			if _, err := peer.WriteTo([]byte(strings.Repeat("z", 2000)), to); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.WriteTo([]byte("end"), to); err != nil {
				t.Fatal(err)
			}
			if got := string(c.read()); got[:7] != "\x40\x00\x00\x03end" {
				t.Fatalf("got %q", got)
			}
			toPeer, fromPeer := uint64(len("hello"+"x")), uint64(len("welcome"+"y"+"end"))
			eventually(t, "the right figures", func() bool {
				got := s.Stats()
				return got.BytesToPeers == toPeer && got.BytesFromPeers == fromPeer
			})
		})
	}
}

// With an IPv6 public address, relays are IPv6.
func TestRelayIPv6(t *testing.T) {
	ip := netip.IPv6Loopback()
	s := start(t, Options{Listen: "[::1]:0", PublicIP: ip, AllowPrivate: true}, defaultLimits)
	for _, network := range []string{"udp", "tcp"} {
		a, b := login(t, network, s, "alice"), login(t, network, s, "bob")
		ofA, ofB := a.allocate(), b.allocate()
		if ofA.Addr() != ip || !a.permit(ip) || !b.permit(ip) {
			t.Fatalf("relayed address %v", ofA)
		}
		a.indicate(ofB, "hello")
		if got, from := b.readData(); got != "hello" || from != ofA {
			t.Errorf("got %q from %v", got, from)
		}
	}
}

// Relays are the only ports of this host that clients reach through it.
func TestRelayReachesNoOtherPortOfThisHost(t *testing.T) {
	peer, at := listenPeer(t)
	for _, test := range []struct {
		name string
		opts Options
		to   func(s *Server) netip.AddrPort
	}{
		{"another port of the public address", Options{PublicIP: netip.MustParseAddr("223.255.255.7")},
			func(s *Server) netip.AddrPort { return netip.AddrPortFrom(s.public, at.Port()) }},
		{"the listening port of the public address", Options{PublicIP: netip.MustParseAddr("223.255.255.7")},
			func(s *Server) netip.AddrPort { return netip.AddrPortFrom(s.public, s.port) }},
		{"the listening port, private addresses allowed", Options{AllowPrivate: true},
			func(s *Server) netip.AddrPort { return netip.AddrPortFrom(loopback, s.port) }},
		{"the same by another address", Options{Listen: "0.0.0.0:0", AllowPrivate: true},
			func(s *Server) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), s.port) }},
		{"no port", Options{AllowPrivate: true},
			func(s *Server) netip.AddrPort { return netip.AddrPortFrom(loopback, 0) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, test.opts, defaultLimits)
			c := dial(t, "udp", netip.AddrPortFrom(loopback, s.port).String())
			c.username, c.password = credentials("alice", time.Hour)
			c.challenge()
			c.allocate()
			to := test.to(s)
			if !c.permit(to.Addr()) {
				t.Fatal("no permission")
			}
			c.indicate(to, "intruder")
			if !c.bind(0x4000, to) {
				t.Fatal("no channel")
			}
			c.channelData(0x4000, "intruder")
			c.sync()
			if got := s.Stats(); got.RefusedPermission != 2 || got.BytesToPeers != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
	if err := peer.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, _, err := peer.ReadFrom(make([]byte, 10)); err == nil {
		t.Errorf("%d bytes arrived", n)
	}
}

func TestForbiddenPeers(t *testing.T) {
	allocated := func(t *testing.T, opts Options) (*Server, *client) {
		s := start(t, opts, defaultLimits)
		c := login(t, "udp", s, "alice")
		c.allocate()
		return s, c
	}
	// Relays and their peers are of one family.
	ofFamily := func(ips []string, v6 bool) []string {
		return slices.DeleteFunc(slices.Clone(ips), func(text string) bool {
			ip := netip.MustParseAddr(text)
			return v6 != (ip.Is6() && !ip.Is4In6())
		})
	}
	forbidden := func(t *testing.T, opts Options, global string, ips ...string) {
		s, c := allocated(t, opts)
		refused := uint64(0)
		for i, text := range ips {
			t.Run(text, func(t *testing.T) {
				c.t = t
				at := netip.AddrPortFrom(netip.MustParseAddr(text), 9)
				if c.permit(at.Addr()) {
					t.Error("permission granted")
				}
				if c.bind(0x4000+uint16(i), at) {
					t.Error("channel granted")
				}
				refused += 2
				if got := s.Stats().RefusedPermission; got != refused {
					t.Errorf("counted %d refusals, want %d", got, refused)
				}
				c.indicate(at, "intruder")
				c.channelData(0x4000+uint16(i), "intruder")
				c.sync()
				if got := s.Stats().BytesToPeers; got != 0 {
					t.Errorf("%d bytes were sent", got)
				}
			})
		}
		c.t = t
		if !c.permit(netip.MustParseAddr(global)) {
			t.Error("no permission for a global address")
		}
	}
	v4, v6 := "8.8.8.8", "2a00::1"
	never := []string{
		"0.0.0.0", "0.1.2.3", "224.0.0.251", "239.1.1.1", "255.255.255.255", "240.0.0.1", "127.255.255.255", "192.0.0.1",
		"198.18.0.1", "192.0.2.1", "::", "ff02::fb", "2a00::5efe:808:808", "2a00::200:5efe:808:808", "ff0e::1", "64:ff9b::e000:1", "::ffff:255.255.255.255", "::ffff:0.0.0.0", "2001:db8::1",
	}
	withPrivate := []string{
		"127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "172.31.1.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "168.63.129.16",
		"::1", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
		"64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:a00:1::1",
	}
	publicOnly := slices.Concat(never, withPrivate)
	t.Run("public only", func(t *testing.T) {
		forbidden(t, Options{PublicIP: netip.MustParseAddr("223.255.255.7")}, v4, ofFamily(publicOnly, false)...)
	})
	t.Run("public only, IPv6", func(t *testing.T) {
		forbidden(t, Options{Listen: "[::1]:0", PublicIP: netip.MustParseAddr("2a00::7")}, v6, ofFamily(publicOnly, true)...)
	})
	t.Run("private too", func(t *testing.T) {
		forbidden(t, Options{AllowPrivate: true}, v4, ofFamily(never, false)...)
	})
	private6 := Options{Listen: "[::1]:0", PublicIP: netip.IPv6Loopback(), AllowPrivate: true}
	t.Run("private too, IPv6", func(t *testing.T) { forbidden(t, private6, v6, ofFamily(never, true)...) })
	t.Run("a private public address", func(t *testing.T) {
		forbidden(t, Options{PublicIP: loopback}, v4, "127.0.0.1", "::ffff:127.0.0.1")
	})
	for name, opts := range map[string]Options{"granted": {AllowPrivate: true}, "granted, IPv6": private6} {
		t.Run(name, func(t *testing.T) {
			_, c := allocated(t, opts)
			for i, text := range ofFamily(withPrivate, opts.PublicIP.IsValid()) {
				at := netip.AddrPortFrom(netip.MustParseAddr(text), 1000+uint16(i))
				if !c.permit(at.Addr()) || !c.bind(0x4000+uint16(i), at) {
					t.Errorf("%s is refused", text)
				}
			}
		})
	}
	t.Run("the other family", func(t *testing.T) {
		_, c := allocated(t, Options{AllowPrivate: true})
		if c.permit(netip.MustParseAddr(v6)) || c.bind(0x4000, netip.AddrPortFrom(netip.MustParseAddr(v6), 9)) {
			t.Error("granted")
		}
	})
	t.Run("one of several", func(t *testing.T) {
		s := start(t, Options{PublicIP: netip.MustParseAddr("223.255.255.7")}, defaultLimits)
		c := login(t, "udp", s, "alice")
		c.allocate()
		if c.permit(netip.MustParseAddr("8.8.8.8"), loopback) {
			t.Error("granted")
		}
		peer, at := listenPeer(t)
		c.indicate(at, "intruder")
		c.sync()
		if err := peer.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := peer.ReadFrom(make([]byte, 10)); err == nil {
			t.Errorf("%d bytes arrived", n)
		}
	})
}

func TestPermissionsAreBounded(t *testing.T) {
	s := start(t, Options{AllowPrivate: true}, defaultLimits)
	c := login(t, "udp", s, "alice")
	c.allocate()
	ip := netip.MustParseAddr("8.0.0.0")
	for granted := 0; granted < maxPermissions; granted += 32 {
		var some []netip.Addr
		for range 32 {
			ip = ip.Next()
			some = append(some, ip)
		}
		if !c.permit(some...) {
			t.Fatalf("refused after %d", granted)
		}
	}
	if c.permit(ip.Next()) || c.bind(0x4000, netip.AddrPortFrom(ip, 9)) {
		t.Error("one too many")
	}
	if other := login(t, "udp", s, "bob"); !other.allocate().IsValid() || !other.permit(ip) {
		t.Error("another client is refused")
	}
}

func TestChannelsAreBounded(t *testing.T) {
	s := start(t, Options{AllowPrivate: true}, defaultLimits)
	c := login(t, "udp", s, "alice")
	c.allocate()
	ip := netip.MustParseAddr("8.8.8.8")
	for n := range uint16(maxPermissions - 1) { // and one permission
		if !c.bind(0x4000+n, netip.AddrPortFrom(ip, 1000+n)) {
			t.Fatalf("refused after %d", n)
		}
	}
	if c.bind(0x7fff, netip.AddrPortFrom(ip, 9)) {
		t.Error("one too many")
	}
}

func TestBinding(t *testing.T) {
	s := start(t, Options{}, defaultLimits)
	for _, network := range []string{"udp", "tcp"} {
		c := dial(t, network, s.udp.LocalAddr().String())
		answer := c.request(stun.MethodBinding)
		var mapped stun.XORMappedAddress
		if err := mapped.GetFrom(answer); err != nil {
			t.Fatal(err)
		}
		if got := addrPort(&net.UDPAddr{IP: mapped.IP, Port: mapped.Port}); got != addrPort(c.conn.LocalAddr()) {
			t.Errorf("%s: told %v, is %v", network, got, c.conn.LocalAddr())
		}
	}
}

// BenchmarkRelay is a packet to a peer and one back, both by channel.
func BenchmarkRelay(b *testing.B) {
	for _, network := range []string{"udp", "tcp"} {
		b.Run(network, func(b *testing.B) {
			s, err := Listen(Options{Listen: "127.0.0.1:0", PublicIP: loopback, Secret: secret, AllowPrivate: true})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			c := login(b, network, s, "alice")
			to := net.UDPAddrFromAddrPort(c.allocate())
			peer, at := listenPeer(b)
			if !c.bind(0x4000, at) {
				b.Fatal("no channel")
			}
			packet := make([]byte, 1200)
			text := string(packet)
			b.SetBytes(int64(2 * len(packet)))
			b.ReportAllocs()
			for b.Loop() {
				c.channelData(0x4000, text)
				if _, _, err := peer.ReadFrom(packet); err != nil {
					b.Fatal(err)
				}
				if _, err := peer.WriteTo(packet, to); err != nil {
					b.Fatal(err)
				}
				c.read()
			}
		})
	}
}
