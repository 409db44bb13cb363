package wire

import "github.com/gobwas/ws"

// A Backlog is a Queue whose messages are taken one by one, for transports that
// do not write frames. The zero value is empty. It is not safe for concurrent
// use.
type Backlog struct {
	queue Queue
	head  *Buffer // taken from the queue, and read up to off
	off   int
}

// Memory is how much memory the messages take.
func (b *Backlog) Memory() int {
	if b.head == nil {
		return b.queue.Memory()
	}
	return b.queue.Memory() + cap(b.head.B)
}

// Growth is how much memory size bytes more add, headers included.
func (b *Backlog) Growth(size int) int { return b.queue.growth(size) }

// Empty reports whether there is nothing to take.
func (b *Backlog) Empty() bool { return b.head == nil && b.queue.Size() == 0 }

// Put adds a message. Its bytes are the caller's again on return.
func (b *Backlog) Put(m *Message) { b.queue.Put(m) }

// NextIsBinary reports whether the next message is.
func (b *Backlog) NextIsBinary() bool {
	return b.fill() && ws.OpCode(b.head.B[b.off]&0xf) == ws.OpBinary
}

// Take appends the next message to dst. There must be one.
func (b *Backlog) Take(dst []byte) []byte {
	var header [maxFrameHeader]byte
	n := 2
	b.read(header[:n])
	switch header[1] {
	case 126:
		n = 4
	case 127:
		n = 10
	}
	b.read(header[2:n])
	h, _, _ := parseHeader(header[:n]) // ours, and complete
	for left := int(h.Length); left > 0 && b.fill(); {
		part := b.head.B[b.off:min(b.off+left, len(b.head.B))]
		dst = append(dst, part...)
		b.skip(len(part))
		left -= len(part)
	}
	return dst
}

// Drop drops all messages.
func (b *Backlog) Drop() {
	b.head.Free()
	b.head, b.off = nil, 0
	b.queue.Drop()
}

// read fills p.
func (b *Backlog) read(p []byte) {
	for len(p) > 0 && b.fill() {
		n := copy(p, b.head.B[b.off:])
		b.skip(n)
		p = p[n:]
	}
}

// fill makes sure that there is something to read in head, if there is anything.
func (b *Backlog) fill() bool {
	if b.head == nil {
		b.head, b.off = b.queue.Pop(), 0
	}
	return b.head != nil
}

func (b *Backlog) skip(n int) {
	if b.off += n; b.off == len(b.head.B) {
		b.head.Free()
		b.head = nil
	}
}
