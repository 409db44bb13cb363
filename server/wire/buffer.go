package wire

import (
	"cmp"
	"io"
	"math/bits"
	"sync"
)

// A Buffer is room that is borrowed for what passes through, so that bytes that
// come and go leave no work for the garbage collector: it may be busy, or not
// have its turn, and what arrives meanwhile would count against memory.
type Buffer struct {
	B     []byte
	next  *Buffer // in Queue
	start int     // in Queue: where a packet begins in B first; -1 if none does
}

// Buffers are pooled by capacity, in powers of two from smallest to largest.
const (
	smallestClass = 6  // 64 bytes
	largestClass  = 24 // 16 MiB
)

var buffers [largestClass + 1]sync.Pool

// Borrow returns an empty Buffer with room for size bytes or more, up to twice
// as many. It is the caller's until Free.
func Borrow(size int) *Buffer {
	class := max(bits.Len(uint(max(size, 1)-1)), smallestClass)
	if class > largestClass {
		return &Buffer{B: make([]byte, 0, size)}
	}
	if b, ok := buffers[class].Get().(*Buffer); ok {
		return b
	}
	return &Buffer{B: make([]byte, 0, 1<<class)}
}

// Free gives the buffer back; neither it nor its bytes may be used after that.
// A nil Buffer may be freed.
func (b *Buffer) Free() {
	if b == nil {
		return
	}
	class := bits.Len(uint(cap(b.B))) - 1
	if class < smallestClass || class > largestClass || cap(b.B) != 1<<class {
		return // outgrown, or larger than any pool
	}
	b.B, b.next = b.B[:0], nil
	buffers[class].Put(b)
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.grow(len(p))
	b.B = append(b.B, p...)
	return len(p), nil
}

// ReadFrom implements io.ReaderFrom.
func (b *Buffer) ReadFrom(r io.Reader) (int64, error) {
	before := len(b.B)
	for {
		if len(b.B) == cap(b.B) {
			b.grow(3 * cap(b.B))
		}
		n, err := r.Read(b.B[len(b.B):cap(b.B)])
		b.B = b.B[:len(b.B)+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return int64(len(b.B) - before), err
		}
	}
}

// grow makes room for n more bytes, and for at least as many as there was.
func (b *Buffer) grow(n int) {
	if n <= cap(b.B)-len(b.B) {
		return
	}
	larger := Borrow(max(len(b.B)+n, 2*cap(b.B)))
	larger.B = append(larger.B, b.B...)
	b.B, larger.B = larger.B, b.B
	larger.Free()
}

// join appends what other holds, and frees it; either may be nil.
func (b *Buffer) join(other *Buffer) *Buffer {
	if b == nil || other == nil {
		return cmp.Or(b, other)
	}
	b.grow(len(other.B))
	b.B = append(b.B, other.B...)
	other.Free()
	return b
}

// cap is how much memory a buffer has that may be nil.
func (b *Buffer) cap() int {
	if b == nil {
		return 0
	}
	return cap(b.B)
}

// len is how many bytes a buffer holds that may be nil.
func (b *Buffer) len() int {
	if b == nil {
		return 0
	}
	return len(b.B)
}
