package turn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"
)

// maxPermissions bounds the permissions and channels of one allocation, which
// live five and ten minutes. A browser needs one or two for each candidate of
// its peer.
const maxPermissions = 512

// reservationTime is how long a port is kept for who has its token, if the
// allocation that it was reserved with lives so long (RFC 8656, section 7.2).
const reservationTime = 30 * time.Second

var (
	errPeerRefused = errors.New("relaying to this peer is refused")
	errNoPort      = errors.New("no free relay port")
)

// relay is the socket of one allocation, between the library and the peers.
type relay struct {
	*net.UDPConn

	// Static after construction.
	s        *Server
	entrance *entrance
	port     uint16
	share    share  // that it counts on
	token    string // of the port behind it, which is reserved until reserved; or empty
	reserved time.Time

	// Set once, under entrance.mu, when the library has made the allocation.
	client   netip.AddrPort
	username string // with the expiry

	closing sync.Once

	mu          sync.RWMutex
	permissions map[netip.Addr]bool
	channels    map[uint16]bool
}

// newRelay opens the socket on a free port, as wished. The caller has counted it
// as an allocation.
func (s *Server) newRelay(e *entrance, of share, w wish) (*relay, error) {
	const attempts = 100 // ports that something else has
	if w.port != 0 {
		return s.openRelay(e, of, w, w.port)
	}
	ports := int(s.maxPort-s.minPort) + 1
	first := rand.IntN(ports)
	for i, failed := 0, 0; i < ports && failed < attempts; i++ {
		port := s.minPort + uint16((first+i)%ports)
		if w.even && port%2 != 0 || w.reserve && (port == s.maxPort || s.taken(port+1)) || s.taken(port) {
			continue
		}
		r, err := s.openRelay(e, of, w, port)
		if err != nil {
			failed++
			continue
		}
		return r, nil
	}
	return nil, errNoPort
}

func (s *Server) openRelay(e *entrance, of share, w wish, port uint16) (*relay, error) {
	conn, err := net.ListenUDP(s.relayNetwork, net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.relayIP, port)))
	if err != nil {
		return nil, err
	}
	r := &relay{
		UDPConn: conn, s: s, entrance: e, port: port, share: of,
		permissions: map[netip.Addr]bool{}, channels: map[uint16]bool{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relays[port] = r
	delete(s.reservations, port)
	if w.reserve {
		r.token, r.reserved = newToken(), time.Now().Add(reservationTime)
		s.reservations[port+1] = r
	}
	s.running.Add(1)
	return r, nil
}

// taken reports whether a port has a relay, or is reserved for one.
func (s *Server) taken(port uint16) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.reservations[port]
	return s.relays[port] != nil || r != nil && time.Now().Before(r.reserved)
}

// reservedBy is the port that is reserved with a token.
func (s *Server) reservedBy(token string) (port uint16, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for port, r := range s.reservations {
		if r.token == token && time.Now().Before(r.reserved) {
			return port, true
		}
	}
	return 0, false
}

func (s *Server) hasRelay(port uint16) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.relays[port] != nil
}

// route returns where packets for the peer at addr go. At this host itself that
// can only be another relay, whatever its address is called, unless private
// addresses are allowed; and never where requests are taken.
func (s *Server) route(peer netip.AddrPort) (netip.AddrPort, bool) {
	ip := peer.Addr()
	switch {
	case peer.Port() == 0 || !s.peers.allows(ip):
		return peer, false
	case !s.peers.isHost(ip):
		return peer, true
	case peer.Port() == s.port:
		return peer, false
	case s.hasRelay(peer.Port()):
		// Not by way of the public address, which may be a NAT's that does
		// not send packets back to where they came from.
		return netip.AddrPortFrom(s.hairpinIP, peer.Port()), true
	}
	return peer, scopeOf(target(ip)) == private
}

// origin is the inverse of route: what peers are called.
func (s *Server) origin(from netip.AddrPort) netip.AddrPort {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if s.peers.isHost(from.Addr()) && s.hasRelay(from.Port()) {
		return netip.AddrPortFrom(s.public, from.Port())
	}
	return from
}

// ReadFrom returns the next packet of a peer that has a permission. Once the relay
// is closed, it ends the goroutine instead: that is the library's for this relay,
// which at an error would end whatever allocation the client has by then, such as
// one just made in place of this one.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.ReadFromUDPAddrPort(p)
		if errors.Is(err, net.ErrClosed) {
			runtime.Goexit()
		}
		if err != nil {
			return 0, nil, err
		}
		if n == len(p) {
			continue // it was longer: the end is lost
		}
		from = r.s.origin(from)
		if !r.permits(from.Addr()) {
			continue
		}
		r.s.count.fromPeers.Add(uint64(n))
		return n, net.UDPAddrFromAddrPort(from), nil
	}
}

// WriteTo sends to a peer. The library asked for its permission before; it is
// checked again since that was without the port.
func (r *relay) WriteTo(p []byte, peer net.Addr) (int, error) {
	to, ok := r.s.route(addrPort(peer))
	if !ok {
		r.s.count.permission.Add(1)
		return 0, errPeerRefused
	}
	n, err := r.WriteToUDPAddrPort(p, to)
	if err == nil {
		r.s.count.toPeers.Add(uint64(n))
	}
	return n, err
}

// Close ends the allocation's part in all that is counted. It returns nil,
// since the library would leave the other allocations open.
func (r *relay) Close() error {
	r.closing.Do(func() {
		if err := r.UDPConn.Close(); err != nil {
			r.s.log.Error("turn: close relay", "port", r.port, "error", err)
		}
		r.entrance.leave(r)
		r.s.mu.Lock()
		delete(r.s.relays, r.port)
		if r.token != "" && r.s.reservations[r.port+1] == r {
			delete(r.s.reservations, r.port+1)
		}
		r.s.mu.Unlock()
		r.s.release(r.share)
		r.s.running.Done()
	})
	return nil
}

func (r *relay) permits(ip netip.Addr) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.permissions[ip]
}

func (r *relay) full() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.permissions)+len(r.channels) >= maxPermissions
}

func (r *relay) setPermission(ip netip.Addr, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.permissions[ip] = true
	} else {
		delete(r.permissions, ip)
	}
}

func (r *relay) setChannel(number uint16, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if on {
		r.channels[number] = true
	} else {
		delete(r.channels, number)
	}
}

// addrPort takes the addresses that sockets and the library give.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
