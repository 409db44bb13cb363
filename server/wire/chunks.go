package wire

import "github.com/gobwas/ws"

// Chunks is a queue of frames that is kept in buffers of bounded size: however
// much waits, none of it is moved to make room for more.
type chunks struct {
	first, last *Buffer
	size        int // bytes, in all of them
}

const (
	minChunk = 4 << 10
	maxChunk = 64 << 10
)

// reserve makes room for size bytes in one chunk, as far as one takes them.
func (q *chunks) reserve(size int) {
	b := q.last
	if b == nil {
		q.append(size)
	} else if free := cap(b.B) - len(b.B); free < size && cap(b.B) < maxChunk {
		b.grow(min(max(size, 3*cap(b.B)), maxChunk-len(b.B)))
	}
}

// append adds a chunk for size bytes, as far as one takes them.
func (q *chunks) append(size int) {
	b := Borrow(min(max(size, minChunk), maxChunk))
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
}

// header puts the header of an unmasked, unfragmented frame.
func (q *chunks) header(op ws.OpCode, length int) {
	var h [maxFrameHeader]byte
	q.put(appendHeader(h[:0], op, length))
}

// put puts p behind what is there, and into as many more chunks as it takes.
// There must be one.
func (q *chunks) put(p []byte) {
	q.size += len(p)
	for {
		b := q.last
		n := min(len(p), cap(b.B)-len(b.B))
		b.B = append(b.B, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return
		}
		q.append(len(p))
	}
}

// pop takes the first chunk, which is the caller's to free, or nil.
func (q *chunks) pop() *Buffer {
	b := q.first
	if b == nil {
		return nil
	}
	if q.first = b.next; q.first == nil {
		q.last = nil
	}
	b.next = nil
	q.size -= len(b.B)
	return b
}

// drop frees all chunks.
func (q *chunks) drop() {
	for b := q.pop(); b != nil; b = q.pop() {
		b.Free()
	}
}
