package wire

import (
	"fmt"
	"strings"
	"testing"
)

// What is put is taken, in the same order, whatever buffers it is in.
func TestBacklog(t *testing.T) {
	var b Backlog
	var want []string
	take := func() {
		t.Helper()
		kind := "text "
		if b.NextIsBinary() {
			kind = "binary "
		}
		if got := kind + string(b.Take([]byte("-"))); got != want[0] {
			t.Fatalf("took %.40q (%d bytes), want %.40q (%d bytes)", got, len(got), want[0], len(want[0]))
		}
		want = want[1:]
	}
	for round := range 20 {
		for i, n := range lengths {
			m := Message{Binary: (round+i)%3 == 0, Prefix: []byte(fmt.Sprint(round, i)), Payload: []byte(letters(n))}
			kind := "text -"
			if m.Binary {
				kind = "binary -"
			}
			b.Put(&m)
			want = append(want, kind+string(m.Prefix)+string(m.Payload))
			if (round+i)%4 == 0 {
				take()
			}
		}
	}
	for len(want) > 0 {
		if b.Empty() {
			t.Fatal("empty before all was taken")
		}
		take()
	}
	if !b.Empty() || b.Memory() != 0 || b.NextIsBinary() {
		t.Errorf("not empty at the end: %d bytes", b.Memory())
	}
}

// Small messages take hardly more memory than their bytes.
func TestBacklogMemory(t *testing.T) {
	var b Backlog
	defer b.Drop()
	m := Message{Payload: []byte(strings.Repeat("x", 20))}
	const n = 100_000
	for range n {
		want := b.Memory() + b.Growth(m.FrameSize())
		b.Put(&m)
		if got := b.Memory(); got != want {
			t.Fatalf("%d bytes, want %d", got, want)
		}
	}
	if got, bytes := b.Memory(), n*m.FrameSize(); got > bytes+2*maxChunk {
		t.Errorf("%d bytes take %d", bytes, got)
	}
	b.Drop()
	if b.Memory() != 0 {
		t.Errorf("%d bytes after Drop", b.Memory())
	}
}
