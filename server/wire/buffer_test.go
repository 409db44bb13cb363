package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gobwas/ws"
)

func TestBorrow(t *testing.T) {
	for _, size := range []int{0, 1, 64, 65, 4096, 100_000, 1 << largestClass, 1<<largestClass + 1} {
		b := Borrow(size)
		if len(b.B) != 0 || cap(b.B) < size || cap(b.B) > max(2*size, 1<<smallestClass) {
			t.Errorf("%d bytes: a buffer of %d with room for %d", size, len(b.B), cap(b.B))
		}
		b.B = append(b.B, "used"...)
		b.Free()
	}
	(*Buffer)(nil).Free()
}

// A buffer that was appended to past its room is not lent again: what was
// appended may be shared with whoever did it.
func TestBorrowAfterOutgrown(t *testing.T) {
	for range 100 {
		b := Borrow(64)
		b.B = append(b.B[:64:64], 'x')
		b.Free()
		if b = Borrow(64); cap(b.B) != 64 {
			t.Fatalf("room for %d", cap(b.B))
		}
		b.Free()
	}
}

func TestBufferReadFrom(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 100_000} {
		want := letters(size)
		b := Borrow(512)
		b.B = append(b.B, "before "...)
		n, err := b.ReadFrom(iotest.HalfReader(strings.NewReader(want)))
		if n != int64(size) || err != nil || string(b.B) != "before "+want {
			t.Errorf("%d bytes: read %d, %v", size, n, err)
		}
		b.Free()
	}
	b := Borrow(10)
	defer b.Free()
	lost := errors.New("lost")
	if n, err := b.ReadFrom(io.MultiReader(strings.NewReader("part"), iotest.ErrReader(lost))); n != 4 || err != lost {
		t.Errorf("read %d, %v", n, err)
	}
}

// Large messages leave nothing for the garbage collector either: it would have
// to run once for each few of them, and what came while it did would be kept.
func TestLargeMessagesAreNoGarbage(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	const size, rounds = 100_000, 300
	want := letters(size)
	fragments := append(frame(false, ws.OpText, want[:size/3]), frame(true, ws.OpContinuation, want[size/3:])...)
	for name, message := range map[string][]byte{"whole": text(want), "in fragments": fragments} {
		t.Run(name, func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				_, p := bare(t, n, func(c *Conn) bareHandler {
					return func(p []byte) error { return c.Send(c.Batch(), Message{Payload: p}) }
				})
				in := make([]byte, frameSize(size))
				echo := func() {
					sent := make(chan error, 1)
					go func() {
						_, err := p.nc.Write(message)
						sent <- err
					}()
					if _, err := io.ReadFull(p.nc, in); err != nil {
						t.Fatal(err)
					}
					if err := <-sent; err != nil {
						t.Fatal(err)
					}
				}
				echo()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range rounds {
					echo()
				}
				runtime.ReadMemStats(&after)
				if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > size/10 {
					t.Errorf("%d bytes allocated for a message of %d", each, size)
				}
				if !bytes.HasSuffix(in, []byte(want)) {
					t.Error("another message came back")
				}
			})
		})
	}
}
