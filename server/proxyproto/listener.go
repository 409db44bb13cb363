// Package proxyproto takes the headers of the PROXY protocol, versions 1 and 2,
// off connections from trusted proxies, so that they have their clients' addresses.
// A proxy may leave the header out, as many do for their health checks. From
// anybody else a header is what it is to the protocol above: nonsense.
package proxyproto

import (
	"container/list"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// patience is how long a header may take, as long as the headers of HTTP.
	patience = 10 * time.Second
	// maxPending bounds the connections whose header is awaited. A proxy sends it
	// at once, so one more ends the oldest of them.
	maxPending = 1024
)

// A Listener accepts connections once their headers have been read. Close ends it.
type Listener struct {
	net.Listener
	trusted  func(netip.Addr) bool
	patience time.Duration
	limit    int
	log      *slog.Logger

	accepted chan net.Conn
	failed   chan error
	closed   chan struct{}
	closing  sync.Once
	running  sync.WaitGroup

	mu      sync.Mutex
	pending list.List // of net.Conn, the oldest first
}

// Wrap takes over the listener. Headers are read from peers that are trusted.
func Wrap(l net.Listener, trusted func(netip.Addr) bool, log *slog.Logger) *Listener {
	return wrap(l, trusted, log, patience, maxPending)
}

func wrap(inner net.Listener, trusted func(netip.Addr) bool, log *slog.Logger, patience time.Duration, limit int) *Listener {
	l := &Listener{
		Listener: inner, trusted: trusted, patience: patience, limit: limit, log: log,
		accepted: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
	}
	l.running.Go(l.run)
	return l
}

// run accepts until Close. It does not wait for a header, so that a slow peer
// delays no one else.
func (l *Listener) run() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			select {
			case l.failed <- err:
			case <-l.closed:
				return
			}
			continue
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok || !l.trusts(tcp) {
			l.hand(c)
			continue
		}
		place := l.await(tcp)
		l.running.Go(func() {
			defer l.forget(place)
			named, err := l.named(tcp)
			if err != nil {
				// A health check sends nothing. That is not worth a line.
				if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					l.log.Debug("PROXY protocol: connection refused", "peer", tcp.RemoteAddr().String(), "error", err.Error())
				}
				_ = tcp.Close()
				return
			}
			l.hand(named)
		})
	}
}

func (l *Listener) trusts(c *net.TCPConn) bool {
	peer, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && l.trusted(peer.AddrPort().Addr().Unmap())
}

// await notes a connection whose header is to come.
func (l *Listener) await(c *net.TCPConn) *list.Element {
	var oldest net.Conn
	l.mu.Lock()
	if l.pending.Len() >= l.limit {
		oldest = l.pending.Remove(l.pending.Front()).(net.Conn)
	}
	place := l.pending.PushBack(c)
	l.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close() // ends its read
	}
	return place
}

func (l *Listener) forget(place *list.Element) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending.Remove(place) // does nothing where it is not there any more
}

// named reads the header, and returns the connection with the client's address.
func (l *Listener) named(c *net.TCPConn) (net.Conn, error) {
	if err := c.SetReadDeadline(time.Now().Add(l.patience)); err != nil {
		return nil, err
	}
	source, ahead, err := readHeader(c)
	if err != nil {
		return nil, err
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if source == nil && ahead == nil {
		return c, nil
	}
	named := &conn{TCPConn: c, ahead: ahead, remote: c.RemoteAddr()}
	if source != nil {
		named.remote = source
	}
	return named, nil
}

// hand waits until the connection is accepted.
func (l *Listener) hand(c net.Conn) {
	select {
	case l.accepted <- c:
	case <-l.closed:
		_ = c.Close()
	}
}

// Accept returns the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and connections that were not accepted yet.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.closing.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
		l.mu.Lock()
		for e := l.pending.Front(); e != nil; e = e.Next() {
			_ = e.Value.(net.Conn).Close()
		}
		l.mu.Unlock()
	})
	l.running.Wait()
	return err
}

// A conn is a TCP connection that comes by way of a proxy.
type conn struct {
	*net.TCPConn
	ahead  []byte // was read already
	remote net.Addr
}

func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) Read(p []byte) (int, error) {
	if len(c.ahead) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		return n, nil
	}
	return c.TCPConn.Read(p)
}

// WriteTo keeps io.Copy from passing over what was read already.
func (c *conn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{c})
}
