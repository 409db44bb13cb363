package turn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

func TestCredentialsAreChecked(t *testing.T) {
	expiry := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := credential{expiry(time.Hour), "alice"}.username()
	expired := credential{expiry(-time.Minute), "alice"}.username()
	for _, test := range []struct {
		name, username, password, realm string
		good                            bool
	}{
		{"good", good, password(secret, good), "oodaa", true},
		{"no user id", strings.TrimSuffix(good, ":alice"), password(secret, strings.TrimSuffix(good, ":alice")), "oodaa", true},
		{"Unicode", good + "😀:é", password(secret, good+"😀:é"), "oodaa", true},
		{"expired", expired, password(secret, expired), "oodaa", false},
		{"long expired", "1:alice", password(secret, "1:alice"), "oodaa", false},
		{"another's password", good, password(secret, good+"x"), "oodaa", false},
		{"signed with another secret", good, password("south", good), "oodaa", false},
		{"no password", good, "", "oodaa", false},
		{"expiry moved", good, password(secret, expired), "oodaa", false},
		{"no expiry", "alice", password(secret, "alice"), "oodaa", false},
		{"empty", "", password(secret, ""), "oodaa", false},
		{"another realm", good, password(secret, good), "example.com", false},
		{"no realm", good, password(secret, good), "", false},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(test.name+" "+network, func(t *testing.T) {
				s := start(t, Options{}, defaultLimits)
				c := dial(t, network, s.udp.LocalAddr().String())
				c.challenge()
				if c.realm != "oodaa" {
					t.Errorf("the realm is %q", c.realm)
				}
				c.username, c.password, c.realm = test.username, test.password, test.realm
				answer := c.request(stun.MethodAllocate, requestedTransport)
				if succeeded(answer) != test.good {
					t.Fatalf("%v", answer)
				}
				want := Stats{RefusedAuth: 1}
				if test.good {
					want = Stats{Allocations: 1, AllocationsTotal: 1}
				}
				if network == "tcp" {
					want.Connections = 1
				}
				if got := s.Stats(); got != want {
					t.Errorf("%+v", got)
				}
			})
		}
	}
	// The same by way of the library's client.
	for _, network := range []string{"udp", "tcp"} {
		s := start(t, Options{}, defaultLimits)
		c := dialPion(t, network, s.udp.LocalAddr().String(), expired, password(secret, expired))
		if relay, err := c.Allocate(); err == nil {
			relay.Close()
			t.Error("expired credentials are good")
		}
	}
}

// A call goes on when its credentials expire; no new one can begin.
func TestAllocationOutlivesCredentials(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := start(t, Options{AllowPrivate: true}, defaultLimits)
			c, other := login(t, network, s, "alice"), login(t, network, s, "alice")
			c.username, c.password = credentials("alice", 2*time.Second)
			other.username, other.password = c.username, c.password
			c.allocate()
			eventually(t, "expired", func() bool {
				return errorCode(other.request(stun.MethodAllocate)) == stun.CodeUnauthorized // 400 before
			})
			if !succeeded(c.request(stun.MethodRefresh, lifetime(100))) || !c.permit(loopback) ||
				!c.bind(0x4000, netip.AddrPortFrom(loopback, 9)) {
				t.Error("the allocation cannot go on")
			}
			if code := errorCode(c.request(stun.MethodAllocate, requestedTransport)); code != stun.CodeAllocMismatch {
				t.Errorf("another on the same 5-tuple: error %d", code)
			}
			mine := c.username
			c.username = "1:alice"
			c.password = password(secret, c.username)
			if succeeded(c.request(stun.MethodRefresh, lifetime(100))) {
				t.Error("other expired credentials are good")
			}
			c.username, c.password = mine, "wrong"
			if succeeded(c.request(stun.MethodRefresh, lifetime(100))) {
				t.Error("a wrong password is good")
			}
			c.password = password(secret, mine)
			if !succeeded(c.request(stun.MethodRefresh, lifetime(0))) {
				t.Error("the allocation cannot end")
			}
			if succeeded(c.request(stun.MethodAllocate, requestedTransport)) {
				t.Error("and begin again")
			}
		})
	}
}

func TestQuota(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			s := start(t, Options{MaxAllocations: 2}, defaultLimits)
			login := func(user string, ttl time.Duration) *client {
				c := login(t, network, s, user)
				c.username, c.password = credentials(user, ttl)
				return c
			}
			refused := func(c *client) {
				t.Helper()
				if code := errorCode(c.request(stun.MethodAllocate, requestedTransport)); code != stun.CodeAllocQuotaReached {
					t.Errorf("error %d", code)
				}
			}
			first, second := login("alice", time.Hour), login("alice", 2*time.Hour)
			first.allocate()
			second.allocate()
			third := login("alice", 3*time.Hour)
			refused(third)
			login("bob", time.Hour).allocate()

			// Who has no name counts by address, which is one here.
			login("", time.Hour).allocate()
			login("", 2*time.Hour).allocate()
			refused(login("", 3*time.Hour))

			if got := s.Stats(); got.Allocations != 5 || got.AllocationsTotal != 5 || got.RefusedQuota != 2 {
				t.Errorf("%+v", got)
			}

			// Room is made by a refresh to zero, and by the end of a connection.
			if !succeeded(first.request(stun.MethodRefresh, lifetime(0))) {
				t.Fatal("refresh")
			}
			third.allocate()
			refused(first)
			if network == "tcp" {
				if err := second.conn.Close(); err != nil {
					t.Fatal(err)
				}
				eventually(t, "room", func() bool { return succeeded(first.request(stun.MethodAllocate, requestedTransport)) })
			}
		})
	}
	t.Run("ended by time", func(t *testing.T) {
		s := start(t, Options{MaxAllocations: 1}, defaultLimits)
		login(t, "udp", s, "alice").allocate(lifetime(1))
		c := login(t, "udp", s, "alice")
		if code := errorCode(c.request(stun.MethodAllocate, requestedTransport)); code != stun.CodeAllocQuotaReached {
			t.Errorf("error %d", code)
		}
		eventually(t, "room", func() bool { return succeeded(c.request(stun.MethodAllocate, requestedTransport)) })
	})
	t.Run("of one address", func(t *testing.T) {
		s := start(t, Options{MaxAllocations: 1}, defaultLimits)
		for i := range AddressFactor {
			login(t, "udp", s, fmt.Sprint("user", i)).allocate()
		}
		c := login(t, "udp", s, "carol")
		if code := errorCode(c.request(stun.MethodAllocate, requestedTransport)); code != stun.CodeAllocQuotaReached {
			t.Errorf("error %d", code)
		}
		if got := s.Stats().RefusedQuota; got != 1 {
			t.Errorf("counted %d", got)
		}
	})
	t.Run("of all users", func(t *testing.T) {
		l := defaultLimits
		l.allocations = 2
		s := start(t, Options{}, l)
		login(t, "udp", s, "alice").allocate()
		login(t, "tcp", s, "bob").allocate()
		if code := errorCode(login(t, "udp", s, "carol").request(stun.MethodAllocate, requestedTransport)); code != stun.CodeAllocQuotaReached {
			t.Errorf("error %d", code)
		}
	})
	t.Run("requests that fail otherwise are not counted", func(t *testing.T) {
		s := start(t, Options{MaxAllocations: 1}, defaultLimits)
		c := login(t, "udp", s, "alice")
		for range 3 {
			if succeeded(c.request(stun.MethodAllocate, requestedTransport, lifetime(0))) {
				t.Error("an allocation of no time")
			}
			token := raw{stun.AttrReservationToken, []byte("nobody's"), 0}
			if code := errorCode(c.request(stun.MethodAllocate, requestedTransport, token)); code != stun.CodeInsufficientCapacity {
				t.Errorf("RESERVATION-TOKEN: error %d", code)
			}
		}
		c.allocate()
	})
	t.Run("all at once", func(t *testing.T) {
		s := start(t, Options{MaxAllocations: 5}, defaultLimits)
		var granted atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			c := login(t, "tcp", s, "alice")
			all.Go(func() {
				if succeeded(c.request(stun.MethodAllocate, requestedTransport)) {
					granted.Add(1)
				}
			})
		}
		all.Wait()
		if got := granted.Load(); got != 5 {
			t.Errorf("%d granted", got)
		}
	})
}

func TestClientKey(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := clientKey(netip.MustParseAddr(in)); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

func TestPortRange(t *testing.T) {
	base := freePorts(t, 3)
	s := start(t, Options{MinPort: base, MaxPort: base + 2}, defaultLimits)
	seen := map[uint16]bool{}
	var clients []*client
	for range 3 {
		c := login(t, "udp", s, "alice")
		port := c.allocate().Port()
		if port < base || port > base+2 || seen[port] {
			t.Errorf("port %d of %d to %d, beside %v", port, base, base+2, seen)
		}
		seen[port] = true
		clients = append(clients, c)
	}
	c := login(t, "udp", s, "alice")
	if code := errorCode(c.request(stun.MethodAllocate, requestedTransport)); code != stun.CodeInsufficientCapacity {
		t.Errorf("error %d", code)
	}
	if !succeeded(clients[1].request(stun.MethodRefresh, lifetime(0))) {
		t.Fatal("refresh")
	}
	c.allocate()
}

// freePorts returns the first of n ports in a row that are free.
func freePorts(t *testing.T, n uint16) uint16 {
	t.Helper()
	for range 100 {
		conn, at := listenPeer(t)
		conn.Close()
		free := at.Port() < 65535-n
		for port := at.Port(); free && port < at.Port()+n; port++ {
			c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
			if free = err == nil; free {
				c.Close()
			}
		}
		if free {
			return at.Port()
		}
	}
	t.Fatal("no free ports")
	return 0
}

// ended waits until the server has closed the connection.
func (c *client) ended() {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	for {
		_, _, err := c.conn.ReadFrom(make([]byte, 2000))
		if errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset by peer") {
			return
		} else if err != nil {
			c.t.Fatal(err)
		}
	}
}

func TestConnectionsWithoutAllocationEnd(t *testing.T) {
	l := defaultLimits
	l.patience = 200 * time.Millisecond
	s := start(t, Options{}, l)
	at := s.udp.LocalAddr().String()
	kept := login(t, "tcp", s, "alice")
	kept.allocate()

	silent := dial(t, "tcp", at)
	half := dial(t, "tcp", at)
	if _, err := half.conn.(*stream).Write([]byte{0, 1}); err != nil {
		t.Fatal(err)
	}
	forged := dial(t, "tcp", at)
	forged.challenge()
	forged.username, forged.password = credentials("alice", time.Hour)
	forged.password += "x"
	forged.request(stun.MethodAllocate, requestedTransport)
	for _, c := range []*client{silent, half, forged} {
		c.ended()
	}

	// That one came later than this, which lives, until its allocation ends.
	kept.sync()
	if got := s.Stats(); got.Connections != 1 || got.Allocations != 1 {
		t.Errorf("%+v", got)
	}
	if !succeeded(kept.request(stun.MethodRefresh, lifetime(0))) {
		t.Fatal("refresh")
	}
	kept.ended()
	eventually(t, "nothing is left", func() bool { return s.Stats().Connections == 0 })
}

// A client that does not read what its peer sends is given up.
func TestConnectionThatNeverReadsEnds(t *testing.T) {
	l := defaultLimits
	l.write = 200 * time.Millisecond
	s := start(t, Options{AllowPrivate: true}, l)
	c := login(t, "tcp", s, "alice")
	to := net.UDPAddrFromAddrPort(c.allocate())
	peer, at := listenPeer(t)
	if !c.permit(at.Addr()) {
		t.Fatal("no permission")
	}
	packet := make([]byte, 1200)
	eventually(t, "the connection is closed", func() bool {
		for range 100 {
			if _, err := peer.WriteTo(packet, to); err != nil {
				t.Fatal(err)
			}
		}
		got := s.Stats()
		return got.Connections == 0 && got.Allocations == 0
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name               string
		waiting, waitingOf int
	}{{"of one address", 100, 2}, {"of all", 2, 100}} {
		t.Run(test.name, func(t *testing.T) {
			l := defaultLimits
			l.waiting, l.waitingOf = test.waiting, test.waitingOf
			s := start(t, Options{}, l)
			first, second := login(t, "tcp", s, "alice"), login(t, "tcp", s, "alice")
			dial(t, "tcp", s.udp.LocalAddr().String()).ended()

			// With an allocation a connection counts no more.
			first.allocate()
			third := login(t, "tcp", s, "alice")
			dial(t, "tcp", s.udp.LocalAddr().String()).ended()
			second.sync()

			if err := third.conn.Close(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "room", func() bool { return s.Stats().Connections == 2 })
			login(t, "tcp", s, "alice").allocate()
		})
	}
}

// Each of these would stop the library, or have it run for ever.
func TestMalformedPacketsDoNoHarm(t *testing.T) {
	s := start(t, Options{AllowPrivate: true}, defaultLimits)
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			c := login(t, network, s, "alice")
			c.allocate()
			for size := range uint16(40) { // one of these fills its memory exactly
				data := attribute(0x0013, 4*size, make([]byte, 4*size)...)
				c.send(message(sendIndication, data, attribute(xorPeerAddress, 0)))
			}
			c.sync()
		})
	}
	for _, head := range []string{"\x40\x00\xff\xfc", "\x40\x00\xff\xfd", "\x40\x00\xff\xff", "\x00\x01\xff\xec\x21\x12\xa4\x42"} {
		c := dial(t, "tcp", s.udp.LocalAddr().String())
		c.send(append([]byte(head), make([]byte, 0x10000-len(head))...))
		if size := int(binary.BigEndian.Uint16([]byte(head[2:]))); size == 0xffec {
			size += stunHeader
			c.send(make([]byte, size-0x10000))
		} else {
			c.send(make([]byte, (channelHeader+size+3)&^3-0x10000))
		}
		c.sync()
	}
	other := dial(t, "tcp", s.udp.LocalAddr().String())
	other.send([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS handshake"))
	other.ended()
}

func TestCloseEndsAll(t *testing.T) {
	s, err := Listen(Options{Listen: "127.0.0.1:0", PublicIP: loopback, Secret: secret, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	at := s.udp.LocalAddr().String()
	var ports []uint16
	var streams []*client
	for range 3 {
		udp, tcp := login(t, "udp", s, "alice"), login(t, "tcp", s, "bob")
		for _, c := range []*client{udp, tcp} {
			relayed := c.allocate()
			if !c.permit(loopback) || !c.bind(0x4000, relayed) {
				t.Fatal("no permission")
			}
			ports = append(ports, relayed.Port())
		}
		streams = append(streams, tcp, dial(t, "tcp", at))
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got := s.Stats(); got.Allocations != 0 || got.Connections != 0 || got.AllocationsTotal != 6 {
				t.Errorf("%+v", got)
			}
		})
	}
	all.Wait()
	for _, c := range streams {
		c.ended()
	}
	udp, tcp, err := listenBoth(loopback, s.port)
	if err != nil {
		t.Fatal(err)
	}
	udp.Close()
	tcp.Close()
	for _, port := range ports {
		conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	if s.reserved != 0 || len(s.users) != 0 || s.waiting != 0 || len(s.waitingOf) != 0 {
		t.Errorf("left over: %d %v %d %v", s.reserved, s.users, s.waiting, s.waitingOf)
	}
}

func TestCloseWhileClientsCome(t *testing.T) {
	s, err := Listen(Options{Listen: "127.0.0.1:0", PublicIP: loopback, Secret: secret, AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	var served atomic.Int32
	var all, allocating sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				conn, err := net.Dial("tcp", s.tcp[0].Addr().String())
				if err != nil {
					return // closed
				}
				_, _ = conn.Write(message(bindingRequest)) // the server may close first
				if n, _ := conn.Read(make([]byte, 100)); n > 0 {
					served.Add(1)
				}
				conn.Close()
			}
		})
		allocating.Go(func() {
			for served.Load() <= 200 {
				// Each on a port of its own: when a relay ends, the library also ends one
				// that has been made meanwhile for the same port of the client.
				udp := login(t, "udp", s, "alice")
				udp.allocate()
				if !succeeded(udp.request(stun.MethodRefresh, lifetime(0))) {
					t.Error("refresh")
				}
				_ = udp.conn.Close()
			}
			login(t, "udp", s, "alice").allocate()
		})
	}
	allocating.Wait()
	eventually(t, "many were served", func() bool { return served.Load() > 400 })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := s.Stats(); got.Connections != 0 || got.Allocations != 0 {
		t.Errorf("%+v", got)
	}
	all.Wait()
}

func TestOptions(t *testing.T) {
	good := Options{Listen: "127.0.0.1:0", PublicIP: loopback, Secret: secret}
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no port", func(o *Options) { o.Listen = "127.0.0.1" }, "ip:port"},
		{"no number", func(o *Options) { o.Listen = "127.0.0.1:turn" }, "ip:port"},
		{"port too great", func(o *Options) { o.Listen = "127.0.0.1:65536" }, "ip:port"},
		{"a name", func(o *Options) { o.Listen = "localhost:0" }, "ip:port"},
		{"nothing", func(o *Options) { o.Listen = "" }, "ip:port"},
		{"no public IP", func(o *Options) { o.PublicIP = netip.Addr{} }, "public IP"},
		{"unspecified", func(o *Options) { o.PublicIP = netip.IPv4Unspecified() }, "public IP"},
		{"multicast", func(o *Options) { o.PublicIP = netip.MustParseAddr("224.0.0.1") }, "public IP"},
		{"broadcast", func(o *Options) { o.PublicIP = netip.MustParseAddr("255.255.255.255") }, "public IP"},
		{"a zone", func(o *Options) { o.Listen, o.PublicIP = "[::]:0", netip.MustParseAddr("fe80::1%lo") }, "public IP"},
		{"IPv6 of IPv4", func(o *Options) { o.Listen, o.PublicIP = "0.0.0.0:0", netip.MustParseAddr("2a00::1") }, "families"},
		{"IPv4 of IPv6", func(o *Options) { o.Listen = "[::1]:0" }, "families"},
		{"range backwards", func(o *Options) { o.MinPort, o.MaxPort = 5001, 5000 }, "range"},
		{"range from zero", func(o *Options) { o.MaxPort = 5000 }, "range"},
		{"no secret", func(o *Options) { o.Secret = "" }, "secret"},
		{"long realm", func(o *Options) { o.Realm = strings.Repeat("x", 128) }, "realm"},
		{"negative", func(o *Options) { o.MaxAllocations = -1 }, "negative"},
		{"negative bandwidth", func(o *Options) { o.MaxBandwidth = -1 }, "negative"},
		{"TLS without a certificate", func(o *Options) { o.ListenTLS = "127.0.0.1:0" }, "certificate"},
		{"TLS at a name", func(o *Options) { o.ListenTLS = "localhost:0" }, "ip:port"},
		{"not ours", func(o *Options) { o.Listen = "192.0.2.1:0" }, "192.0.2.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := good
			test.change(&opts)
			s, err := Listen(opts)
			if err == nil {
				s.Close()
				t.Fatal("accepted")
			}
			if !strings.HasPrefix(err.Error(), "turn: ") || !strings.Contains(err.Error(), test.want) {
				t.Error(err)
			}
		})
	}
	t.Run("port in use", func(t *testing.T) {
		s := start(t, good, defaultLimits)
		again := good
		again.Listen = s.udp.LocalAddr().String()
		if s, err := Listen(again); err == nil {
			s.Close()
			t.Error("accepted")
		}
		// For TCP alone.
		tcp, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		again.Listen = tcp.Addr().String()
		if s, err := Listen(again); err == nil {
			s.Close()
			t.Error("accepted")
		}
	})
}

func TestURLs(t *testing.T) {
	for _, test := range []struct {
		ip, host      string
		port, portTLS uint16
		want          string
	}{
		{"203.0.113.7", "", 3478, 0, "turn:203.0.113.7:3478?transport=udp turn:203.0.113.7:3478?transport=tcp"},
		{"2001:db8::7", "", 3478, 0, "turn:[2001:db8::7]:3478?transport=udp turn:[2001:db8::7]:3478?transport=tcp"},
		{"203.0.113.7", "turn.example.com", 3478, 5349, "turn:turn.example.com:3478?transport=udp " +
			"turn:turn.example.com:3478?transport=tcp turns:turn.example.com:5349?transport=tcp"},
		{"203.0.113.7", "turn.example.com", 0, 443, "turns:turn.example.com:443?transport=tcp"},
	} {
		s := &Server{public: netip.MustParseAddr(test.ip), publicHost: test.host, port: test.port, portTLS: test.portTLS}
		if got := strings.Join(s.URLs(), " "); got != test.want {
			t.Error(got)
		}
	}
}

func TestLog(t *testing.T) {
	for _, test := range []struct {
		level  slog.Level
		public netip.Addr
		want   []string
	}{
		{slog.LevelInfo, netip.MustParseAddr("223.255.255.7"), nil},
		{slog.LevelInfo, loopback, []string{"the public address is private"}},
		{slog.LevelDebug, netip.MustParseAddr("223.255.255.7"), []string{"reason=forged", "reason=expired", "reason=quota"}},
	} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: test.level}))
		s, err := Listen(Options{Listen: "127.0.0.1:0", PublicIP: test.public, Secret: secret, MaxAllocations: 1, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		c := login(t, "udp", s, "alice")
		key := c.password
		c.password = "wrong-password"
		c.request(stun.MethodAllocate, requestedTransport)
		c.username = "1:alice"
		c.request(stun.MethodAllocate, requestedTransport)
		c.username, c.password = credentials("alice", time.Hour)
		c.allocate()
		c.permit(netip.MustParseAddr("10.1.2.3"))
		login(t, "tcp", s, "alice").request(stun.MethodAllocate, requestedTransport)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if test.want == nil && out.Len() > 0 {
			t.Errorf("at %v: %s", test.level, &out)
		}
		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("at %v without %q: %s", test.level, want, &out)
			}
		}
		for _, never := range []string{secret, key, "wrong-password", "10.1.2.3"} {
			if strings.Contains(out.String(), never) {
				t.Errorf("at %v with %q: %s", test.level, never, &out)
			}
		}
	}
}
