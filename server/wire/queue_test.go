package wire

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// Whatever is put comes out in its order, in buffers that are never too large.
func TestQueue(t *testing.T) {
	for _, sizes := range [][]int{
		{0}, {1}, {minChunk}, {minChunk, 1}, {maxChunk}, {maxChunk, 1}, {maxChunk + 1}, {1, maxChunk}, {1_000_000}, {1_000_000, 1, 1_000_000},
		{1, 2, 3, 5000, 10_000, 0, 40_000, 70_000, 3, 3_000},
	} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			var q Queue
			var want, got []byte
			next := byte(0)
			for _, size := range sizes {
				p := make([]byte, size)
				for i := range p {
					next += 7
					p[i] = next
				}
				m := Message{Binary: true, Prefix: p[:size/3], Payload: p[size/3:]}
				before := q.Size()
				q.Put(&m)
				want = append(appendHeader(want, ws.OpBinary, size), p...)
				if q.Size() != before+m.FrameSize() {
					t.Errorf("%d bytes more, want %d", q.Size()-before, m.FrameSize())
				}
			}
			if q.Size() != len(want) {
				t.Errorf("size %d, want %d", q.Size(), len(want))
			}
			buffers := 0
			for b := q.Pop(); b != nil; b = q.Pop() {
				if cap(b.B) > maxChunk {
					t.Errorf("a buffer of %d", cap(b.B))
				}
				got = append(got, b.B...)
				b.Free()
				buffers++
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d other bytes", len(got))
			}
			if most := len(want)/maxChunk + len(want)/(maxChunk/4) + 1; buffers > most {
				t.Errorf("%d buffers for %d bytes", buffers, len(want))
			}
			if q.Size() != 0 {
				t.Errorf("%d bytes are left", q.Size())
			}
			q.Put(&Message{Payload: []byte("more")})
			q.Drop()
			if b := q.Pop(); b != nil || q.Size() != 0 {
				t.Errorf("%d bytes are left", q.Size())
			}
		})
	}
}
