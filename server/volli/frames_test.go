package volli_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/server"
)

const (
	discoverA = `{"type":"discover","userId":"a"}`
	offlineA  = `{"type":"discover-response","userId":"a","online":false}`
)

// header is the start of a masked frame of any announced length, none of it
// checked.
func header(first byte, length uint64) []byte {
	p := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)
	return append(p, 0, 0, 0, 0)
}

func join(frames ...[]byte) []byte { return slices.Concat(frames...) }

// raised sets bits of the first byte of a frame.
func raised(bits byte, f []byte) []byte {
	f[0] |= bits
	return f
}

// TestBadFrames sends what breaks RFC 6455, or is no message of Volli's. Each
// ends the connection that sent it with the right code, and only that.
func TestBadFrames(t *testing.T) {
	tests := []struct {
		name   string
		bytes  []byte
		before string // what the client still gets
		code   ws.StatusCode
		reason string
	}{
		{name: "binary", bytes: frame(true, ws.OpBinary, discoverA), code: 1003, reason: "text frames only"},
		{name: "binary without a byte", bytes: frame(true, ws.OpBinary, ""), code: 1003, reason: "text frames only"},
		{name: "binary in fragments", bytes: join(frame(false, ws.OpBinary, discoverA), frame(true, ws.OpContinuation, "")), code: 1003, reason: "text frames only"},

		{name: "invalid UTF-8", bytes: frame(true, ws.OpText, "{\"type\":\"discover\",\"userId\":\"a\xff\"}"), code: 1007, reason: "invalid UTF-8"},
		{name: "overlong UTF-8", bytes: frame(true, ws.OpText, "\xc0\xaf"), code: 1007, reason: "invalid UTF-8"},
		{name: "half of a surrogate pair in UTF-8", bytes: frame(true, ws.OpText, "{\"type\":\"discover\",\"userId\":\"\xed\xa0\x80\"}"), code: 1007, reason: "invalid UTF-8"},
		{name: "cut UTF-8", bytes: frame(true, ws.OpText, "{}\xe2\x82"), code: 1007, reason: "invalid UTF-8"},
		{name: "cut UTF-8 in fragments", bytes: join(frame(false, ws.OpText, "{}\xe2"), frame(true, ws.OpContinuation, "\x82")), code: 1007, reason: "invalid UTF-8"},
		{name: "invalid UTF-8 behind a good message", bytes: join(frame(true, ws.OpText, discoverA), frame(true, ws.OpText, "\xff")), before: offlineA, code: 1007, reason: "invalid UTF-8"},

		{name: "too large", bytes: frame(true, ws.OpText, strings.Repeat(" ", 2001)), before: tooLarge, code: 1009, reason: "message too large"},
		{name: "too large in fragments", bytes: join(frame(false, ws.OpText, strings.Repeat(" ", 1000)), frame(false, ws.OpContinuation, strings.Repeat(" ", 1000)), frame(true, ws.OpContinuation, " ")), before: tooLarge, code: 1009, reason: "message too large"},
		{name: "binary, too large", bytes: frame(true, ws.OpBinary, strings.Repeat(" ", 2001)), before: tooLarge, code: 1009, reason: "message too large"},
		{name: "announced, and never sent", bytes: header(0x81, 1<<40), before: tooLarge, code: 1009, reason: "message too large"},
		{name: "the longest that can be announced", bytes: header(0x81, 1<<63-1), before: tooLarge, code: 1009, reason: "message too large"},
		{name: "longer than can be announced", bytes: header(0x81, 1<<63), code: 1002, reason: "invalid frame length"},

		{name: "not masked", bytes: ws.MustCompileFrame(ws.NewTextFrame([]byte(discoverA))), code: 1002, reason: "frames from client to server must be masked"},
		{name: "reserved bit 1", bytes: raised(0x40, frame(true, ws.OpText, discoverA)), code: 1002, reason: "non-zero rsv bits with no extension negotiated"},
		{name: "reserved bit 3", bytes: raised(0x10, frame(true, ws.OpText, discoverA)), code: 1002, reason: "non-zero rsv bits with no extension negotiated"},
		{name: "reserved opcode of data", bytes: frame(true, 3, discoverA), code: 1002, reason: "use of reserved op code"},
		{name: "reserved opcode of control", bytes: frame(true, 11, ""), code: 1002, reason: "use of reserved op code"},
		{name: "continuation of nothing", bytes: frame(true, ws.OpContinuation, discoverA), code: 1002, reason: "unexpected continuation data frame"},
		{name: "message within a message", bytes: join(frame(false, ws.OpText, "{"), frame(true, ws.OpText, discoverA)), code: 1002, reason: "unexpected non-continuation data frame"},
		{name: "ping in fragments", bytes: frame(false, ws.OpPing, ""), code: 1002, reason: "control frame is not final"},
		{name: "ping of 126 bytes", bytes: frame(true, ws.OpPing, strings.Repeat("x", 126)), code: 1002, reason: "control frame payload limit exceeded"},
		{name: "close of one byte", bytes: frame(true, ws.OpClose, "\x03"), code: 1002, reason: "truncated close frame"},
		{name: "close with no code", bytes: frame(true, ws.OpClose, "\x00\x00"), code: 1002},
		{name: "close with a code that none may send", bytes: frame(true, ws.OpClose, "\x03\xed"), code: 1002}, // 1005
		{name: "close with invalid UTF-8", bytes: frame(true, ws.OpClose, "\x03\xe8\xff"), code: 1002},
		{name: "no WebSocket at all", bytes: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), code: 1002},
	}
	s := start(t, change(options(), func(o *server.Options) { o.MaxMessage = 2000 }))
	a, b := s.join("alice"), s.join("bob")
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.open("c", "/ws")
			c.t = t
			c.write(tt.bytes)
			if tt.before != "" {
				c.expect(tt.before)
			}
			f, err := c.next()
			if err != nil {
				t.Fatalf("instead of a Close: %v", err)
			}
			if tt.reason == "" && f.Header.OpCode == ws.OpClose && len(f.Payload) > 2 {
				tt.reason = string(f.Payload[2:]) // any
			}
			if want := ws.NewCloseFrame(ws.NewCloseFrameBody(tt.code, tt.reason)); describe(f) != describe(want) {
				t.Errorf("got %s, want %s", describe(f), describe(want))
			}
			c.close(tt.code, "")
			// Nothing that it says can be told any more: it is heard out until
			// its own end.
			if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
			c.expectEnd()

			if i%2 == 0 {
				a.call(b)
			} else {
				b.call(a)
			}
		})
	}
}

const tooLarge = `{"type":"error","message":"Message too large","code":"too_large"}`

// TestGoodFrames sends messages in every form that RFC 6455 allows.
func TestGoodFrames(t *testing.T) {
	s := start(t, options())
	euro := `{"type":"discover","userId":"€"}`
	half := strings.Index(euro, "€") + 1
	tests := []struct {
		name  string
		bytes []byte
		want  []ws.Frame
	}{
		{"two messages in one segment", join(frame(true, ws.OpText, discoverA), frame(true, ws.OpText, "[]")),
			[]ws.Frame{text(offlineA), text(`{"type":"error","message":"Invalid message format","code":"invalid_format"}`)}},
		{"fragments of one byte", fragments(discoverA), []ws.Frame{text(offlineA)}},
		{"fragments within a character", join(frame(false, ws.OpText, euro[:half]), frame(true, ws.OpContinuation, euro[half:])),
			[]ws.Frame{text(`{"type":"discover-response","userId":"€","online":false}`)}},
		{"fragments without a byte", join(frame(false, ws.OpText, ""), frame(false, ws.OpContinuation, discoverA), frame(true, ws.OpContinuation, "")),
			[]ws.Frame{text(offlineA)}},
		{"a ping", frame(true, ws.OpPing, "are you there?"), []ws.Frame{ws.NewPongFrame([]byte("are you there?"))}},
		{"a ping of 125 bytes", frame(true, ws.OpPing, strings.Repeat("x", 125)), []ws.Frame{ws.NewPongFrame([]byte(strings.Repeat("x", 125)))}},
		{"a ping within a message", join(frame(false, ws.OpText, discoverA[:9]), frame(true, ws.OpPing, ""), frame(true, ws.OpContinuation, discoverA[9:])),
			[]ws.Frame{ws.NewPongFrame(nil), text(offlineA)}},
		{"a pong that nobody asked for", join(frame(true, ws.OpPong, "x"), frame(true, ws.OpText, discoverA)), []ws.Frame{text(offlineA)}},
		{"a length in more bytes than it needs", append(header(0x81, uint64(len(discoverA))), discoverA...), []ws.Frame{text(offlineA)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, size := range []int{len(tt.bytes), 1} { // at once, and byte by byte
				c := s.open("c", "/ws")
				c.t = t
				for part := range slices.Chunk(tt.bytes, size) {
					c.write(part)
				}
				for _, f := range tt.want {
					c.expectFrame(f.Header.OpCode, string(f.Payload))
				}
				c.settle()
				_ = c.conn.Close()
			}
		})
	}
}

func text(s string) ws.Frame { return ws.NewTextFrame([]byte(s)) }

// fragments is a message in frames of one byte.
func fragments(message string) (p []byte) {
	op := ws.OpText
	for i := range len(message) {
		p = append(p, frame(i == len(message)-1, op, message[i:i+1])...)
		op = ws.OpContinuation
	}
	return p
}

// TestClientCloses: the server answers with the client's own code, and what was
// sent before is still handled.
func TestClientCloses(t *testing.T) {
	s := start(t, options())
	tests := []struct {
		name string
		body []byte
		code ws.StatusCode
	}{
		{"1000", ws.NewCloseFrameBody(1000, ""), 1000},
		{"1001 going away", ws.NewCloseFrameBody(1001, "going away"), 1001},
		{"3000", ws.NewCloseFrameBody(3000, ""), 3000},
		{"4999 é", ws.NewCloseFrameBody(4999, "é"), 4999},
		{"no code", nil, 0},
	}
	watch := s.join("watch")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.join("leaver")
			c.t, watch.t = t, t
			message := `{"type":"offer","from":"leaver","to":"watch","offer":"` + tt.name + `"}`
			c.write(join(frame(true, ws.OpText, message), frame(true, ws.OpClose, string(tt.body))))
			watch.expect(message)
			reason := ""
			if len(tt.body) > 2 {
				reason = string(tt.body[2:])
			}
			c.expectClose(tt.code, reason)
			watch.offline("leaver")
		})
	}
}
