package wire

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestMessages(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		calls  []string
		pongs  []string // the answers to pings
	}{
		{"text", [][]byte{text("hello")}, []string{"text hello"}, nil},
		{"binary", [][]byte{frame(true, ws.OpBinary, "\x00\xff")}, []string{"binary \x00\xff"}, nil},
		{"empty", [][]byte{text(""), frame(true, ws.OpBinary, "")}, []string{"text ", "binary "}, nil},
		{"several", [][]byte{text("1"), frame(true, ws.OpBinary, "2"), text("3")}, []string{"text 1", "binary 2", "text 3"}, nil},
		{
			"fragments",
			[][]byte{frame(false, ws.OpText, "he"), frame(false, ws.OpContinuation, "ll"), frame(true, ws.OpContinuation, "o")},
			[]string{"text hello"}, nil,
		},
		{
			"binary fragments",
			[][]byte{frame(false, ws.OpBinary, "\xc3"), frame(true, ws.OpContinuation, "\x28")},
			[]string{"binary \xc3\x28"}, nil,
		},
		{
			"empty fragments",
			[][]byte{frame(false, ws.OpText, ""), frame(false, ws.OpContinuation, ""), frame(true, ws.OpContinuation, "")},
			[]string{"text "}, nil,
		},
		{
			"a character split between fragments",
			[][]byte{frame(false, ws.OpText, "\xe2\x82"), frame(true, ws.OpContinuation, "\xac")},
			[]string{"text €"}, nil,
		},
		{
			"control frames between fragments",
			[][]byte{
				frame(false, ws.OpText, "a"), frame(true, ws.OpPing, "p1"),
				frame(false, ws.OpContinuation, "b"), frame(true, ws.OpPong, ""), frame(true, ws.OpPing, ""),
				frame(true, ws.OpContinuation, "c"), text("d"),
			},
			[]string{"text abc", "text d"}, []string{"p1", ""},
		},
		{
			"fragments of one message, then of another kind",
			[][]byte{
				frame(false, ws.OpText, "a"), frame(true, ws.OpContinuation, "b"),
				frame(false, ws.OpBinary, "\xff"), frame(true, ws.OpContinuation, "\xfe"), text("c"),
			},
			[]string{"text ab", "binary \xff\xfe", "text c"}, nil,
		},
		{"ping", [][]byte{frame(true, ws.OpPing, letters(125)), text("x")}, []string{"text x"}, []string{letters(125)}},
		{"pong that answers nothing", [][]byte{frame(true, ws.OpPong, "unasked"), text("x")}, []string{"text x"}, nil},
		{"noncharacters", [][]byte{text("\x00\uFFFE\U0010FFFF")}, []string{"text \x00\uFFFE\U0010FFFF"}, nil},
	}
	// However the bytes are cut, the messages are the same.
	cuts := map[string]func(b []byte) [][]byte{
		"at once":      func(b []byte) [][]byte { return [][]byte{b} },
		"byte by byte": func(b []byte) [][]byte { return split(b, 1) },
		"by threes":    func(b []byte) [][]byte { return split(b, 3) },
	}
	for _, tt := range tests {
		for how, cut := range cuts {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				onNetworks(t, func(t *testing.T, n network) {
					l := connect(t, limits(), n)
					written := make(chan struct{})
					go func() {
						defer close(written)
						var all []byte
						for _, f := range tt.frames {
							all = append(all, f...)
						}
						for _, part := range cut(all) {
							if _, err := l.peer.nc.Write(part); err != nil {
								t.Errorf("write: %v", err)
								return
							}
						}
					}()
					for _, p := range tt.pongs {
						l.expect(ws.OpPong, p)
					}
					<-written
					l.saw(tt.calls...)
					l.sawNothing()
				})
			})
		}
	}
}

func split(b []byte, n int) (parts [][]byte) {
	for ; len(b) > n; b = b[n:] {
		parts = append(parts, b[:n])
	}
	return append(parts, b)
}

func TestMessageLengths(t *testing.T) {
	for _, length := range lengths {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				l := connect(t, limits(), n)
				want := letters(length)
				go func() { _, _ = l.peer.nc.Write(append(text(want), text("behind")...)) }()
				l.saw("text "+want, "text behind")
			})
		})
	}
}

// A client may spell a short length in a long way; RFC 6455, section 5.2, wants
// the shortest, but nothing depends on it.
func TestMessageLongLength(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		l := connect(t, limits(), n)
		l.write(
			[]byte{0x81, 0x80 | 126, 0, 2, 0, 0, 0, 0, 'o', 'k'},
			[]byte{0x81, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 'o', 'k'},
		)
		l.saw("text ok", "text ok")
	})
}

// Messages of all sizes in one stream that is cut anywhere.
func TestMessageStream(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	onNetworks(t, func(t *testing.T, n network) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l := connect(t, limits(), n)
		var stream []byte
		var calls []string
		for range 300 {
			m := letters([]int{rnd.IntN(30), rnd.IntN(300), rnd.IntN(40_000)}[rnd.IntN(3)])
			calls = append(calls, "text "+m)
			if at := rnd.IntN(len(m) + 1); rnd.IntN(4) == 0 {
				stream = append(stream, frame(false, ws.OpText, m[:at])...)
				stream = append(stream, frame(true, ws.OpContinuation, m[at:])...)
			} else {
				stream = append(stream, text(m)...)
			}
		}
		go func() {
			for len(stream) > 0 {
				part := min(1+rnd.IntN(50_000), len(stream))
				if _, err := l.peer.nc.Write(stream[:part]); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				stream = stream[part:]
			}
		}()
		l.saw(calls...)
	})
}

func TestViolations(t *testing.T) {
	raw := func(b ...byte) []byte { return b }
	flags := func(bits byte, f []byte) []byte {
		f[0] |= bits
		return f
	}
	body := func(code uint16) []byte { return closeFrame(code, "") }
	tests := []struct {
		name string
		send []byte
		code uint16
	}{
		{"unmasked", raw(0x81, 2, 'h', 'i'), CloseProtocolError},
		{"unmasked ping", raw(0x89, 0), CloseProtocolError},
		{"RSV1", flags(0x40, text("x")), CloseProtocolError},
		{"RSV2", flags(0x20, text("x")), CloseProtocolError},
		{"RSV3", flags(0x10, text("x")), CloseProtocolError},
		{"RSV1 on ping", flags(0x40, frame(true, ws.OpPing, "")), CloseProtocolError},
		{"reserved opcode 3", frame(true, 3, "x"), CloseProtocolError},
		{"reserved opcode 7", frame(true, 7, ""), CloseProtocolError},
		{"reserved opcode 11", frame(true, 11, ""), CloseProtocolError},
		{"reserved opcode 15", frame(true, 15, "x"), CloseProtocolError},
		{"fragmented ping", frame(false, ws.OpPing, "x"), CloseProtocolError},
		{"fragmented pong", frame(false, ws.OpPong, "x"), CloseProtocolError},
		{"fragmented close", frame(false, ws.OpClose, ""), CloseProtocolError},
		{"ping of 126 bytes", frame(true, ws.OpPing, letters(126)), CloseProtocolError},
		{"pong of 126 bytes", frame(true, ws.OpPong, letters(126)), CloseProtocolError},
		{"close of 126 bytes", frame(true, ws.OpClose, "\x03\xe8"+letters(124)), CloseProtocolError},
		{"continuation of nothing", frame(true, ws.OpContinuation, "x"), CloseProtocolError},
		{"unfinished continuation of nothing", frame(false, ws.OpContinuation, "x"), CloseProtocolError},
		{"message within a message", append(frame(false, ws.OpText, "x"), text("y")...), CloseProtocolError},
		{"negative length", raw(0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), CloseProtocolError},
		{"close of one byte", frame(true, ws.OpClose, "\x03"), CloseProtocolError},
		{"close 0", body(0), CloseProtocolError},
		{"close 999", body(999), CloseProtocolError},
		{"close 1004", body(1004), CloseProtocolError},
		{"close 1005", body(1005), CloseProtocolError},
		{"close 1006", body(1006), CloseProtocolError},
		{"close 1015", body(1015), CloseProtocolError},
		{"close 1016", body(1016), CloseProtocolError},
		{"close 2999", body(2999), CloseProtocolError},
		{"close 5000", body(5000), CloseProtocolError},
		{"close 65535", body(65535), CloseProtocolError},
		{"close reason in no UTF-8", closeFrame(1000, "\xff"), CloseProtocolError},
		{"text in no UTF-8", text("a\xffb"), CloseInvalidPayload},
		{"half a character", text("\xe2\x82"), CloseInvalidPayload},
		{"surrogate", text("\xed\xa0\x80"), CloseInvalidPayload},
		{"overlong", text("\xc0\x80"), CloseInvalidPayload},
		{"beyond Unicode", text("\xf4\x90\x80\x80"), CloseInvalidPayload},
		{
			"fragments in no UTF-8",
			append(frame(false, ws.OpText, "ok\xe2"), frame(true, ws.OpContinuation, "\x28")...),
			CloseInvalidPayload,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				l := connect(t, limits(), n)
				l.write(text("before"), tt.send)
				l.saw("text before")
				f, err := l.next()
				if err != nil || f.Header.OpCode != ws.OpClose {
					t.Fatalf("answer %+v, %v, want close", f.Header, err)
				}
				if code, _ := ws.ParseCloseFrameData(f.Payload); uint16(code) != tt.code {
					t.Fatalf("closed with %d, want %d", code, tt.code)
				}
				l.expectEOF()
				l.endedBy(tt.code, false)
				if err := l.Send(nil, Message{}); err != ErrClosed {
					t.Errorf("Send after the end: %v", err)
				}
				l.peer.nc.Close()
				l.waitServed()
				l.saw("closed")
				l.sawNothing()
			})
		})
	}
}

// A violation is answered as soon as the header shows it, not when the frame
// is complete.
func TestViolationInHeader(t *testing.T) {
	tests := []struct {
		name string
		send []byte
		code uint16
	}{
		{"reserved opcode", []byte{0x83, 0x80 | 100, 1, 2, 3, 4}, CloseProtocolError},
		{"too large", []byte{0x82, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4}, CloseTooBig},
		{"larger than memory", []byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}, CloseTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				l := connect(t, limits(), n)
				l.write(tt.send)
				l.endedBy(tt.code, false)
			})
		})
	}
}

// The peer ends without a word, at any point of a frame.
func TestConnectionLost(t *testing.T) {
	whole := append(frame(false, ws.OpText, "ab"), text("c")...)
	for at := range 9 {
		onNetworks(t, func(t *testing.T, n network) {
			l := connect(t, limits(), n)
			if at > 0 {
				l.write(whole[:at])
			}
			l.peer.nc.Close()
			if err := l.ended(); err == nil || !strings.Contains(err.Error(), "connection lost") {
				t.Errorf("after %d bytes: closed by %v", at, err)
			}
			l.waitServed()
			l.saw("closed")
			l.sawNothing()
		})
	}
}

func TestTooLarge(t *testing.T) {
	const limit = 1000
	tests := []struct {
		name string
		send []byte
		over bool
	}{
		{"at the limit", text(letters(limit)), false},
		{"over the limit", text(letters(limit + 1)), true},
		{"fragments at the limit", append(frame(false, ws.OpText, letters(limit-1)), frame(true, ws.OpContinuation, "z")...), false},
		{"fragments over the limit", append(frame(false, ws.OpText, letters(limit-1)), frame(true, ws.OpContinuation, "zz")...), true},
		{"two messages at the limit", append(text(letters(limit)), frame(true, ws.OpBinary, letters(limit))...), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				r := newRecorder(t)
				cfg := limits()
				cfg.MaxMessage = limit
				l := connectTo(t, cfg, n, r)
				go func() { _, _ = l.peer.nc.Write(slices.Concat(tt.send, frame(true, ws.OpPing, "alive"))) }()
				if !tt.over {
					l.expect(ws.OpPong, "alive")
					return
				}
				l.expectClose(CloseTooBig, "message too large")
				l.endedBy(CloseTooBig, false)
				l.saw("too large", "closed")
			})
		})
	}
}

// A client that goes on sending what is too large must still get what was
// queued for it, which a connection reset would throw away.
func TestTooLargeKeepsWhatWasQueued(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		r := newRecorder(t)
		var l *link
		ready := make(chan struct{})
		r.large = func() {
			<-ready
			if err := l.Send(nil, Message{Payload: []byte("Message too large")}); err != nil {
				t.Errorf("Send in TooLarge: %v", err)
			}
		}
		cfg := limits()
		cfg.CloseTimeout = patience
		l = connectTo(t, cfg, n, r)
		close(ready)

		queued := letters(50_000)
		for range 10 {
			if err := l.Send(nil, Message{Payload: []byte(queued)}); err != nil {
				t.Fatal(err)
			}
		}
		huge := 8 << 20
		l.write([]byte{0x82, 0xff, 0, 0, 0, 0, byte(huge >> 24), byte(huge >> 16), byte(huge >> 8), byte(huge), 0, 0, 0, 0})
		sent := make(chan error, 1)
		go func() {
			_, err := io.CopyN(l.peer.nc, zeros{}, int64(huge))
			sent <- err
		}()
		l.endedBy(CloseTooBig, false)
		if err := <-sent; err != nil { // all of it is taken, and dropped
			t.Fatalf("sending the large message: %v", err)
		}
		for range 10 {
			l.expectText(queued)
		}
		l.expectText("Message too large")
		l.expectClose(CloseTooBig, "message too large")
		l.expectEOF()
		l.peer.nc.Close()
		l.waitServed()
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// What a peer only announces costs no memory.
func TestAnnouncedLengthIsNotAllocated(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		cfg := limits()
		cfg.MaxMessage = 1 << 30
		l := connect(t, cfg, n)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l.write([]byte{0x82, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff, 1, 2, 3, 4}, []byte(letters(1000)))
		l.peer.nc.Close()
		l.waitServed()
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
			t.Errorf("%d bytes allocated for 1000 that arrived", grown)
		}
	})
}

// What waits to be read is read in large steps, wherever they cut the messages.
func TestReadsAreLarge(t *testing.T) {
	const total = 100_000 // fits the kernel's buffers
	for _, size := range []int{20, 300, 3_000, 10_000, 50_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				r := newRecorder(t)
				begun, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
				count := 0
				r.message = func([]byte, bool) error {
					switch count++; count {
					case 1:
						close(begun)
						<-proceed
					case 1 + total/size:
						close(done)
					}
					return nil
				}
				l, counting := countingLink(t, n, r)
				_ = tcpBelow(l.peer.nc).SetWriteBuffer(total)
				l.write(text("first"))
				wait(t, begun)
				stream := bytes.Repeat(text(letters(size)), total/size)
				l.write(stream)
				counting.reads.Store(0)
				close(proceed)
				wait(t, done)
				if reads, most := int(counting.reads.Load()), 2*len(stream)/readSize+10; reads > most {
					t.Errorf("%d reads for %d bytes, over %d", reads, len(stream), most)
				}
			})
		})
	}
}

func wait(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("it does not happen")
	}
}

// The bytes of a message may be changed by who got it; what follows it in the
// same buffer must not be.
func TestMessageIsTheHandlers(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		r := newRecorder(t)
		r.message = func(p []byte, _ bool) error {
			_ = append(p, "overwritten, if the capacity reached beyond"...)
			return nil
		}
		l := connectTo(t, limits(), n, r)
		l.write(text("one"), text("two"), frame(true, ws.OpPing, "three"))
		l.expect(ws.OpPong, "three")
		l.saw("text one", "text two")
	})
}
