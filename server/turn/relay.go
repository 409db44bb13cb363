package turn

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxPermissions bounds the permissions and channels of one allocation, which
// live five and ten minutes. A browser needs one or two for each candidate of
// its peer.
const maxPermissions = 512

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
	share    share         // that it counts on
	next     *reservation  // of the port behind it; or nil
	in, out  *rate.Limiter // payload from peers and to peers; nil: no limit

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
	if w.token != "" {
		kept := s.claim(w.token)
		if kept == nil {
			return nil, errNoPort
		}
		return s.addRelay(e, of, kept.conn, kept.port, nil), nil
	}
	const attempts = 100 // ports that something else has
	ports := int(s.maxPort-s.minPort) + 1
	first := rand.IntN(ports)
	for i, failed := 0, 0; i < ports && failed < attempts; i++ {
		port := s.minPort + uint16((first+i)%ports)
		if w.even && port%2 != 0 || w.reserve && port == s.maxPort || s.hasRelay(port) {
			continue
		}
		conn, err := s.bind(port)
		if err != nil {
			failed++
			continue
		}
		var next *reservation
		if w.reserve {
			if next, err = s.keep(port + 1); err != nil {
				failed++
				_ = conn.Close() // nothing was sent
				continue
			}
		}
		return s.addRelay(e, of, conn, port, next), nil
	}
	return nil, errNoPort
}

func (s *Server) bind(port uint16) (*net.UDPConn, error) {
	return net.ListenUDP(s.relayNetwork, net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.relayIP, port)))
}

func (s *Server) addRelay(e *entrance, of share, conn *net.UDPConn, port uint16, next *reservation) *relay {
	r := &relay{
		UDPConn: conn, s: s, entrance: e, port: port, share: of, next: next,
		permissions: map[netip.Addr]bool{}, channels: map[uint16]bool{},
	}
	if s.maxBandwidth > 0 {
		// A burst of one second, and no less than a packet.
		limit, burst := rate.Limit(s.maxBandwidth), max(s.maxBandwidth, maxPacket)
		r.in, r.out = rate.NewLimiter(limit, burst), rate.NewLimiter(limit, burst)
	}
	s.mu.Lock()
	s.relays[port] = r
	s.mu.Unlock()
	s.running.Add(1)
	return r
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
	case peer.Port() == s.port || peer.Port() == s.portTLS:
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
		if !r.permits(from.Addr()) || r.over(r.in, n) {
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
	if r.over(r.out, len(p)) {
		return len(p), nil // dropped, as a network would
	}
	n, err := r.WriteToUDPAddrPort(p, to)
	if err == nil {
		r.s.count.toPeers.Add(uint64(n))
	}
	return n, err
}

// over counts a packet that exceeds the allocation's bandwidth.
func (r *relay) over(l *rate.Limiter, n int) bool {
	if l == nil || l.AllowN(time.Now(), n) {
		return false
	}
	r.s.count.dropped.Add(uint64(n))
	return true
}

// Close ends the allocation's part in all that is counted. It returns nil,
// since the library would leave the other allocations open.
func (r *relay) Close() error {
	r.closing.Do(func() {
		if err := r.UDPConn.Close(); err != nil {
			r.s.log.Error("turn: cannot close a relay", "port", r.port, "error", err)
		}
		r.entrance.leave(r)
		r.s.mu.Lock()
		delete(r.s.relays, r.port)
		r.s.mu.Unlock()
		if r.next != nil {
			r.s.giveUp(r.next.token)
		}
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
