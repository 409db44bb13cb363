//go:build zishang

package zishang

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A gate is the http.ResponseWriter that the library gets for a handshake. It
// hands out a connection from which nothing is read, and to which nothing but
// the answer is written, before the library's ServeHTTP has returned.
//
// The library starts to read as soon as it has a connection, and only then
// makes a session of it: a heartbeat reply that arrives in between meets a
// timer that is still nil, which ends the process, and a CONNECT is lost.
type gate struct {
	http.ResponseWriter
	engine    *engine
	admission socketio.Admission
	admitted  bool

	// set while ServeHTTP runs, on its goroutine
	conn    *gatedConn
	session *session
}

// Hijack implements http.Hijacker.
func (g *gate) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(g.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	g.conn = newGatedConn(nc, g.engine.writeTimeout)
	if n := rw.Reader.Buffered(); n > 0 {
		// The library refuses a client whose first frames arrived with its
		// request, so it gets a reader of its own that holds nothing.
		early, _ := rw.Reader.Peek(n)
		g.conn.early = append([]byte(nil), early...)
	}
	return g.conn, bufio.NewReadWriter(bufio.NewReaderSize(g.conn, 16), bufio.NewWriterSize(g.conn, 16)), nil
}

// WriteHeader drops the answer that the library gives to an upgrade which
// failed when there was no response any more.
func (g *gate) WriteHeader(status int) {
	if g.conn == nil {
		g.ResponseWriter.WriteHeader(status)
	}
}

func (g *gate) Write(p []byte) (int, error) {
	if g.conn == nil {
		return g.ResponseWriter.Write(p)
	}
	return len(p), nil
}

// pass is called when ServeHTTP has returned, whatever came of it. It opens the
// gate, or ends an admission that no session came of.
func (g *gate) pass() {
	if g.session != nil {
		close(g.conn.opened)
		return
	}
	if g.conn != nil {
		g.conn.abort()
	}
	g.engine.release(g)
}

// A gatedConn is the connection that a gate hands out.
type gatedConn struct {
	net.Conn
	timeout time.Duration
	opened  chan struct{} // closed by gate.pass
	closed  chan struct{} // closed with over

	upgraded bool   // the answer was written; set before any other goroutine exists
	early    []byte // arrived with the request; owned by the reader

	writing chan struct{} // full while whole frames are written

	mu      sync.Mutex
	over    bool // closed for the library
	reading bool // in Conn.Read
	lost    bool // nothing more will arrive
	half    bool // over, but finish is yet to close it
}

func newGatedConn(nc net.Conn, timeout time.Duration) *gatedConn {
	return &gatedConn{
		Conn:    nc,
		timeout: timeout,
		opened:  make(chan struct{}),
		closed:  make(chan struct{}),
		writing: make(chan struct{}, 1),
	}
}

func (c *gatedConn) Read(p []byte) (int, error) {
	select {
	case <-c.opened:
	case <-c.closed:
		return 0, net.ErrClosed
	}
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return 0, net.ErrClosed
	}
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		c.mu.Unlock()
		return n, nil
	}
	c.reading = true
	c.mu.Unlock()

	n, err := c.Conn.Read(p)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if err != nil {
		c.lost = true
	}
	if c.over {
		return 0, net.ErrClosed
	}
	return n, err
}

// writeSize is the most bytes that must be taken within one timeout: a client
// on a slow line is not to be cut for the size of a message.
const writeSize = 32 << 10

// Write writes p: the answer to the handshake, or a control frame of
// gorilla/websocket's.
func (c *gatedConn) Write(p []byte) (n int, err error) {
	if !c.upgraded {
		c.upgraded = true
	} else if err := c.wait(); err != nil {
		return 0, err
	}
	timer := time.NewTimer(controlTimeout)
	defer timer.Stop()
	select {
	case c.writing <- struct{}{}:
	case <-c.closed:
		return 0, net.ErrClosed
	case <-timer.C:
		return 0, os.ErrDeadlineExceeded
	}
	defer func() { <-c.writing }()
	return c.write(p)
}

// controlTimeout is how long a control frame waits for its turn: whoever reads
// the connection writes it, and the client may be taking nothing.
const controlTimeout = time.Second

// writeFrames writes frames, which are empty after that, and nothing in between.
// It tells how many bytes have been written each time that it has written some.
func (c *gatedConn) writeFrames(frames *wire.Queue, wrote func(n int)) error {
	defer frames.Drop()
	if err := c.wait(); err != nil {
		return err
	}
	select {
	case c.writing <- struct{}{}:
	case <-c.closed:
		return net.ErrClosed
	}
	defer func() { <-c.writing }()
	for b := frames.Pop(); b != nil; b = frames.Pop() {
		n, err := c.write(b.B)
		wrote(n)
		b.Free()
		if err != nil {
			return err
		}
	}
	return nil
}

// write writes p, with a deadline that starts again for every writeSize bytes: a
// reader that never reads would hold a goroutine and all that waits for it.
func (c *gatedConn) write(p []byte) (n int, err error) {
	for n < len(p) {
		if err := c.extend(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:min(n+writeSize, len(p))])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// wait waits for the gate to open.
func (c *gatedConn) wait() error {
	select {
	case <-c.opened:
		return nil
	case <-c.closed:
		return net.ErrClosed
	default:
	}
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	select {
	case <-c.opened:
		return nil
	case <-c.closed:
		return net.ErrClosed
	case <-timer.C: // a write by ServeHTTP itself, which would never return
		return os.ErrDeadlineExceeded
	}
}

func (c *gatedConn) extend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return net.ErrClosed
	}
	return c.Conn.SetWriteDeadline(time.Now().Add(c.timeout))
}

// SetDeadline and SetWriteDeadline do nothing: gorilla/websocket takes the
// deadline off before each frame.
func (c *gatedConn) SetDeadline(time.Time) error      { return nil }
func (c *gatedConn) SetWriteDeadline(time.Time) error { return nil }

// Close is called by the library. Where its reader has stopped by itself, as
// after a frame that is none, there may be unread bytes, for which the
// kernel would throw away what is on its way to the client, the Close frame
// among it: then finish closes the connection.
func (c *gatedConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return net.ErrClosed
	}
	c.over = true
	close(c.closed)
	if c.reading || c.lost {
		return c.Conn.Close()
	}
	c.half = true
	return c.Conn.SetWriteDeadline(time.Unix(1, 0)) // a write that hangs ends
}

// finish closes the connection for good. It waits for the client to close its
// end where that is needed, for as long as timeout.
func (c *gatedConn) finish(timeout time.Duration) {
	c.mu.Lock()
	half := c.half
	c.mu.Unlock()
	if half {
		conn, ok := c.Conn.(interface{ CloseWrite() error })
		_ = c.Conn.SetDeadline(time.Now().Add(timeout))
		if ok && conn.CloseWrite() == nil {
			_, _ = io.Copy(io.Discard, c.Conn)
		}
	}
	c.abort()
}

// reset is abort for a client that does not read: what the kernel holds for it
// goes as well.
func (c *gatedConn) reset() {
	if tcp, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	c.abort()
}

// abort closes the connection at once.
func (c *gatedConn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.over = true
		close(c.closed)
	}
	_ = c.Conn.Close()
}
