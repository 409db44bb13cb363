package turn

import (
	"crypto/rand"
	"net"
	"time"
)

// reservationTime is how long a port is kept, if the allocation that it was
// reserved with lives so long (RFC 8656, section 7.2).
const reservationTime = 30 * time.Second

// A reservation is a port that is kept for a later allocation, with its socket, so
// that nothing else can have it.
type reservation struct {
	conn   *net.UDPConn
	port   uint16
	token  string // that the client claims it with
	expiry *time.Timer
}

// keep reserves the port.
func (s *Server) keep(port uint16) (*reservation, error) {
	conn, err := s.bind(port)
	if err != nil {
		return nil, err
	}
	r := &reservation{conn: conn, port: port, token: newToken()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reservations[r.token] = r
	r.expiry = time.AfterFunc(reservationTime, func() { s.giveUp(r.token) })
	return r, nil
}

// newToken is hard to guess (RFC 8656, section 18.5): anyone with it gets the port.
func newToken() string { return rand.Text()[:8] }

func (s *Server) isReserved(token string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.reservations[token] != nil
}

// claim hands over a reservation, to one caller; nil if there is none any more.
func (s *Server) claim(token string) *reservation {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reservations[token]
	if r != nil {
		r.expiry.Stop()
		delete(s.reservations, token)
	}
	return r
}

// giveUp frees the port, unless it was claimed.
func (s *Server) giveUp(token string) {
	if r := s.claim(token); r != nil {
		if err := r.conn.Close(); err != nil {
			s.log.Error("turn: cannot close a relay", "port", r.port, "error", err)
		}
	}
}
