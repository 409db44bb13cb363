package hostile

import "fmt"

// fill is a text frame of just max bytes: head, unit as often as it goes,
// blanks, and tail.
func fill(max int, head, unit, tail string) string {
	n := (max - len(head) - len(tail)) / len(unit)
	body := head + repeat(unit, n)
	return text(body + repeat(" ", max-len(body)-len(tail)) + tail)
}

// nested is a text frame with arrays in arrays, of max bytes or a few less.
func nested(max int, head, open, inner, close, tail string) string {
	n := (max - len(head) - len(inner) - len(tail)) / (len(open) + len(close))
	return text(head + repeat(open, n) + inner + repeat(close, n) + tail)
}

const (
	tooLarge      = `42["error","Message too large"]`
	volliTooLarge = `{"type":"error","message":"Message too large","code":"too_large"}`
	volliFormat   = `{"type":"error","message":"Invalid message format","code":"invalid_format"}`
)

// sizeRows go up to MAX_MESSAGE_BYTES and beyond.
var sizeRows = []row{
	sized("sizes/oodaa/nested arrays", inside, func(max int) string { return nested(max, `42["get-users",`, "[", "", "]", "]") }, answered(`42["user-list",…`)),
	sized("sizes/oodaa/nested objects", inside, func(max int) string { return nested(max, `42["get-users",`, `{"a":`, "1", "}", "]") }, answered(`42["user-list",…`)),
	sized("sizes/oodaa/nested in a relay", named, func(max int) string {
		return nested(max, `42["offer",{"to":"nobody","from":"x","offer":`, "[", "", "]", "}]")
	}, answered(`42["error","Sender mismatch"]`)),
	sized("sizes/oodaa/brackets that open", inside, func(max int) string { return fill(max, "42", "[", "") }, closed(1000)),
	sized("sizes/oodaa/brackets that close", inside, func(max int) string { return fill(max, `42["ping"`, "]", "") }, closed(1000)),
	sized("sizes/oodaa/braces that open", inside, func(max int) string { return fill(max, `42["get-users",`, `{"":`, "") }, closed(1000)),
	sized("sizes/oodaa/brackets in a CONNECT", outside, func(max int) string { return fill(max, `40{"a":`, "[", "") }, closed(1000)),
	sized("sizes/oodaa/nested in a CONNECT", entering, func(max int) string { return nested(max, `40{"a":`, "[", "", "]", "}") }, answered("40{…")),
	sized("sizes/oodaa/keys", named, func(max int) string {
		return fill(max, `42["offer",{"to":"nobody","from":"x",`, `"offer":0,`, `"offer":1}]`)
	}, answered(`42["error","Sender mismatch"]`)),
	sized("sizes/oodaa/escapes", inside, func(max int) string { return fill(max, `42["`, `\u0061`, `"]`) }, ignored()),
	sized("sizes/oodaa/blanks", inside, func(max int) string { return fill(max, `42`, " ", `["ping"]`) }, answered(`42["pong"]`)),
	sized("sizes/oodaa/digits", inside, func(max int) string { return fill(max, `42["get-users",-1`, "0", `e5]`) }, answered(`42["user-list",…`)),
	sized("sizes/oodaa/placeholders", x, func(max int) string {
		return fill(max/2, `451-["offer",{"to":"nobody","from":"x","offer":[`, `{"_placeholder":true,"num":0},`, `0]}]`) + data("x")
	}, closed(1000)),
	sized("sizes/oodaa/name", inside, func(max int) string { return fill(max, `42["register",{"userId":"`, "x", `"}]`) }, answered(`42["error","Invalid user ID"]`)),
	sized("sizes/oodaa/just as large as may be", inside, func(max int) string { return fill(max, `42["get-users","`, "x", `"]`) }, answered(`42["user-list",…`)),
	sized("sizes/oodaa/a byte too large", inside, func(max int) string { return fill(max+1, `42["get-users","`, "x", `"]`) }, closed(1009, tooLarge)),
	sized("sizes/oodaa/far too large", inside, func(max int) string { return fill(max*2, `42["get-users","`, "x", `"]`) }, closed(1009, tooLarge)),
	sized("sizes/oodaa/five times too large", inside, func(max int) string { return fill(max*5, `42["get-users","`, "x", `"]`) }, closed(1009, tooLarge)),
	// What is announced, and may never come, ends the library's session before
	// anything can be said (server/zishang/transport.go).
	framesByEngine("sizes/oodaa/a frame of 2^62 bytes", inside, sent("\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0042"), closed(1009, tooLarge).but(closed(1009))),
	sized("sizes/oodaa/attachments too large together", inside, func(max int) string {
		return text(`452-["x"]`) + data(repeat("x", max)) + data("y")
	}, closed(1009, tooLarge)),
	sized("sizes/oodaa/attachment too large", inside, func(max int) string { return text(`451-["x"]`) + data(repeat("x", max+1)) }, closed(1009, tooLarge)),
	sized("sizes/oodaa/attachments just as large as may be", inside, func(max int) string {
		return text(`452-["x"]`) + data(repeat("x", max-1)) + data("y")
	}, ignored()),
	{"sizes/oodaa/fragments without end", func(s *server) error { return s.endless(inside, tooLarge) }},

	sized("sizes/volli/nested arrays", volli, func(max int) string { return nested(max, `{"type":"x","a":`, "[", "", "]", "}") }, answered(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`)),
	sized("sizes/volli/nested objects", volli, func(max int) string { return nested(max, "", `{"type":`, "1", "}", "") }, answered(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`)),
	sized("sizes/volli/brackets that open", volli, func(max int) string { return fill(max, "", "[", "") }, answered(volliFormat)),
	sized("sizes/volli/braces that open", volli, func(max int) string { return fill(max, "", `{"":`, "") }, answered(volliFormat)),
	sized("sizes/volli/type", volli, func(max int) string { return fill(max, `{"type":"`, "x", `"}`) }, answered(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`)),
	sized("sizes/volli/type of escapes", volli, func(max int) string { return fill(max, `{"type":"`, `\u0061`, `"}`) }, answered(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`)),
	sized("sizes/volli/name", volli, func(max int) string {
		return fill(max, `{"type":"register","publicKey":"k","userId":"`, "x", `"}`)
	}, answered(`{"type":"error","message":"Missing required fields","code":"missing_fields"}`)),
	sized("sizes/volli/a byte too large", volli, func(max int) string { return fill(max+1, `{"type":"`, "x", `"}`) }, closed(1009, volliTooLarge)),
	sized("sizes/volli/five times too large", volli, func(max int) string { return fill(max*5, `{"type":"`, "x", `"}`) }, closed(1009, volliTooLarge)),
	frames("sizes/volli/a frame of 2^62 bytes", volli, "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00{}", closed(1009, volliTooLarge)),
	{"sizes/volli/fragments without end", func(s *server) error { return s.endless(volli, volliTooLarge) }},
}

// endless sends a message in fragments of one byte until the server has enough.
func (s *server) endless(from from, said string) error {
	c := from.connect(s)
	if c.err != nil {
		return c.end()
	}
	done := make(chan struct{})
	go func() { // ends when the connection does
		defer close(done)
		chunk := repeat(frame(opContinuation, "x"), 4096)
		if _, err := c.TCPConn.Write([]byte(frame(opText, "4"))); err != nil {
			return
		}
		for {
			if _, err := c.TCPConn.Write([]byte(chunk)); err != nil {
				return
			}
		}
	}()
	c.expect(said)
	m := c.next()
	if c.err == nil && (m.op != opClose || m.code != 1009) {
		c.err = fmt.Errorf("got %v instead of a Close frame", m)
	}
	err := c.end()
	<-done
	return err
}
