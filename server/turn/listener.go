package turn

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// listenBoth opens the UDP socket and the TCP listener on the same port.
func listenBoth(host netip.Addr, port uint16) (*net.UDPConn, *net.TCPListener, error) {
	const attempts = 10 // of port 0 the first may be taken for TCP
	for attempt := 1; ; attempt++ {
		udp, err := net.ListenUDP("udp"+familyOf(host), net.UDPAddrFromAddrPort(netip.AddrPortFrom(host, port)))
		if err != nil {
			return nil, nil, err
		}
		bound := addrPort(udp.LocalAddr()).Port()
		tcp, err := listenTCP(host, bound)
		if err == nil {
			return udp, tcp, nil
		}
		if err = errors.Join(err, udp.Close()); port != 0 || attempt == attempts {
			return nil, nil, err
		}
	}
}

func listenTCP(host netip.Addr, port uint16) (*net.TCPListener, error) {
	return net.ListenTCP("tcp"+familyOf(host), net.TCPAddrFromAddrPort(netip.AddrPortFrom(host, port)))
}

// familyOf ends the name of a network: both families have [::] and no host at all.
func familyOf(host netip.Addr) string {
	switch {
	case host.Is4():
		return "4"
	case host.IsValid() && !host.IsUnspecified():
		return "6"
	}
	return ""
}

// accept takes TCP connections until the server is closed.
func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // for example, no more file descriptors
			s.log.Error("turn: cannot accept a connection", "error", err)
			select {
			case <-s.closed:
			case <-time.After(50 * time.Millisecond):
			}
			continue
		}
		if err := s.take(newStream(conn, s.limits.write)); err != nil {
			s.log.Debug("turn: connection refused", "client", conn.RemoteAddr().String(), "reason", err.Error())
		}
	}
}

// take serves a new connection, or closes it if too many wait already.
func (s *Server) take(t *stream) error {
	client := clientKey(addrPort(t.RemoteAddr()).Addr())
	s.mu.Lock()
	if s.waiting >= s.limits.waiting || s.waitingOf[client] >= s.limits.waitingOf || s.stopped {
		s.mu.Unlock()
		return errors.Join(errors.New("too many connections without an allocation"), t.Close())
	}
	s.streams[t] = client
	s.wait(t, true)
	s.mu.Unlock()
	if err := s.serve(t); err != nil {
		s.drop(t)
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// drop closes the connection and counts it off.
func (s *Server) drop(t *stream) {
	s.mu.Lock()
	_, ok := s.streams[t]
	if ok {
		s.wait(t, false)
		delete(s.streams, t)
	}
	s.mu.Unlock()
	if !ok {
		return
	}
	if err := t.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("turn: cannot close a connection", "error", err)
	}
}

// setWaiting notes whether a connection has no allocation. From when it has
// none, it has so much time to make one.
func (s *Server) setWaiting(t *stream, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.streams[t]; ok {
		s.wait(t, waiting)
	}
}

// wait needs the lock, and that t is among the streams.
func (s *Server) wait(t *stream, waiting bool) {
	if t.waiting == waiting {
		return
	}
	t.waiting = waiting
	client, change, deadline := s.streams[t], -1, time.Time{}
	if waiting {
		change, deadline = 1, time.Now().Add(s.limits.patience)
	}
	s.waiting += change
	if s.waitingOf[client] += change; s.waitingOf[client] == 0 {
		delete(s.waitingOf, client)
	}
	if err := t.SetReadDeadline(deadline); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Debug("turn: cannot set a deadline", "error", err)
	}
}
