package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"syscall"

	"github.com/gobwas/ws"
)

var errFrame = errors.New("frame is not allowed")

// A gobwasConn reads in batches into a borrowed buffer, which it holds only
// while there are bytes in it. Fragmented messages are refused here.
type gobwasConn struct {
	*outConn
	in   *[]byte // borrowed; nil while idle
	err  error
	fill func(fd uintptr) bool
}

func newGobwas(rl *relay) acceptFunc {
	return func(w http.ResponseWriter, r *http.Request, id int) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			if conn != nil {
				conn.Close()
			}
			return
		}
		c := &gobwasConn{outConn: conn.(*outConn)}
		c.fill = c.tryRead
		go c.readLoop()
	}
}

func (c *gobwasConn) send(text []byte) error {
	var head [10]byte
	return c.put(head[:putHeader(&head, ws.OpText, len(text))], text)
}

func (c *gobwasConn) readLoop() {
	defer c.Close()
	raw, err := c.Conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = c.rl.join(c.id, c)
	}
	for err == nil {
		err = raw.Read(c.fill)
		if err == nil {
			err = c.err
		}
		if err == nil {
			err = c.frames()
		}
		c.rl.flush(c.id)     // pongs
		c.rl.flush(c.id ^ 1) // relays
	}
	if c.in != nil {
		giveBack(c.in)
	}
}

// tryRead reads what is there. When there is nothing it gives the buffer back
// and returns false, and the runtime calls again once there is something.
func (c *gobwasConn) tryRead(fd uintptr) bool {
	if c.in == nil {
		c.in = borrow()
	}
	b := *c.in
	n, err := syscall.Read(int(fd), b[len(b):cap(b)])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), b[len(b):cap(b)])
	}
	switch {
	case err == syscall.EAGAIN:
		if len(b) == 0 {
			giveBack(c.in)
			c.in = nil
		}
		return false
	case err != nil:
		c.err = err
	case n == 0:
		c.err = io.EOF
	default:
		*c.in = b[:len(b)+n]
	}
	return true
}

// frames handles the whole frames in the buffer and keeps the rest in it.
func (c *gobwasConn) frames() error {
	b := *c.in
	for {
		h, head := parseHeader(b)
		if head == 0 {
			break
		}
		if err := ws.CheckHeader(h, ws.StateServerSide); err != nil {
			return err
		}
		if uint64(h.Length) > maxMessage {
			return ws.ErrHeaderLengthUnexpected
		}
		end := head + int(h.Length)
		if end > len(b) {
			if len(b) == cap(*c.in) { // grow as bytes arrive, not as they are promised
				big := append(make([]byte, 0, min(end, 2*len(b))), b...)
				c.in, b = &big, big
			}
			break
		}
		payload := b[head:end]
		ws.Cipher(payload, h.Mask, 0)
		if err := c.frame(h, payload); err != nil {
			return err
		}
		b = b[end:]
	}
	*c.in = (*c.in)[:copy((*c.in)[:cap(*c.in)], b)]
	return nil
}

func (c *gobwasConn) frame(h ws.Header, payload []byte) error {
	switch {
	case h.OpCode == ws.OpText && h.Fin:
		return c.rl.forward(c.id, payload)
	case h.OpCode == ws.OpPing:
		var head [10]byte
		return c.put(head[:putHeader(&head, ws.OpPong, len(payload))], payload)
	case h.OpCode == ws.OpPong:
		return nil
	case h.OpCode == ws.OpClose:
		return io.EOF
	}
	return errFrame
}

// parseHeader returns the header at the front of b and its length, or 0 when
// it is not all there yet.
func parseHeader(b []byte) (h ws.Header, n int) {
	if len(b) < 2 {
		return h, 0
	}
	h.Fin = b[0]&0x80 != 0
	h.Rsv = b[0] & 0x70 >> 4
	h.OpCode = ws.OpCode(b[0] & 0x0f)
	h.Masked = b[1]&0x80 != 0
	h.Length = int64(b[1] & 0x7f)
	n = 2
	switch {
	case h.Length == 126 && len(b) >= 4:
		h.Length, n = int64(binary.BigEndian.Uint16(b[2:])), 4
	case h.Length == 127 && len(b) >= 10:
		h.Length, n = int64(binary.BigEndian.Uint64(b[2:])), 10
	case h.Length >= 126:
		return h, 0
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0
		}
		n += copy(h.Mask[:], b[n:])
	}
	return h, n
}

// putHeader writes the header of a server's frame and returns its length.
func putHeader(b *[10]byte, op ws.OpCode, n int) int {
	b[0] = 0x80 | byte(op)
	switch {
	case n < 126:
		b[1] = byte(n)
		return 2
	case n < 1<<16:
		b[1] = 126
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		return 4
	}
	b[1] = 127
	binary.BigEndian.PutUint64(b[2:], uint64(n))
	return 10
}
