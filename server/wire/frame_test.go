package wire

import (
	"bytes"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// Headers are parsed as gobwas/ws reads them, and a part of one is no header.
func TestParseHeader(t *testing.T) {
	for _, length := range append(lengths, 1<<31, 1<<40) {
		for _, masked := range []bool{false, true} {
			t.Run(fmt.Sprint(length, masked), func(t *testing.T) {
				want := ws.Header{Fin: length%2 == 0, Rsv: byte(length % 8), OpCode: ws.OpCode(length % 16), Length: int64(length), Masked: masked}
				if masked {
					want.Mask = [4]byte{1, 2, 3, 4}
				}
				var b bytes.Buffer
				if err := ws.WriteHeader(&b, want); err != nil {
					t.Fatal(err)
				}
				whole := b.Bytes()
				for n := range whole {
					if h, got, err := parseHeader(whole[:n]); got != 0 || err != nil {
						t.Errorf("%d of %d bytes: %+v, %d, %v", n, len(whole), h, got, err)
					}
				}
				h, n, err := parseHeader(append(whole, "payload"...))
				if h != want || n != len(whole) || err != nil {
					t.Errorf("%+v, %d, %v, want %+v, %d", h, n, err, want, len(whole))
				}
			})
		}
	}
}

func TestAppendHeader(t *testing.T) {
	for _, length := range append(lengths, 1<<31) {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong, ws.OpClose} {
			b := appendHeader([]byte("x"), op, length)
			h, n, err := parseHeader(b[1:])
			if want := (ws.Header{Fin: true, OpCode: op, Length: int64(length)}); h != want || n != len(b)-1 || err != nil {
				t.Errorf("length %d: %+v, %d of %d, %v", length, h, n, len(b)-1, err)
			}
			if size := frameSize(length); size != n+length {
				t.Errorf("frameSize(%d) = %d, want %d", length, size, n+length)
			}
		}
	}
}

// heard is what a Handler was told, and the end.
type heard struct {
	calls []string
	end   string
}

func (h *heard) Message(p []byte, binary bool) (Hold, error) {
	h.calls = append(h.calls, fmt.Sprintf("%v %x", binary, p))
	if !binary && !utf8.Valid(p) {
		panic("a text message that is no UTF-8")
	}
	return nil, nil
}
func (h *heard) Pong()        { h.calls = append(h.calls, "pong") }
func (h *heard) TooLarge()    {}
func (h *heard) OverRate()    {}
func (h *heard) Closed(error) {}

// hear handles b in parts of at most step bytes.
func hear(b []byte, step int) heard {
	c := newConn(nil, nil, nil, &Config{MaxMessage: 1000, MaxOutbox: 1 << 20}, nil)
	c.writer.state = cut
	var h heard
	for len(b) > 0 && h.end == "" {
		n := min(step, len(b))
		// As read does: behind what is left of an incomplete frame.
		borrowed := Borrow(readSize)
		into := c.reader.behind(borrowed.B)
		n = min(n, cap(into)-len(into))
		into = append(into, b[:n]...)
		b = b[n:]
		if _, err := c.reader.handle(into, &h); err != nil {
			h.end = err.Error()
		}
		borrowed.Free()
	}
	return h
}

// Any bytes at all: nothing panics, what is handled has the right form and
// size, and it does not matter how the bytes are cut.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{}, byte(1))
	f.Add(text("hello"), byte(1))
	f.Add(append(text("one"), frame(true, ws.OpBinary, "two")...), byte(3))
	f.Add(append(frame(false, ws.OpText, "he"), append(frame(true, ws.OpPing, "x"), frame(true, ws.OpContinuation, "llo")...)...), byte(2))
	f.Add(append(frame(false, ws.OpText, letters(900)), frame(true, ws.OpContinuation, letters(101))...), byte(50))
	f.Add(text(letters(1000)), byte(200))
	f.Add(text(letters(1001)), byte(200))
	f.Add(text("\xe2\x82"), byte(7))
	f.Add(append(frame(true, ws.OpPong, ""), closeFrame(1000, "bye")...), byte(4))
	f.Add(closeFrame(5000, ""), byte(1))
	f.Add([]byte{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, byte(1))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5}, byte(5))
	f.Add([]byte{0x81, 0x02, 'h', 'i'}, byte(1))
	f.Add([]byte{0x83, 0x80, 0, 0, 0, 0}, byte(1))
	f.Fuzz(func(t *testing.T, b []byte, step byte) {
		b = b[:min(len(b), 5000)]
		whole := hear(bytes.Clone(b), readSize)
		parts := hear(bytes.Clone(b), int(step)+1)
		if fmt.Sprint(whole) != fmt.Sprint(parts) {
			t.Errorf("at once: %v\nin parts: %v", whole, parts)
		}
		for _, call := range whole.calls {
			if len(call) > len("false ")+2*1000 {
				t.Errorf("a message of more than MaxMessage: %d", len(call)/2)
			}
		}
	})
}
