package hostile

import (
	"errors"
	"fmt"
	"strings"
)

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// frameRows break the rules of RFC 6455, for clients of both families.
var frameRows = append(framing("oodaa", inside, `42["ping"]`, `42["pong"]`), framing("volli", volli,
	`{"type":"discover","userId":"nobody"}`, `{"type":"discover-response","userId":"nobody","online":false}`)...)

func framing(family string, from from, ask, reply string) []row {
	half := len(ask) / 2
	// The library's WebSocket takes a length with the top bit for one over its
	// limit, and half a code for none.
	topBit, halfCode := closed(1002), closed(1002)
	if family == "oodaa" {
		topBit, halfCode = want{code: noCode}, closed(1005)
	}
	rows := []row{
		frames("unmasked frame", from, header(fin|opText, 0, len(ask))+ask, closed(1002)),
		group("reserved bits", from, closed(1002), frame(fin|rsv1|opText, ask), frame(fin|rsv2|opText, ask), frame(fin|rsv3|opText, ask),
			frame(fin|rsv1|rsv2|rsv3|opText, ask), frame(fin|rsv1|opPing, ""), frame(opText, ask[:half])+frame(fin|rsv1|opContinuation, ask[half:])),
		group("reserved opcodes", from, closed(1002), frame(fin|3, ask), frame(fin|4, ask), frame(fin|5, ask), frame(fin|6, ask), frame(fin|7, ask),
			frame(fin|0xb, ""), frame(fin|0xc, ""), frame(fin|0xd, ""), frame(fin|0xe, ""), frame(fin|0xf, "")),
		group("oversized control frame", from, closed(1002), frame(fin|opPing, repeat("x", 126)), frame(fin|opPong, repeat("x", 126)),
			frame(fin|opClose, "\x03\xe8"+repeat("x", 124)), frame(fin|opPing, repeat("x", 70_000))),
		group("fragmented control frame", from, closed(1002), frame(opPing, "x"), frame(opPong, ""), frame(opClose, "\x03\xe8"), frame(opPing, "x")+frame(fin|opContinuation, "y")),
		frames("continuation of nothing", from, frame(fin|opContinuation, ask), closed(1002)),
		frames("continuation of nothing that goes on", from, frame(opContinuation, ask), closed(1002)),
		frames("message inside a message", from, frame(opText, ask[:half])+text(ask), closed(1002)),
		frames("message that changes its kind", from, frame(opText, ask[:half])+frame(fin|opBinary, ask[half:]), closed(1002)),
		groupByEngine("length with the top bit", from, closed(1002).but(topBit), "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00hello"),
		frames("invalid UTF-8", from, text(ask[:half]+"\xff"+ask[half:]), closed(1007)),
		group("invalid UTF-8 of other kinds", from, closed(1007), text("4\xc0\x80"), text("4\xed\xa0\x80"), text("4\xf4\x90\x80\x80"), text("4\xe2\x82"),
			frame(opText, "4\xe2")+frame(fin|opContinuation, "(\xa1")),
		frames("UTF-8 split between fragments", from, frame(opText, "4\xf0\x9f")+frame(fin|opContinuation, "\x98"), closed(1007)),
		frames("message in one-byte fragments", from, oneByte(ask), answered(reply)),
		frames("pings between fragments", from, frame(opText, ask[:half])+frame(fin|opPing, "p")+frame(fin|opPong, "")+frame(fin|opContinuation, ask[half:]), answered("p", reply)),
		frames("empty fragments", from, frame(opText, "")+repeat(frame(opContinuation, ""), 1000)+frame(fin|opContinuation, ask), answered(reply)),
		frames("pings", from, repeat(frame(fin|opPing, repeat("x", 125)), 20), answered(repeated(repeat("x", 125), 20)...)),
		frames("pongs unasked", from, repeat(frame(fin|opPong, repeat("x", 125)), 1000), ignored()),
		frames("lengths longer than need be", from, "\x81\xfe\x00"+string([]byte{byte(len(ask))})+"\x00\x00\x00\x00"+ask, answered(reply)),
		frames("masked with another mask", from, masked(ask), answered(reply)),
		// A Close frame may have no body, which is answered in kind.
		frames("close without a code", from, frame(fin|opClose, ""), closed(1005)),
		framesByEngine("close with half a code", from, sent(frame(fin|opClose, "\x03")), closed(1002).but(halfCode)),
		frames("close with a reason that is not UTF-8", from, closing(1000, "\xff\xfe"), closed(1002)),
		group("close with a code that is not to be sent", from, closed(1002), closing(0, ""), closing(999, ""), closing(1004, ""), closing(1005, ""), closing(1006, ""),
			closing(1015, ""), closing(1016, ""), closing(2999, ""), closing(5000, ""), closing(65535, "")),
		{"close, and then more", func(s *server) error {
			c := from.connect(s)
			c.put(closing(1000, "") + text(ask) + repeat("\xff", 1000))
			c.closed(1000)
			return c.end()
		}},
		{"close with the codes that may be sent", func(s *server) error {
			var errs []error
			for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999} {
				c := from.connect(s)
				c.put(closing(uint16(code), "reason"))
				c.closed(code, 1000)
				if err := c.end(); err != nil {
					errs = append(errs, fmt.Errorf("%d: %w", code, err))
				}
			}
			return errors.Join(errs...)
		}},
		{"message byte by byte", func(s *server) error {
			c := from.connect(s)
			if c.err == nil {
				c.fail(c.SetNoDelay(true))
			}
			for _, b := range []byte(text(ask)) {
				c.put(string([]byte{b}))
			}
			c.expect(reply)
			return c.end()
		}},
		{"message that ends in the middle", func(s *server) error {
			frames := text(ask)
			for n := range len(frames) {
				c := from.connect(s)
				c.put(frames[:n])
				if c.err == nil {
					c.fail(c.CloseWrite())
				}
				c.gone()
				if err := c.end(); err != nil {
					return fmt.Errorf("after %d bytes: %w", n, err)
				}
			}
			return nil
		}},
		{"HTTP on a WebSocket", func(s *server) error {
			c := from.connect(s)
			c.put("GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
			c.closed(1002)
			return c.end()
		}},
	}
	for i := range rows {
		rows[i].name = "frames/" + family + "/" + rows[i].name
	}
	return rows
}

// oneByte is a message in fragments of one byte.
func oneByte(message string) string {
	var b strings.Builder
	b.WriteString(frame(opText, message[:1]))
	for i := 1; i < len(message)-1; i++ {
		b.WriteString(frame(opContinuation, message[i:i+1]))
	}
	b.WriteString(frame(fin|opContinuation, message[len(message)-1:]))
	return b.String()
}

// masked is a text frame that is not masked with zeros.
func masked(message string) string {
	mask := "\x12\x34\xab\xcd"
	b := []byte(message)
	for i := range b {
		b[i] ^= mask[i%4]
	}
	return header(fin|opText, 0x80, len(message)) + mask + string(b)
}

func repeated(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}
