package turn

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

const (
	secret   = "north"
	patience = 20 * time.Second // for what must happen
)

var loopback = netip.MustParseAddr("127.0.0.1")

// start runs a server on any port of 127.0.0.1 until the test ends.
func start(t *testing.T, opts Options, l limits) *Server {
	t.Helper()
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if !opts.PublicIP.IsValid() {
		opts.PublicIP = loopback
	}
	opts.Secret = secret
	s, err := listen(opts, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// credentials are those that user gets who asks now.
func credentials(user string, ttl time.Duration) (name, key string) {
	name = credential{time.Now().Add(ttl).Unix(), user}.username()
	return name, password(secret, name)
}

// eventually waits until is is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// dialPion is the library's client, which is not told the realm.
func dialPion(t *testing.T, network, server, username, password string) *turn.Client {
	t.Helper()
	var conn net.PacketConn
	if network == "tcp" {
		c, err := net.Dial("tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		conn = turn.NewSTUNConn(c)
	} else {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		conn = c
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: server, STUNServerAddr: server, Username: username, Password: password, Conn: conn,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = conn.Close() // twice, where the server's end came first
	})
	return c
}

// A client speaks STUN message by message, right or wrong.
type client struct {
	t      testing.TB
	conn   net.PacketConn
	server net.Addr

	username, password, realm, nonce string
}

func dial(t testing.TB, network, server string) *client {
	t.Helper()
	c := &client{t: t}
	if network == "tcp" {
		conn, err := net.Dial("tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		c.conn, c.server = newStream(conn, patience), conn.RemoteAddr()
	} else {
		to, err := net.ResolveUDPAddr("udp", server)
		if err != nil {
			t.Fatal(err)
		}
		local := &net.UDPAddr{IP: to.IP} // of the same family
		conn, err := net.ListenUDP("udp", local)
		if err != nil {
			t.Fatal(err)
		}
		c.conn, c.server = conn, to
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

// login is a client that has credentials and a nonce.
func login(t testing.TB, network string, s *Server, user string) *client {
	t.Helper()
	c := dial(t, network, s.udp.LocalAddr().String())
	c.username, c.password = credentials(user, time.Hour)
	c.challenge()
	return c
}

// challenge gets realm and nonce, as every first request does.
func (c *client) challenge() {
	c.t.Helper()
	answer := c.request(stun.MethodAllocate, requestedTransport)
	var realm stun.Realm
	var nonce stun.Nonce
	if code := errorCode(answer); code != stun.CodeUnauthorized || realm.GetFrom(answer) != nil || nonce.GetFrom(answer) != nil {
		c.t.Fatalf("the challenge is %v", answer)
	}
	c.realm, c.nonce = realm.String(), nonce.String()
}

// request returns the answer to a request, signed if there is a nonce.
func (c *client) request(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	m := c.ask(method, attributes...)
	for {
		answer := c.read()
		if stun.IsMessage(answer) {
			a := &stun.Message{Raw: answer}
			if err := a.Decode(); err != nil {
				c.t.Fatal(err)
			}
			if a.TransactionID == m.TransactionID {
				return a
			}
		}
	}
}

// ask sends a request and does not wait for the answer.
func (c *client) ask(method stun.Method, attributes ...stun.Setter) *stun.Message {
	c.t.Helper()
	all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	if c.nonce != "" {
		all = append(all, stun.NewUsername(c.username), stun.NewRealm(c.realm), stun.NewNonce(c.nonce),
			stun.NewLongTermIntegrity(c.username, c.realm, c.password))
	}
	m, err := stun.Build(all...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(m.Raw)
	return m
}

func (c *client) send(p []byte) {
	c.t.Helper()
	if _, err := c.conn.WriteTo(p, c.server); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) read() []byte {
	c.t.Helper()
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	p := make([]byte, 2000)
	n, _, err := c.conn.ReadFrom(p)
	if err != nil {
		c.t.Fatal(err)
	}
	return p[:n]
}

// readData returns the payload and the peer of the next Data indication.
func (c *client) readData() (string, netip.AddrPort) {
	c.t.Helper()
	for {
		m := &stun.Message{Raw: c.read()}
		if err := m.Decode(); err != nil {
			c.t.Fatal(err)
		}
		if m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
			continue
		}
		data, err := m.Get(stun.AttrData)
		if err != nil {
			c.t.Fatal(err)
		}
		var peer stun.XORMappedAddress
		if err := peer.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			c.t.Fatal(err)
		}
		return string(data), addrPort(&net.UDPAddr{IP: peer.IP, Port: peer.Port})
	}
}

// allocate returns the relayed address.
func (c *client) allocate(attributes ...stun.Setter) netip.AddrPort {
	c.t.Helper()
	answer := c.request(stun.MethodAllocate, append(attributes, requestedTransport)...)
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
		c.t.Fatalf("allocate: %v, error %d", answer, errorCode(answer))
	}
	return addrPort(&net.UDPAddr{IP: relayed.IP, Port: relayed.Port})
}

// sync waits until the server has handled all that was sent before.
func (c *client) sync() {
	c.t.Helper()
	if answer := c.request(stun.MethodBinding); answer.Type != stun.BindingSuccess {
		c.t.Fatalf("binding: %v", answer)
	}
}

func (c *client) permit(peers ...netip.Addr) bool {
	c.t.Helper()
	var attributes []stun.Setter
	for _, p := range peers {
		attributes = append(attributes, peerAddress(netip.AddrPortFrom(p, 0)))
	}
	return succeeded(c.request(stun.MethodCreatePermission, attributes...))
}

func (c *client) bind(number uint16, peer netip.AddrPort) bool {
	c.t.Helper()
	return succeeded(c.request(stun.MethodChannelBind,
		raw{stun.AttrChannelNumber, binary.BigEndian.AppendUint16(nil, number), 2}, peerAddress(peer)))
}

// indicate sends text to the peer, with permission or without.
func (c *client) indicate(peer netip.AddrPort, text string) {
	c.t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(peer), raw{stun.AttrData, []byte(text), 0})
	if err != nil {
		c.t.Fatal(err)
	}
	c.send(m.Raw)
}

func (c *client) channelData(number uint16, text string) {
	c.t.Helper()
	p := binary.BigEndian.AppendUint16(nil, number)
	p = binary.BigEndian.AppendUint16(p, uint16(len(text)))
	p = append(p, text...)
	c.send(append(p, make([]byte, -len(p)&3)...))
}

// raw is an attribute with some zero bytes after its value.
type raw struct {
	kind  stun.AttrType
	value []byte
	zeros int
}

func (r raw) AddTo(m *stun.Message) error {
	m.Add(r.kind, append(r.value, make([]byte, r.zeros)...))
	return nil
}

var requestedTransport = raw{stun.AttrRequestedTransport, []byte{17}, 3}

func lifetime(seconds byte) stun.Setter { return raw{stun.AttrLifetime, []byte{0, 0, 0, seconds}, 0} }

type peerAddress netip.AddrPort

func (p peerAddress) AddTo(m *stun.Message) error {
	ip := netip.AddrPort(p).Addr().AsSlice()
	if ap := netip.AddrPort(p); ap.Addr().Is4In6() {
		// The library would fold it; a client may send it as it is.
		value := append([]byte{0, familyIPv6, 0, 0}, ip...)
		binary.BigEndian.PutUint16(value[2:], ap.Port()^stunCookie>>16)
		mask := append([]byte{0x21, 0x12, 0xa4, 0x42}, m.TransactionID[:]...)
		for i := range mask {
			value[4+i] ^= mask[i]
		}
		m.Add(stun.AttrXORPeerAddress, value)
		return nil
	}
	return stun.XORMappedAddress{IP: ip, Port: int(netip.AddrPort(p).Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

func succeeded(answer *stun.Message) bool { return answer.Type.Class == stun.ClassSuccessResponse }

func errorCode(answer *stun.Message) stun.ErrorCode {
	var code stun.ErrorCodeAttribute
	if code.GetFrom(answer) != nil {
		return 0
	}
	return code.Code
}

// listenPeer is a peer that is no client of any server.
func listenPeer(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, addrPort(conn.LocalAddr())
}

func readFrom(t *testing.T, conn net.PacketConn) (string, netip.AddrPort) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 2000)
	n, from, err := conn.ReadFrom(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n]), addrPort(from)
}

func randomText() string { return rand.Text() }
