// Command bare is the least that a relay over WebSocket can do, on the framing
// library that the server uses: it takes a frame off, unmasks it, and puts it,
// unread, on the connection of the other one of the pair. `make bench` compares
// the server with it. It is a measuring device: nothing limits a client, and
// there are no heartbeats.
//
// It answers the handshakes blindly, so that sigload -raw can use it: the first
// message of a Socket.IO client is taken for the CONNECT packet, the next, a
// Volli client's first, for the registration. The number that the name ends in
// is the client's seat; seats 2k and 2k+1 are a pair.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/gobwas/ws"
)

const (
	opened     = `0{"sid":"bare","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	connected  = `40{"sid":"bare"}`
	users      = `42["user-list",{"users":[]}]`
	registered = `{"type":"registered","success":true,"userId":"bare"}`

	maxSeats = 1 << 20
)

var seats [maxSeats]atomic.Pointer[conn]

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err == nil {
		fmt.Println(ln.Addr().(*net.TCPAddr).Port)
		err = http.Serve(ln, http.HandlerFunc(accept))
	}
	fmt.Fprintln(os.Stderr, "bare:", err)
	os.Exit(1)
}

func accept(w http.ResponseWriter, r *http.Request) {
	nc, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	c := &conn{nc: nc}
	if strings.HasPrefix(r.URL.Path, "/socket.io/") {
		c.answers = []string{connected, users}
		c.put([]byte(opened))
		c.flush()
	} else {
		c.answers = []string{registered}
	}
	go c.serve()
}

// conn is one connection. While it is idle it holds no buffer.
type conn struct {
	nc net.Conn

	// owned by serve
	answers []string // to the messages of the handshake that are to come
	peer    *atomic.Pointer[conn]
	in      *[]byte // borrowed; nil while idle
	err     error

	mu  sync.Mutex
	out *[]byte // borrowed; nil while nothing waits
}

func (c *conn) serve() {
	defer c.nc.Close()
	raw, err := c.nc.(syscall.Conn).SyscallConn()
	fill := c.fill // one closure for all reads
	for err == nil {
		if err = raw.Read(fill); err == nil {
			err = c.err
		}
		if err == nil {
			err = c.frames()
		}
		c.flush()
		if c.peer != nil {
			if peer := c.peer.Load(); peer != nil {
				peer.flush()
			}
		}
	}
}

// fill reads what is there. When there is nothing it gives the buffer back and
// returns false, and is called again once there is something.
func (c *conn) fill(fd uintptr) bool {
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

// frames handles the whole frames that were read and keeps the rest.
func (c *conn) frames() error {
	b := *c.in
	for {
		h, n := parseHeader(b)
		size := n + int(h.Length)
		if n == 0 || len(b) < size {
			if size > cap(*c.in) {
				b = append(make([]byte, 0, size), b...)
				*c.in = b
				return nil
			}
			break
		}
		payload := b[n:size]
		ws.Cipher(payload, h.Mask, 0)
		if err := c.frame(h.OpCode, payload); err != nil {
			return err
		}
		b = b[size:]
	}
	*c.in = (*c.in)[:copy((*c.in)[:cap(*c.in)], b)]
	return nil
}

func (c *conn) frame(op ws.OpCode, payload []byte) error {
	if op != ws.OpText {
		return io.EOF // Close
	}
	if len(c.answers) > 0 {
		answer := c.answers[0]
		c.answers = c.answers[1:]
		if len(c.answers) == 0 {
			seat, err := seatOf(payload)
			if err != nil {
				return err
			}
			seats[seat].Store(c)
			c.peer = &seats[seat^1]
		}
		c.put([]byte(answer))
		return nil
	}
	peer := c.peer.Load()
	if peer == nil {
		return errors.New("no peer")
	}
	peer.put(payload)
	return nil
}

// seatOf is the number that the user id in a registration ends in.
func seatOf(registration []byte) (int, error) {
	_, id, _ := strings.Cut(string(registration), `"userId":"`)
	id, _, _ = strings.Cut(id, `"`)
	digits := id[strings.LastIndexByte(id, '-')+1:]
	var seat int
	if _, err := fmt.Sscanf(digits, "%d", &seat); err != nil || seat < 0 || seat >= maxSeats {
		return 0, fmt.Errorf("the name %q ends in no seat number", id)
	}
	return seat, nil
}

// put queues a text frame.
func (c *conn) put(payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		c.out = borrow()
	}
	b := append(*c.out, 0x80|byte(ws.OpText))
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	*c.out = append(b, payload...)
}

// flush writes what is queued, in one system call.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil {
		return
	}
	if _, err := c.nc.Write(*c.out); err != nil {
		c.nc.Close() // its reader sees it
	}
	giveBack(c.out)
	c.out = nil
}

// parseHeader reads the frame header at the start of p, and returns its
// length, or 0 if it is not complete.
func parseHeader(p []byte) (h ws.Header, n int) {
	if len(p) < 2 {
		return h, 0
	}
	h.OpCode, h.Length, n = ws.OpCode(p[0]&0xf), int64(p[1]&0x7f), 2
	switch {
	case h.Length == 126 && len(p) >= 4:
		h.Length, n = int64(binary.BigEndian.Uint16(p[2:])), 4
	case h.Length == 127 && len(p) >= 10:
		h.Length, n = int64(binary.BigEndian.Uint64(p[2:])&(1<<30-1)), 10
	case h.Length >= 126:
		return h, 0
	}
	if len(p) < n+len(h.Mask) {
		return h, 0
	}
	n += copy(h.Mask[:], p[n:])
	return h, n
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

func borrow() *[]byte { return buffers.Get().(*[]byte) }

func giveBack(b *[]byte) {
	*b = (*b)[:0]
	buffers.Put(b)
}
