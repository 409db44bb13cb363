package wire

import (
	"math/bits"

	"github.com/gobwas/ws"
)

// A Queue is frames that wait to be written (RFC 6455, section 5.2), unmasked
// and unfragmented. It is kept in buffers of bounded size: however much waits,
// none of it is moved to make room for more. The zero value is empty. It is not
// safe for concurrent use.
type Queue struct {
	first, last *Buffer
	size        int  // bytes, in all of them
	memory      int  // that they take
	begins      bool // what is put next begins a packet
}

const (
	minChunk = 4 << 10
	maxChunk = 64 << 10
)

// Size is how many bytes wait, headers included.
func (q *Queue) Size() int { return q.size }

// Memory is how much memory they take.
func (q *Queue) Memory() int { return q.memory }

// FrameSize is how many bytes Put adds.
func (m *Message) FrameSize() int { return frameSize(len(m.Prefix) + len(m.Payload)) }

// begin says that what is put next does not belong to what is there: a ping may
// come between them.
func (q *Queue) begin() { q.begins = true }

// Put queues a message. Its bytes are the caller's again on return.
func (q *Queue) Put(m *Message) {
	q.reserve(m.FrameSize())
	q.header(m.op(), len(m.Prefix)+len(m.Payload))
	q.write(m.Prefix)
	q.write(m.Payload)
}

// PutPong queues a Pong frame (section 5.5.3) with up to 125 bytes.
func (q *Queue) PutPong(payload []byte) { q.Put(&Message{Payload: payload, control: ws.OpPong}) }

// growth is how much memory a packet of size bytes adds.
func (q *Queue) growth(size int) int {
	grown := 0
	if b := q.last; b != nil {
		free := cap(b.B) - len(b.B)
		if free < size && cap(b.B) < maxChunk {
			larger := pooled(chunkFor(b, size))
			grown, free = larger-cap(b.B), larger-len(b.B)
		}
		size -= free
	}
	for ; size > 0; size -= maxChunk {
		grown += pooled(min(max(size, minChunk), maxChunk))
	}
	return grown
}

// chunkFor is how large b becomes to make room for size bytes more.
func chunkFor(b *Buffer, size int) int {
	return len(b.B) + min(max(size, cap(b.B)), maxChunk-len(b.B))
}

// pooled is the capacity of the buffer that Borrow returns.
func pooled(size int) int {
	return 1 << max(bits.Len(uint(size-1)), smallestClass)
}

// reserve makes room for size bytes in one buffer, as far as one takes them.
func (q *Queue) reserve(size int) {
	b := q.last
	if b == nil {
		q.extend(size)
	} else if had := cap(b.B); had-len(b.B) < size && had < maxChunk {
		b.grow(chunkFor(b, size) - len(b.B))
		q.memory += cap(b.B) - had
	}
}

// extend adds a buffer for size bytes, as far as one takes them.
func (q *Queue) extend(size int) {
	b := Borrow(min(max(size, minChunk), maxChunk))
	b.start = -1
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
	q.memory += cap(b.B)
}

func (q *Queue) header(op ws.OpCode, length int) {
	var h [maxFrameHeader]byte
	q.write(appendHeader(h[:0], op, length))
}

// write puts p behind what is there, and into as many more buffers as it takes.
// There must be one.
func (q *Queue) write(p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		b := q.last
		n := min(len(p), cap(b.B)-len(b.B))
		if n == 0 {
			q.extend(len(p))
			continue
		}
		if q.begins {
			if b.start < 0 {
				b.start = len(b.B)
			}
			q.begins = false
		}
		b.B = append(b.B, p[:n]...)
		p = p[n:]
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
	q.memory -= cap(b.B)
	return b
}

// popPart takes what is left of the packet that has begun to be popped, which
// may be nothing, with room for a heartbeat. It returns nil if the packet goes
// on beyond the first buffer.
func (q *Queue) popPart() *Buffer {
	b := q.first
	switch {
	case b == nil:
		return Borrow(maxHeartbeat)
	case b.start < 0:
		return nil
	}
	part := Borrow(b.start + maxHeartbeat)
	part.B = append(part.B, b.B[:b.start]...)
	b.B = b.B[:copy(b.B, b.B[b.start:])]
	b.start = 0
	q.size -= len(part.B)
	return part
}

// push adds a buffer.
func (q *Queue) push(b *Buffer) {
	b.next = nil
	if q.last == nil {
		q.first = b
	} else {
		q.last.next = b
	}
	q.last = b
	q.size += len(b.B)
	q.memory += cap(b.B)
}

// unpop puts a buffer back to the front.
func (q *Queue) unpop(b *Buffer) {
	b.next = q.first
	if q.first = b; q.last == nil {
		q.last = b
	}
	q.size += len(b.B)
	q.memory += cap(b.B)
}

// truncate drops all packets but the one that has begun to be popped, and returns
// how many bytes these were.
func (q *Queue) truncate() int {
	var kept Queue
	before := q.size
	for b := q.Pop(); b != nil; b = q.Pop() {
		begins := b.start >= 0
		if begins {
			b.B, b.start = b.B[:b.start], -1
		}
		if len(b.B) > 0 {
			kept.push(b)
		} else {
			b.Free()
		}
		if begins {
			break
		}
	}
	q.Drop()
	*q = kept
	return before - q.size
}

// Drop frees all that waits.
func (q *Queue) Drop() {
	for b := q.Pop(); b != nil; b = q.Pop() {
		b.Free()
	}
}
