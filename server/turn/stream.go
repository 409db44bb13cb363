package turn

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"time"
)

var errFrame = errors.New("neither STUN nor ChannelData")

// stream makes packets of a TCP or TLS connection (RFC 8656, section 12.5). The
// library has such a thing, but there a length that overflows 16 bits makes an
// endless loop, and a packet of eight bytes waits for the next.
type stream struct {
	net.Conn
	in           *bufio.Reader
	writeTimeout time.Duration

	// Guarded by Server.mu.
	waiting bool // has no allocation
}

func newStream(conn net.Conn, writeTimeout time.Duration) *stream {
	return &stream{Conn: conn, in: bufio.NewReaderSize(conn, 2048), writeTimeout: writeTimeout}
}

// Close ends the connection at once. A TLS connection says no goodbye first, which
// could wait for a client that does not read: each packet has its own length, so
// nothing can be cut off unnoticed.
func (s *stream) Close() error {
	if t, ok := s.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return s.Conn.Close()
}

// ReadFrom reads one packet; too long ones are skipped. After an error the
// stream is of no more use.
func (s *stream) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		head, err := s.in.Peek(channelHeader)
		if err != nil {
			return 0, nil, err
		}
		size := int(binary.BigEndian.Uint16(head[2:]))
		var padded int
		if isChannelData(head[0]) {
			size += channelHeader
			padded = (size + 3) &^ 3
		} else {
			if head, err = s.in.Peek(8); err != nil {
				return 0, nil, err
			}
			if binary.BigEndian.Uint32(head[4:]) != stunCookie {
				return 0, nil, errFrame
			}
			size += stunHeader
			padded = size
		}
		if padded > min(len(p), maxPacket, s.in.Size()) {
			if _, err := s.in.Discard(padded); err != nil {
				return 0, nil, err
			}
			continue
		}
		frame, err := s.in.Peek(padded)
		if err != nil {
			return 0, nil, err
		}
		n := copy(p, frame[:size])
		_, err = s.in.Discard(padded)
		return n, s.RemoteAddr(), err
	}
}

// WriteTo writes to the one client there is. If the client does not read in
// time, the connection ends: a packet cut short would spoil all that follow.
func (s *stream) WriteTo(p []byte, _ net.Addr) (int, error) {
	err := s.SetWriteDeadline(time.Now().Add(s.writeTimeout))
	if err != nil {
		return 0, err
	}
	n, err := s.Write(p)
	if err != nil {
		return n, errors.Join(err, s.Close())
	}
	return n, nil
}
