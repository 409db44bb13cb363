package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ListenTLS is tls.NewListener for connections that Upgrade takes over. Loops can
// read them, too. Its connections are of type [*TLSConn].
func ListenTLS(l net.Listener, config *tls.Config) net.Listener {
	config = config.Clone()
	config.DynamicRecordSizingDisabled = true // so that a piece (maxPush) is one record
	return &tlsListener{l, config, make(chan struct{}, max(runtime.GOMAXPROCS(0)-1, 1))}
}

type tlsListener struct {
	net.Listener
	config *tls.Config
	turns  chan struct{}
}

func (l *tlsListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &TLSConn{secure(nc, l.config), l.turns}, nil
}

// A TLSConn does its handshake with the first Read. So many handshakes compute at a
// time that a processor is left for others: a thousand clients that come at once do
// not keep the relays of those who are there waiting.
type TLSConn struct {
	*tls.Conn
	turns chan struct{} // nil after the handshake
}

func (c *TLSConn) Read(p []byte) (int, error) {
	if c.turns != nil {
		s := (*sealed)(c.NetConn().(*beneath))
		s.turns, c.turns = c.turns, nil
		s.turns <- struct{}{}
		err := c.Handshake()
		<-s.turns
		s.turns = nil
		if err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

func secure(nc net.Conn, config *tls.Config) *tls.Conn {
	s := &sealed{Conn: nc}
	s.tls = tls.Server((*beneath)(s), config)
	return s.tls
}

// A sealed connection is a socket with TLS on it. Once it is detached, TLS does not
// read or write the socket any more, so it never waits: what is read from the socket
// is handed to TLS (open), which keeps an incomplete record; what TLS writes is kept
// until it is written to the socket (next, wrote). Read and Write of the socket are
// not for use then.
type sealed struct {
	net.Conn // the socket

	// static
	tls      *tls.Conn
	detached bool // after Upgrade

	// owned by the goroutine that reads
	turns chan struct{} // during the handshake: full while so many compute as may
	in    []byte        // what was read from the socket, for TLS
	end   error         // what TLS has nothing more to say for

	// owned by the goroutine that writes
	sending *Buffer // records; nil: none
	sent    int     // bytes of these that the kernel was given
	ahead   int     // bytes of what is in flight that are in these records

	mu      sync.Mutex
	out     *Buffer // records behind those; nil: none
	taken   int     // memory of sending
	given   int64   // bytes that the kernel was given
	whole   int64   // of these, those before sending
	flooded bool    // a record did not fit in out
	closed  bool
}

// maxSealed bounds the records that wait to be written. A piece of what is in
// flight takes less than half of it; the rest is for what TLS answers by itself.
const maxSealed = 64 << 10

var (
	errFlooded = errors.New("client does not take what TLS answers")
	errOpened  = errors.New("TLS holds more than it was given")
)

// sealedConn returns what is below a TLS connection of ListenTLS, if that is a
// socket that is read and written by its descriptor.
func sealedConn(nc net.Conn) *sealed {
	t, ok := nc.(interface{ NetConn() net.Conn })
	if !ok || !direct {
		return nil
	}
	b, ok := t.NetConn().(*beneath)
	if !ok {
		return nil
	}
	if _, ok := b.Conn.(syscall.Conn); !ok {
		return nil
	}
	return (*sealed)(b)
}

// Close has TLS say goodbye, if what was written before leaves room for that, and
// closes the socket.
func (s *sealed) Close() error { return s.tls.Close() }

// CloseWrite has TLS say that nothing more will be written.
func (s *sealed) CloseWrite() error { return s.tls.CloseWrite() }

// NetConn is the socket.
func (s *sealed) NetConn() net.Conn { return s.Conn }

// SyscallConn is the socket's.
func (s *sealed) SyscallConn() (syscall.RawConn, error) {
	return s.Conn.(syscall.Conn).SyscallConn()
}

// maxOpened is more than open can have to say about readSize bytes, with a record of
// which all but a byte came before.
const maxOpened = 2*readSize + 4<<10

// open hands p to TLS, and returns how many bytes it has to say in room, which is
// maxOpened long. TLS keeps the beginning of a record, and no whole one.
func (s *sealed) open(p, room []byte) (n int) {
	s.in = p
	defer func() { s.in = nil }()
	for s.end == nil {
		m, err := s.tls.Read(room[n:])
		n += m
		switch {
		case s.overflows():
			s.end = errFlooded
		case err == errNothing:
			return n
		case err == io.EOF:
			s.end = errEOF
		case err != nil:
			s.end = err
		case n == len(room):
			s.end = errOpened
		}
	}
	return n
}

// drain returns what TLS holds that was read before it was detached; nil if
// nothing.
func (s *sealed) drain() *Buffer {
	var all *Buffer
	room := Borrow(maxOpened)
	defer room.Free()
	for s.end == nil {
		n := s.open(nil, room.B[:maxOpened])
		if s.end == errOpened {
			s.end = nil
		} else if n == 0 {
			break
		}
		if all == nil {
			all = Borrow(n)
		}
		all.grow(n)
		all.B = append(all.B, room.B[:n]...)
	}
	return all
}

// next returns the records to write next: what is left of the last ones, or those of
// the beginning of p; nil where p is empty and no record waits.
func (s *sealed) next(p []byte) ([]byte, error) {
	if s.sending == nil {
		if len(p) > 0 && !s.waits() {
			var err error
			if s.ahead, err = s.tls.Write(p[:min(len(p), maxPush)]); err != nil {
				return nil, err
			}
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, net.ErrClosed
		}
		s.sending, s.out = s.out, nil
		s.taken = s.sending.cap()
		s.mu.Unlock()
	}
	if s.sending == nil {
		return nil, nil
	}
	return s.sending.B[s.sent:], nil
}

// wrote takes note that the kernel was given n bytes of what next returned, and
// returns how many bytes of p that completes.
func (s *sealed) wrote(n int) int {
	s.mu.Lock()
	s.given += int64(n)
	s.sent += n
	all := s.sent == len(s.sending.B)
	if all {
		s.taken, s.whole = 0, s.given
	}
	s.mu.Unlock()
	if !all {
		return 0
	}
	s.sending.Free()
	s.sending, s.sent = nil, 0
	n, s.ahead = s.ahead, 0
	return n
}

// progress is how many bytes the kernel was given, and how many of them are the
// records of what was completed.
func (s *sealed) progress() (given, whole int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.given, s.whole
}

// waits reports whether there are records that no goroutine writes yet. s may be nil.
func (s *sealed) waits() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out != nil
}

// overflows reports whether the peer has TLS answer, and does not take the answers.
func (s *sealed) overflows() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flooded
}

// memory is that of records. s may be nil.
func (s *sealed) memory() int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken + s.out.cap()
}

// beneath is a sealed connection as TLS sees it.
type beneath sealed

// nothing is the answer to TLS where nothing more was read. That it is temporary
// tells TLS to go on later.
type nothing struct{}

var errNothing net.Error = nothing{}

func (nothing) Error() string   { return "nothing more was read" }
func (nothing) Timeout() bool   { return false }
func (nothing) Temporary() bool { return true }

func (b *beneath) Read(p []byte) (int, error) {
	if !b.detached {
		if b.turns != nil {
			<-b.turns // others compute while this waits for the client
			defer func() { b.turns <- struct{}{} }()
		}
		return b.Conn.Read(p)
	}
	if len(b.in) == 0 {
		return 0, errNothing
	}
	n := copy(p, b.in)
	b.in = b.in[n:]
	return n, nil
}

func (b *beneath) Write(p []byte) (int, error) {
	if !b.detached {
		return b.Conn.Write(p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.out.len()+len(p) > maxSealed {
		b.flooded = true
		return 0, errFlooded
	}
	if b.out == nil {
		b.out = Borrow(len(p))
	}
	b.out.grow(len(p))
	b.out.B = append(b.out.B, p...)
	return len(p), nil
}

// Close writes what TLS said last, as far as the socket takes it without waiting,
// and closes the socket.
func (b *beneath) Close() error {
	b.mu.Lock()
	last := b.out
	if b.taken > 0 {
		last = nil // it would follow half a record
	}
	b.out, b.closed = nil, true
	b.mu.Unlock()
	if last != nil {
		if raw, err := (*sealed)(b).SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { _, _ = writeFD(fd, last.B) })
		}
		last.Free()
	}
	return b.Conn.Close()
}

// TLS sets deadlines for what it says last, which no call waits for once it is
// detached.

func (b *beneath) SetDeadline(t time.Time) error {
	if b.detached {
		return nil
	}
	return b.Conn.SetDeadline(t)
}

func (b *beneath) SetReadDeadline(t time.Time) error {
	if b.detached {
		return nil
	}
	return b.Conn.SetReadDeadline(t)
}

func (b *beneath) SetWriteDeadline(t time.Time) error {
	if b.detached {
		return nil
	}
	return b.Conn.SetWriteDeadline(t)
}
