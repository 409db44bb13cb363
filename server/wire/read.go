package wire

import (
	"io"
	"sync"
	"syscall"
)

// readSize is the size of the buffer that is borrowed for each read.
const readSize = 16 << 10

// read calls handle with what arrives, appended to c.in, until either fails.
func (c *Conn) read(handle func([]byte) error) error {
	var (
		borrowed *Buffer
		into     []byte
		n        int
		err      error
	)
	// The buffer is borrowed only once there is something to read, so that a
	// connection that waits holds none.
	ready := func(fd uintptr) bool {
		borrowed, into = c.room()
		for {
			n, err = syscall.Read(int(fd), into[len(into):cap(into)])
			if err != syscall.EINTR {
				break
			}
		}
		if err == syscall.EAGAIN {
			borrowed.Free()
			borrowed = nil
			return false
		}
		return true
	}
	for {
		if c.raw != nil {
			if werr := c.raw.Read(ready); werr != nil {
				return werr
			}
			if err == nil && n == 0 {
				err = errEOF
			}
		} else {
			borrowed, into = c.room()
			n, err = c.nc.Read(into[len(into):cap(into)])
			if err == io.EOF {
				err = errEOF
			}
		}
		if n > 0 {
			err = handle(into[:len(into)+n])
		}
		borrowed.Free()
		borrowed = nil
		if err != nil {
			return err
		}
	}
}

// room returns where to read to: behind the incomplete frame in c.in, with room
// for more of it, or in a buffer that is borrowed for one read.
func (c *Conn) room() (borrowed *Buffer, into []byte) {
	if c.in != nil {
		return nil, c.grow()
	}
	borrowed = Borrow(readSize)
	return borrowed, borrowed.B
}

// grow makes room for more of the incomplete frame in c.in.
func (c *Conn) grow() []byte {
	if b := c.in; len(b.B) == cap(b.B) {
		need := 0
		if h, n, _ := parseHeader(b.B); n > 0 {
			need = n + int(h.Length)
		}
		b.grow(partialSize(len(b.B), need) - len(b.B))
	}
	return c.in.B
}

// partialSize is the capacity for an incomplete frame of which have bytes have
// arrived, and which has need bytes in all, or 0 if that is not known yet. It
// grows with what has arrived, never with what a header only promises.
func partialSize(have, need int) int {
	size := max(4*have, 512)
	if need > 0 {
		size = min(size, need)
	}
	return max(size, have+maxFrameHeader)
}

// tryWrite writes p as far as the peer takes it without waiting.
func (c *Conn) tryWrite(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	op := writeOps.Get().(*writeOp)
	op.p = p
	err := c.raw.Write(op.try)
	n := op.n
	if err == nil {
		err = op.err
	}
	op.p, op.n, op.err = nil, 0, nil
	writeOps.Put(op)
	return n, err
}

// writeOp is one attempt to write. It is pooled with its callback, which would
// be allocated for each call otherwise.
type writeOp struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var writeOps = sync.Pool{New: func() any {
	op := new(writeOp)
	op.try = func(fd uintptr) bool {
		for op.n < len(op.p) {
			n, err := syscall.Write(int(fd), op.p[op.n:])
			switch {
			case err == syscall.EINTR:
				continue
			case err == syscall.EAGAIN:
				return true
			case err != nil:
				op.err = err
				return true
			}
			op.n += n
		}
		return true
	}
	return op
}}
