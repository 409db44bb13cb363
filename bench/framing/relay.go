package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

const (
	maxSeats   = 4096
	maxMessage = 1 << 20
	maxOutbox  = 1 << 20
)

// A sender is one connection as its peer sees it. send does not keep text.
type sender interface{ send(text []byte) error }

// A relay pairs connection 2k with 2k+1.
type relay struct {
	readBuf int
	seats   [maxSeats]atomic.Value // of sender
	outs    [maxSeats]atomic.Pointer[outConn]
}

// join seats a connection and tells its client, which may send from then on.
func (rl *relay) join(id int, s sender) error {
	rl.seats[id].Store(s)
	err := s.send([]byte("hello"))
	rl.flush(id)
	return err
}

// forward hands one message to the peer of connection id.
func (rl *relay) forward(id int, text []byte) error {
	to, ok := rl.seats[id^1].Load().(sender)
	if !ok {
		return errors.New("no peer")
	}
	return to.send(text)
}

// forwardAll hands the one message that r holds to the peer of connection id.
func (rl *relay) forwardAll(id int, r io.Reader) error {
	b := borrow()
	defer giveBack(b)
	buf := bytes.NewBuffer(*b)
	if _, err := buf.ReadFrom(r); err != nil {
		return err
	}
	*b = buf.Bytes()
	return rl.forward(id, *b)
}

// flush writes what waits for connection id, if it coalesces at all.
func (rl *relay) flush(id int) {
	if out := rl.outs[id].Load(); out != nil {
		out.flush()
	}
}

// An outConn is a net.Conn with an outbox: Write only appends to it, bounded
// and without blocking, and whatever waits leaves in one system call. The peer
// flushes it before it reads again, so one batch read is one batch written.
type outConn struct {
	net.Conn
	rl *relay
	id int

	mu      sync.Mutex
	buf     *[]byte // borrowed; nil while nothing waits
	writing bool
}

func (c *outConn) Read(p []byte) (int, error) {
	c.rl.flush(c.id ^ 1)
	return c.Conn.Read(p)
}

func (c *outConn) Write(p []byte) (int, error) {
	if err := c.put(nil, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *outConn) put(head, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.buf == nil {
		c.buf = borrow()
	}
	if len(*c.buf)+len(head)+len(body) > maxOutbox {
		return errors.New("peer is too slow")
	}
	*c.buf = append(append(*c.buf, head...), body...)
	return nil
}

func (c *outConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		return // who is writing takes ours along
	}
	c.writing = true
	for c.buf != nil {
		b := c.buf
		c.buf = nil
		c.mu.Unlock()
		if _, err := c.Conn.Write(*b); err != nil {
			c.Conn.Close() // its reader sees it
		}
		giveBack(b)
		c.mu.Lock()
	}
	c.writing = false
}

// An outHijacker makes a library that hijacks the connection get an outConn.
type outHijacker struct {
	http.ResponseWriter
	rl *relay
	id int
}

func (w outHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if brw.Reader.Buffered() > 0 {
		conn.Close()
		return nil, nil, errors.New("bytes before the upgrade")
	}
	out := &outConn{Conn: conn, rl: w.rl, id: w.id}
	w.rl.outs[w.id].Store(out)
	return out, bufio.NewReadWriter(bufio.NewReaderSize(out, w.rl.readBuf), bufio.NewWriterSize(out, 64)), nil
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

func borrow() *[]byte { return buffers.Get().(*[]byte) }

func giveBack(b *[]byte) {
	if cap(*b) <= 64<<10 {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
