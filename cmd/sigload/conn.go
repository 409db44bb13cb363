package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// epoch is what all times are counted from, in nanoseconds.
var epoch = time.Now()

func now() int64 { return int64(time.Since(epoch)) }

// A dialer opens the connections of one run.
type dialer struct {
	url     string // ws:// or wss://, with path and query
	from    []net.IP
	tls     *tls.Config
	timeout time.Duration
	buffer  int // bytes to read at a time, at first
}

// dial opens connection number n. What to read is left to the caller.
func (d *dialer) dial(ctx context.Context, n int) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	tcp := net.Dialer{KeepAlive: -1}
	if len(d.from) > 0 {
		tcp.LocalAddr = &net.TCPAddr{IP: d.from[n%len(d.from)]}
	}
	nc, early, _, err := ws.Dialer{NetDial: tcp.DialContext, TLSConfig: d.tls}.Dial(ctx, d.url)
	var status ws.StatusError
	if errors.As(err, &status) && status == http.StatusTooManyRequests {
		return nil, errors.New("the server refuses further connections with status 429: start it with RATE_LIMIT=0 and MAX_CONNECTIONS_PER_IP=0")
	}
	if errors.As(err, &status) {
		return nil, fmt.Errorf("the server refuses the connection with status %d", int(status))
	}
	if err != nil {
		return nil, err
	}
	c := &conn{nc: nc, in: make([]byte, 0, d.buffer)}
	if early != nil {
		b, _ := early.Peek(early.Buffered())
		c.in = append(c.in, b...)
		ws.PutReader(early)
	}
	return c, nil
}

// conn is the client's end of one WebSocket connection (RFC 6455). One
// goroutine reads it; any may write.
type conn struct {
	nc net.Conn

	// owned by the reader
	in       []byte // what was read; in[at:] is not handled yet
	at       int
	readAt   int64  // when in was read
	fragment []byte // of a message that is not complete

	mu  sync.Mutex
	out []byte // frames that are not written yet
}

// A closeError is the Close frame of a server.
type closeError struct {
	code   int
	reason string
}

func (e *closeError) Error() string {
	return fmt.Sprintf("closed by the server: %d %s", e.code, e.reason)
}

// next returns the next message, which is valid until the next call. Before it
// waits it writes what is queued.
func (c *conn) next() ([]byte, error) {
	for {
		h, n := parseHeader(c.in[c.at:])
		size := n + int(h.Length)
		if n == 0 || len(c.in)-c.at < size {
			if err := c.fill(size); err != nil {
				return nil, err
			}
			continue
		}
		payload := c.in[c.at+n : c.at+size]
		c.at += size
		switch {
		case h.OpCode == ws.OpText && h.Fin:
			return payload, nil
		case h.OpCode == ws.OpText, h.OpCode == ws.OpContinuation:
			c.fragment = append(c.fragment, payload...)
			if h.Fin {
				message := c.fragment
				c.fragment = nil
				return message, nil
			}
		case h.OpCode == ws.OpPing:
			c.queue(ws.OpPong, payload)
		case h.OpCode == ws.OpPong:
		case h.OpCode == ws.OpClose:
			end := &closeError{code: int(ws.StatusNoStatusRcvd)}
			if len(payload) >= 2 {
				end.code, end.reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return nil, end
		default:
			return nil, fmt.Errorf("unexpected frame with opcode %d", h.OpCode)
		}
	}
}

// fill reads more; need is the size of the incomplete frame, as far as known.
func (c *conn) fill(need int) error {
	if err := c.flush(); err != nil {
		return err
	}
	rest := c.in[c.at:]
	if need > cap(c.in) {
		c.in = append(make([]byte, 0, need+need/4), rest...)
	} else if c.at > 0 {
		c.in = c.in[:copy(c.in[:cap(c.in)], rest)]
	}
	c.at = 0
	n, err := c.nc.Read(c.in[len(c.in):cap(c.in)])
	c.readAt = now()
	c.in = c.in[:len(c.in)+n]
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errors.New("connection lost")
	}
	return err
}

// queue adds a frame to what is to be written.
func (c *conn) queue(op ws.OpCode, payload []byte) {
	c.mu.Lock()
	c.out = appendFrame(c.out, op, payload)
	c.mu.Unlock()
}

// flush writes what is queued.
func (c *conn) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.nc.Write(c.out)
	c.out = c.out[:0]
	return err
}

func (c *conn) send(message []byte) error {
	c.queue(ws.OpText, message)
	return c.flush()
}

// parseHeader reads the frame header at the start of p, and returns its
// length, or 0 if it is not complete.
func parseHeader(p []byte) (h ws.Header, n int) {
	if len(p) < 2 {
		return h, 0
	}
	h.Fin, h.OpCode, h.Length = p[0]&0x80 != 0, ws.OpCode(p[0]&0xf), int64(p[1]&0x7f)
	switch {
	case h.Length == 126 && len(p) >= 4:
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		return h, 4
	case h.Length == 127 && len(p) >= 10:
		h.Length = int64(binary.BigEndian.Uint64(p[2:]) & (1<<40 - 1))
		return h, 10
	case h.Length >= 126:
		h.Length = 0
		return h, 0
	}
	return h, 2
}

// appendFrame appends a client's frame, masked with a random mask.
func appendFrame(dst []byte, op ws.OpCode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	mask := ws.NewMask()
	dst = append(append(dst, mask[:]...), payload...)
	ws.Cipher(dst[len(dst)-len(payload):], mask, 0)
	return dst
}
