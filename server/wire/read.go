package wire

import (
	"io"
	"sync"
	"syscall"
)

// readSize is the size of the buffer that is borrowed for each read.
const readSize = 16 << 10

var readBuffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// read calls handle with what arrives, appended to c.in, until either fails.
func (c *Conn) read(handle func([]byte) error) error {
	var (
		borrowed *[readSize]byte
		into     []byte
		n        int
		err      error
	)
	// The buffer is borrowed only once there is something to read, so that a
	// connection that waits holds none.
	ready := func(fd uintptr) bool {
		borrowed, into = c.borrow()
		for {
			n, err = syscall.Read(int(fd), into[len(into):cap(into)])
			if err != syscall.EINTR {
				break
			}
		}
		if err == syscall.EAGAIN {
			c.giveBack(borrowed)
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
			borrowed, into = c.borrow()
			n, err = c.nc.Read(into[len(into):cap(into)])
			if err == io.EOF {
				err = errEOF
			}
		}
		if n > 0 {
			err = handle(into[:len(into)+n])
		}
		c.giveBack(borrowed)
		borrowed = nil
		if err != nil {
			return err
		}
	}
}

// borrow returns the buffer to read into: behind the incomplete frame in c.in,
// with room for more of it, or a borrowed one.
func (c *Conn) borrow() (*[readSize]byte, []byte) {
	if c.in == nil {
		b := readBuffers.Get().(*[readSize]byte)
		return b, b[:0]
	}
	return nil, c.grow()
}

// grow makes room for more of the incomplete frame in c.in.
func (c *Conn) grow() []byte {
	if len(c.in) == cap(c.in) {
		need := 0
		if h, n, _ := parseHeader(c.in); n > 0 {
			need = n + int(h.Length)
		}
		c.in = append(make([]byte, 0, partialSize(len(c.in), need)), c.in...)
	}
	return c.in
}

func (c *Conn) giveBack(b *[readSize]byte) {
	if b != nil {
		readBuffers.Put(b)
	}
}

// partialSize is the capacity for an incomplete frame of which have bytes have
// arrived, and which has need bytes in all, or 0 if that is not known yet. It
// grows with what has arrived, never with what a header only promises.
func partialSize(have, need int) int {
	size := 4*have + 512
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
