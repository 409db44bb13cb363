package turn

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

var (
	errNotAdmitted = errors.New("no allocation was granted")
	errFamily      = errors.New("there are no relays of this address family")
)

// entrance is the UDP socket, or one TCP connection, with a server of the
// library that reads from it alone. So what one request brings about happens on
// one goroutine, from one ReadFrom to the next.
type entrance struct {
	net.PacketConn
	s      *Server
	stream *stream // the PacketConn, if it is one

	// Owned by the reading goroutine.
	admitted *share                // on which the current request may allocate; or nil
	made     *relay                // by the current request
	wish     wish                  // of the current request
	key      stun.MessageIntegrity // of the current request
	failure  stun.ErrorCode        // why the current request got no relay; or 0
	ended    bool

	mu     sync.Mutex
	relays map[netip.AddrPort]*relay // by client
}

// serve starts a goroutine, which ends when ReadFrom has returned an error.
func (s *Server) serve(conn net.PacketConn) error {
	e := &entrance{PacketConn: conn, s: s, relays: map[netip.AddrPort]*relay{}}
	e.stream, _ = conn.(*stream)
	s.running.Add(1)
	_, err := turn.NewServer(turn.ServerConfig{
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: e, RelayAddressGenerator: e, PermissionHandler: e.permit,
		}},
		Realm:        s.realm,
		AuthHandler:  e.authenticate,
		QuotaHandler: e.admit,
		EventHandler: e.events(),
		// Its messages name peers, and any client can bring them about.
		LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err != nil {
		s.running.Done()
	}
	return err
}

// ReadFrom returns the next packet for the library, which stops at the first
// error.
func (e *entrance) ReadFrom(p []byte) (int, net.Addr, error) {
	e.settle()
	for {
		n, from, err := e.PacketConn.ReadFrom(p)
		switch {
		case err == nil && wellFormed(p[:n]):
			return copy(p, e.wishes(p[:n])), from, nil
		case err == nil:
		case e.stream == nil && !errors.Is(err, net.ErrClosed):
			e.s.log.Error("turn: cannot read", "error", err)
			select {
			case <-e.s.closed:
			case <-time.After(50 * time.Millisecond):
			}
		default:
			if !e.ended {
				e.ended = true
				if e.stream != nil {
					e.s.drop(e.stream)
				}
				e.s.running.Done()
			}
			return 0, nil, err
		}
	}
}

// settle takes back what the last request was granted and did not use.
func (e *entrance) settle() {
	if e.admitted != nil {
		e.s.release(*e.admitted)
		e.admitted = nil
	}
	e.failure = 0
}

// WriteTo sends what the library has for a client.
func (e *entrance) WriteTo(p []byte, client net.Addr) (int, error) {
	sent := p
	if isAnswer(p) {
		sent = e.amend(p, client)
	}
	if _, err := e.PacketConn.WriteTo(sent, client); err != nil {
		return 0, err
	}
	return len(p), nil
}

// authenticate returns the key of a user name (RFC 8489, section 9.2.2), if it
// is good. Calls outlive credentials: a client may go on with those that its
// allocation was made with.
func (e *entrance) authenticate(r *turn.RequestAttributes) (user string, key []byte, ok bool) {
	c, err := parseUsername(r.Username)
	switch {
	case err != nil:
		e.refuse("malformed", r.Username, r.SrcAddr)
	case r.Realm != e.s.realm:
		e.refuse("realm", r.Username, r.SrcAddr)
	case c.expired(time.Now()) && !e.holds(r.SrcAddr, r.Username):
		e.refuse("expired", r.Username, r.SrcAddr)
	default:
		e.key = e.s.keyOf(r.Username)
		return r.Username, e.key, true
	}
	return "", nil, false
}

func (e *entrance) refuse(reason, username string, client net.Addr) {
	e.s.count.auth.Add(1)
	e.s.log.Debug("turn: credentials refused", "reason", reason, "username", username, "client", client.String())
}

func (e *entrance) holds(client net.Addr, username string) bool {
	r := e.relayOf(client)
	return r != nil && r.username == username
}

func (e *entrance) relayOf(client net.Addr) *relay {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.relays[addrPort(client)]
}

// admit counts one more allocation of the user, if he may have it.
func (e *entrance) admit(username, _ string, client net.Addr) bool {
	of := shareOf(username, addrPort(client).Addr())
	if !e.s.reserve(of) {
		e.s.count.quota.Add(1)
		e.s.log.Debug("turn: allocation refused", "reason", "quota", "user", of.user, "client", of.client)
		return false
	}
	e.admitted = &of
	return true
}

// permit is asked for every permission and channel, new or refreshed.
func (e *entrance) permit(client net.Addr, peer net.IP) bool {
	ip, _ := netip.AddrFromSlice(peer)
	r := e.relayOf(client)
	if r == nil || r.full() || !e.s.peers.allows(ip) {
		e.s.count.permission.Add(1)
		return false
	}
	return true
}

// LocalAddr is the address that clients reach the server at. Its family is the
// one that the library gives relays when a client does not ask for a family.
func (e *entrance) LocalAddr() net.Addr {
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.s.public, e.s.port))
}

// Validate is part of [turn.RelayAddressGenerator].
func (e *entrance) Validate() error { return nil }

// AllocatePacketConn opens the socket of an allocation.
func (e *entrance) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	switch {
	case e.admitted == nil:
		return nil, nil, errNotAdmitted
	case c.Network != e.s.relayNetwork:
		e.failure = stun.CodeAddrFamilyNotSupported
		return nil, nil, errFamily
	}
	r, err := e.s.newRelay(e, *e.admitted, e.wish)
	if err != nil {
		return nil, nil, err
	}
	e.admitted, e.made = nil, r
	return r, net.UDPAddrFromAddrPort(netip.AddrPortFrom(e.s.public, r.port)), nil
}

// AllocateListener refuses to relay to TCP peers (RFC 6062).
func (e *entrance) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	e.failure = stun.CodeUnsupportedTransProto
	return nil, nil, errors.ErrUnsupported
}

// AllocateConn refuses the same.
func (e *entrance) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// join and leave keep the relays of the entrance, by client.
func (e *entrance) join(r *relay, client netip.AddrPort, username string) {
	e.mu.Lock()
	r.client, r.username = client, username
	e.relays[client] = r
	e.mu.Unlock()
	e.s.count.allocations.Add(1)
	if e.stream != nil {
		e.s.setWaiting(e.stream, false)
	}
}

func (e *entrance) leave(r *relay) {
	e.mu.Lock()
	if e.relays[r.client] == r {
		delete(e.relays, r.client)
	}
	e.mu.Unlock()
	if e.stream != nil {
		e.s.setWaiting(e.stream, true)
	}
}

func (e *entrance) events() turn.EventHandler {
	permission := func(on bool) func(_, _ net.Addr, _, _, _ string, relay net.Addr, peer net.IP) {
		return func(_, _ net.Addr, _, _, _ string, relay net.Addr, peer net.IP) {
			ip, _ := netip.AddrFromSlice(peer)
			if r := e.s.relayAt(relay); r != nil {
				r.setPermission(ip.Unmap(), on)
			}
		}
	}
	channel := func(on bool) func(_, _ net.Addr, _, _, _ string, relay, _ net.Addr, number uint16) {
		return func(_, _ net.Addr, _, _, _ string, relay, _ net.Addr, number uint16) {
			if r := e.s.relayAt(relay); r != nil {
				r.setChannel(number, on)
			}
		}
	}
	return turn.EventHandler{
		OnAuth: func(client, _ net.Addr, _, username, _, _ string, good bool) {
			if !good {
				e.refuse("forged", username, client)
			}
		},
		OnAllocationCreated: func(client, _ net.Addr, _, username, _ string, _ net.Addr, _ int) {
			e.join(e.made, addrPort(client), username)
		},
		OnPermissionCreated: permission(true),
		OnPermissionDeleted: permission(false),
		OnChannelCreated:    channel(true),
		OnChannelDeleted:    channel(false),
	}
}
