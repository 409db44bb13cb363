package wire

import (
	"io"
	"syscall"
	"time"
)

// readSize is the size of the buffer that is borrowed for each read.
const readSize = 16 << 10

// read calls handle with what arrives, appended to r.in, until either fails. In
// between it waits for as long as the budget says.
func (r *reader) read(handle func([]byte) error) error {
	s := r.conn.sealed
	var (
		borrowed *Buffer
		into     []byte
		n        int
		err      error
	)
	// The buffer is borrowed only once there is something to read, so that a
	// connection that waits holds none.
	ready := func(fd uintptr) bool {
		borrowed = Borrow(readSize)
		into = borrowed.B
		if s == nil {
			into = r.behind(into)
		}
		n, err = retry(func() (int, error) { return syscall.Read(descriptor(fd), into[len(into):cap(into)]) })
		if err == syscall.EAGAIN {
			borrowed.Free()
			borrowed = nil
			return false
		}
		return true
	}
	for {
		if s != nil && s.end != nil {
			return s.end
		}
		if r.conn.raw != nil {
			if werr := r.conn.raw.Read(ready); werr != nil {
				return werr
			}
			if err == nil && n == 0 {
				err = errEOF
			}
		} else {
			borrowed = Borrow(readSize)
			into = r.behind(borrowed.B)
			n, err = r.conn.nc.Read(into[len(into):cap(into)])
			if err == io.EOF {
				err = errEOF
			}
		}
		read := time.Now()
		if n > 0 && s != nil {
			err = r.opened(borrowed, n, handle)
		} else if n > 0 {
			err = handle(into[:len(into)+n])
		}
		borrowed.Free()
		borrowed = nil
		if err == nil {
			err = r.pay(n, read)
		}
		if err != nil {
			return err
		}
	}
}

// opened calls handle with what TLS has to say about n bytes that were read, if it
// says something.
func (r *reader) opened(read *Buffer, n int, handle func([]byte) error) error {
	room := Borrow(maxOpened)
	defer room.Free()
	p := r.open(read.B[:n], room.B[:maxOpened])
	if p == nil {
		return nil
	}
	return handle(p)
}

// open returns what TLS has to say about p, behind the incomplete frame in r.in; nil
// if it says nothing. room is maxOpened long.
func (r *reader) open(p, room []byte) []byte {
	n := r.conn.sealed.open(p, room)
	r.conn.writer.answer()
	if n == 0 {
		return nil
	}
	if r.in == nil {
		return room[:n]
	}
	r.in.grow(n)
	r.in.B = append(r.in.B, room[:n]...)
	return r.in.B
}

// maxMoved is the most of an incomplete frame that is moved to what is read with
// it. A longer one stays where it is.
const maxMoved = readSize / 2

// behind returns where to read to, so that what is read follows the incomplete
// frame in r.in: in buf, to which the frame is copied if it is short, so that
// much can be read at once; else in r.in.
func (r *reader) behind(buf []byte) []byte {
	switch {
	case r.in == nil:
		return buf[:0]
	case len(r.in.B) <= maxMoved:
		return append(buf[:0], r.in.B...)
	default:
		return r.grow()
	}
}

// grow makes room for more of the incomplete frame in r.in.
func (r *reader) grow() []byte {
	if b := r.in; len(b.B) == cap(b.B) {
		need := 0
		if h, n, _ := parseHeader(b.B); n > 0 {
			need = n + int(h.Length)
		}
		b.grow(partialSize(len(b.B), need) - len(b.B))
	}
	return r.in.B
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
