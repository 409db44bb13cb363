package wire

import "github.com/gobwas/ws"

// A Queue is frames that wait to be written (RFC 6455, section 5.2), unmasked
// and unfragmented. It is kept in buffers of bounded size: however much waits,
// none of it is moved to make room for more. The zero value is empty. It is not
// safe for concurrent use.
type Queue struct {
	first, last *Buffer
	size        int // bytes, in all of them
}

const (
	minChunk = 4 << 10
	maxChunk = 64 << 10
)

// Size is how many bytes wait, headers included.
func (q *Queue) Size() int { return q.size }

// FrameSize is how many bytes Put adds.
func (m *Message) FrameSize() int { return frameSize(len(m.Prefix) + len(m.Payload)) }

// Put queues a message. Its bytes are the caller's again on return.
func (q *Queue) Put(m *Message) {
	op := ws.OpText
	if m.Binary {
		op = ws.OpBinary
	}
	size := m.FrameSize()
	q.reserve(size)
	if b := q.last; size <= cap(b.B)-len(b.B) {
		out := appendHeader(b.B, op, len(m.Prefix)+len(m.Payload))
		out = append(out, m.Prefix...)
		b.B = append(out, m.Payload...)
		q.size += size
		return
	}
	q.header(op, len(m.Prefix)+len(m.Payload))
	q.write(m.Prefix)
	q.write(m.Payload)
}

// PutPong queues a Pong frame (section 5.5.3) with up to 125 bytes.
func (q *Queue) PutPong(payload []byte) { q.put(ws.OpPong, payload) }

// put queues a frame.
func (q *Queue) put(op ws.OpCode, payload []byte) {
	q.reserve(frameSize(len(payload)))
	q.header(op, len(payload))
	q.write(payload)
}

// reserve makes room for size bytes in one buffer, as far as one takes them.
func (q *Queue) reserve(size int) {
	b := q.last
	if b == nil {
		q.extend(size)
	} else if free := cap(b.B) - len(b.B); free < size && cap(b.B) < maxChunk {
		b.grow(min(max(size, 3*cap(b.B)), maxChunk-len(b.B)))
	}
}

// extend adds a buffer for size bytes, as far as one takes them.
func (q *Queue) extend(size int) {
	b := Borrow(min(max(size, minChunk), maxChunk))
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
}

func (q *Queue) header(op ws.OpCode, length int) {
	var h [maxFrameHeader]byte
	q.write(appendHeader(h[:0], op, length))
}

// write puts p behind what is there, and into as many more buffers as it takes.
// There must be one.
func (q *Queue) write(p []byte) {
	q.size += len(p)
	for {
		b := q.last
		n := min(len(p), cap(b.B)-len(b.B))
		b.B = append(b.B, p[:n]...)
		if p = p[n:]; len(p) == 0 {
			return
		}
		q.extend(len(p))
	}
}

// Pop takes the first buffer, which is the caller's to free, or nil. A frame may
// begin in one and end in another.
func (q *Queue) Pop() *Buffer {
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

// Drop frees all that waits.
func (q *Queue) Drop() {
	for b := q.Pop(); b != nil; b = q.Pop() {
		b.Free()
	}
}
