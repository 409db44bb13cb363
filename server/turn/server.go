package turn

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// Options configure a [Server].
type Options struct {
	// Listen is address and port, for UDP and TCP both. 0.0.0.0 is every IPv4
	// address, [::] or no address every one of both families, port 0 any port.
	// A host with several addresses should name one, lest answers leave from
	// another. It may be empty where ListenTLS is not.
	Listen string

	// ListenTLS is the same, for TLS over TCP, with the configuration of TLS.
	ListenTLS string
	TLS       *tls.Config

	// Accept, if not nil, wraps the TCP listeners, below TLS.
	Accept func(net.Listener) net.Listener

	// PublicHost, if not empty, replaces PublicIP in the URLs. For TLS it
	// must be a name that the certificate has.
	PublicHost string

	// PublicIP is where clients and peers reach the server and its relays. The
	// host need not have it itself: a NAT may map it one to one. If it is
	// private, two clients can reach each other's relays only with
	// AllowPrivate.
	PublicIP netip.Addr

	MinPort, MaxPort uint16 // of the relays, inclusive; both 0: 49152 to 65535
	Realm            string // empty: oodaa
	Secret           string // that credentials are signed with; required
	MaxAllocations   int    // at a time, of one user, and ten times that of one client address; 0: 10
	MaxBandwidth     int    // payload bytes per second of one allocation, in each direction; 0: no limit
	AllowPrivate     bool   // relay to private, loopback and link-local peers too
	Log              *slog.Logger
}

// limits are the same for all servers but those of tests.
type limits struct {
	allocations int           // at a time, of all users
	patience    time.Duration // for a TCP connection that has no allocation
	write       time.Duration // of one packet to a TCP connection
	waiting     int           // TCP connections without an allocation
	waitingOf   int           // of one client address
}

var defaultLimits = limits{
	allocations: 4096,
	patience:    30 * time.Second,
	write:       10 * time.Second,
	waiting:     1024,
	waitingOf:   64,
}

// Server is a running TURN server. Its methods may be called concurrently.
type Server struct {
	// Static after construction.
	log              *slog.Logger
	realm, secret    string
	public           netip.Addr
	publicHost       string // in URLs
	port, portTLS    uint16 // for requests; 0: none
	minPort, maxPort uint16
	relayNetwork     string     // udp4 or udp6
	relayIP          netip.Addr // that relays are bound to
	hairpinIP        netip.Addr // at which they reach each other
	maxAllocations   int
	maxBandwidth     int
	limits           limits
	peers            *peerRule
	udp              *net.UDPConn   // nil: TLS only
	tcp              []net.Listener // of TURN over TCP, and over TLS

	count   counters
	closed  chan struct{}
	running sync.WaitGroup // goroutines and relays

	mu           sync.RWMutex
	stopped      bool
	relays       map[uint16]*relay
	reserved     int                     // allocations, made or being made
	users        map[string]int          // the same, by share.user
	clients      map[string]int          // the same, by share.client
	reservations map[string]*reservation // by token
	streams      map[*stream]string
	waiting      int            // streams without an allocation
	waitingOf    map[string]int // the same, by clientKey
}

// Listen starts a server, which the caller must close. The error tells which
// option cannot be used, or why the address cannot be listened on.
func Listen(opts Options) (*Server, error) { return listen(opts, defaultLimits) }

func listen(opts Options, limits limits) (*Server, error) {
	s := &Server{
		log:            cmp.Or(opts.Log, slog.New(slog.DiscardHandler)),
		realm:          cmp.Or(opts.Realm, "oodaa"),
		secret:         opts.Secret,
		public:         opts.PublicIP.Unmap(),
		minPort:        opts.MinPort,
		maxPort:        opts.MaxPort,
		publicHost:     opts.PublicHost,
		maxAllocations: cmp.Or(opts.MaxAllocations, 10),
		maxBandwidth:   opts.MaxBandwidth,
		limits:         limits,
		closed:         make(chan struct{}),
		relays:         map[uint16]*relay{},
		users:          map[string]int{},
		clients:        map[string]int{},
		reservations:   map[string]*reservation{},
		streams:        map[*stream]string{},
		waitingOf:      map[string]int{},
	}
	if s.minPort == 0 && s.maxPort == 0 {
		s.minPort, s.maxPort = 49152, 65535
	}
	host, port, err := s.check(cmp.Or(opts.Listen, opts.ListenTLS))
	if err != nil {
		return nil, fmt.Errorf("turn: %w", err)
	}
	hostTLS, portTLS := host, port
	if opts.ListenTLS != "" {
		if hostTLS, portTLS, err = s.check(opts.ListenTLS); err == nil && opts.TLS == nil {
			err = errors.New("TLS without a certificate")
		}
		if err != nil {
			return nil, fmt.Errorf("turn: %w", err)
		}
	}
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("turn: addresses of this host: %w", err)
	}
	if s.peers, err = newPeerRule(s.public, interfaces, opts.AllowPrivate); err != nil {
		return nil, fmt.Errorf("turn: %w", err)
	}
	s.bindRelays(host)
	wrap := opts.Accept
	if wrap == nil {
		wrap = func(l net.Listener) net.Listener { return l }
	}
	if opts.Listen != "" {
		udp, tcp, err := listenBoth(host, port)
		if err != nil {
			return nil, fmt.Errorf("turn: %w", err)
		}
		s.udp, s.port = udp, addrPort(udp.LocalAddr()).Port()
		s.tcp = append(s.tcp, wrap(tcp))
	}
	if opts.ListenTLS != "" {
		tcp, err := listenTCP(hostTLS, portTLS)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("turn: %w", err), s.Close())
		}
		s.portTLS = addrPort(tcp.Addr()).Port()
		s.tcp = append(s.tcp, tls.NewListener(wrap(tcp), opts.TLS))
	}
	for _, l := range s.tcp {
		s.running.Go(func() { s.accept(l) })
	}
	if s.udp != nil {
		if err := s.serve(s.udp); err != nil {
			return nil, errors.Join(fmt.Errorf("turn: %w", err), s.Close())
		}
	}
	if !s.peers.allows(s.public) {
		s.log.Warn("turn: the public address is private, so clients cannot reach each other's relays", "public", s.public.String())
	}
	return s, nil
}

// check returns where to listen, if all options can be used.
func (s *Server) check(listen string) (netip.Addr, uint16, error) {
	var host netip.Addr
	name, number, err := net.SplitHostPort(listen)
	if err == nil && name != "" {
		host, err = netip.ParseAddr(name)
	}
	port, errPort := strconv.ParseUint(number, 10, 16)
	switch {
	case err != nil || errPort != nil:
		return host, 0, fmt.Errorf("listen address %q is not of the form ip:port", listen)
	case !s.public.IsGlobalUnicast() && !s.public.IsLoopback() && !s.public.IsLinkLocalUnicast() || s.public.Zone() != "":
		return host, 0, fmt.Errorf("public IP %v is not an address of a host", s.public)
	case host.Is4() && s.public.Is6() || host.Is6() && !host.IsUnspecified() && s.public.Is4():
		return host, 0, fmt.Errorf("public IP %v and listen address %q are of different families", s.public, listen)
	case s.minPort == 0 || s.minPort > s.maxPort:
		return host, 0, fmt.Errorf("%d-%d is not a range of ports", s.minPort, s.maxPort)
	case s.secret == "":
		return host, 0, errors.New("no secret")
	case len(s.realm) > 127:
		return host, 0, errors.New("realm is longer than 127 bytes")
	case s.maxAllocations < 0 || s.maxBandwidth < 0:
		return host, 0, errors.New("the number of allocations or the bandwidth is negative")
	}
	return host, uint16(port), nil
}

// bindRelays has relays at the listen address, if that is a single one.
func (s *Server) bindRelays(host netip.Addr) {
	s.relayNetwork, s.relayIP, s.hairpinIP = "udp4", netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if s.public.Is6() {
		s.relayNetwork, s.relayIP, s.hairpinIP = "udp6", netip.IPv6Unspecified(), netip.IPv6Loopback()
	}
	if host.IsValid() && !host.IsUnspecified() {
		s.relayIP, s.hairpinIP = host, host
	}
}

// relayAt returns nil if there is none any more.
func (s *Server) relayAt(relayed net.Addr) *relay {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.relays[addrPort(relayed).Port()]
}

// URLs are the server's, for [ICE]: one each for UDP, TCP and TLS (RFC 7065).
func (s *Server) URLs() (urls []string) {
	add := func(scheme string, port uint16, transport string) {
		if port != 0 {
			host := cmp.Or(s.publicHost, s.public.String())
			urls = append(urls, scheme+net.JoinHostPort(host, strconv.Itoa(int(port)))+"?transport="+transport)
		}
	}
	add("turn:", s.port, "udp")
	add("turn:", s.port, "tcp")
	add("turns:", s.portTLS, "tcp")
	return urls
}

// Close ends all allocations and connections at once, and returns when they
// are gone. Further calls wait too and return nil.
func (s *Server) Close() error {
	s.mu.Lock()
	first := !s.stopped
	s.stopped = true
	open := make([]*stream, 0, len(s.streams))
	for t := range s.streams {
		open = append(open, t)
	}
	s.mu.Unlock()

	var err error
	if first {
		close(s.closed)
		if s.udp != nil {
			err = s.udp.Close()
		}
		for _, l := range s.tcp {
			err = errors.Join(err, l.Close())
		}
		for _, t := range open {
			s.drop(t)
		}
	}
	s.running.Wait()
	return err
}
