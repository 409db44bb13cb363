package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig/engineio"
)

// A packets is a Socket.IO client, over whatever transport: text packets
// without the Engine.IO type, attachments with "b:" before them.
type packets interface {
	Send(packets ...string)
	Next() string
	ended()
}

// messages are packets as messages of Engine.IO.
func messages(packets []string) []string {
	m := make([]string, len(packets))
	for i, p := range packets {
		if !strings.HasPrefix(p, "b:") {
			p = "4" + p
		}
		m[i] = p
	}
	return m
}

// overWebSocket is a client over WebSocket.
type overWebSocket struct{ *engineio.WebSocket }

func (c overWebSocket) Send(packets ...string) {
	c.T.Helper()
	c.WebSocket.Send(messages(packets)...)
}

func (c overWebSocket) Next() string {
	c.T.Helper()
	return strings.TrimPrefix(c.WebSocket.Next(), "4")
}

func (c overWebSocket) ended() { c.T.Helper(); c.Closed() }

// overPolling is a client over long-polling.
type overPolling struct{ *engineio.Poller }

// Send does not tell whether it was taken: that shows in what comes back.
func (c overPolling) Send(packets ...string) {
	c.T.Helper()
	_ = c.PostMessages(messages(packets)...)
}

func (c overPolling) Next() string {
	c.T.Helper()
	return strings.TrimPrefix(c.NextMessage(), "4")
}

func (c overPolling) ended() {
	c.T.Helper()
	if len(c.Unread) > 0 {
		c.T.Fatalf("got %.80q, want the end", c.Unread)
	}
	isGone(c.Poller)
}

// onTransports runs a test over each transport.
func onTransports(t *testing.T, f func(t *testing.T, s *suite, c packets)) {
	t.Run("websocket", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overWebSocket{s.OpenWebSocket()})
	})
	t.Run("polling", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overPolling{s.OpenPolling()})
	})
	t.Run("upgraded", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overWebSocket{s.OpenPolling().Upgrade()})
	})
}

func expect(t *testing.T, c packets, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := c.Next(); got != w {
			t.Fatalf("got %.100q, want %.100q", got, w)
		}
	}
}

// connected expects the reply to a CONNECT packet, and "auth" with its payload.
func connected(t *testing.T, c packets, namespace, auth string) (sid string) {
	t.Helper()
	prefix := ""
	if namespace != "/" {
		prefix = namespace + ","
	}
	reply := c.Next()
	payload, ok := strings.CutPrefix(reply, "0"+prefix)
	if !ok {
		t.Fatalf("%q is no reply to a CONNECT to %s", reply, namespace)
	}
	var fields map[string]string
	if err := json.Unmarshal([]byte(payload), &fields); err != nil || len(fields) != 1 || fields["sid"] == "" {
		t.Fatalf("CONNECT reply %q: %v", reply, err)
	}
	expect(t, c, "2"+prefix+`["auth",`+auth+`]`)
	return fields["sid"]
}

func TestConnect(t *testing.T) {
	tests := []struct {
		name, send, namespace, auth string
	}{
		{"main namespace", "0", "/", "{}"},
		{"main namespace by name", "0/,", "/", "{}"},
		{"with a payload", `0{"token":"123"}`, "/", `{"token":"123"}`},
		{"with an empty payload", `0{}`, "/", `{}`},
		{"payload as it was spelled", `0{ "n" : 1.0e2, "n" : "\u00e9" }`, "/", `{ "n" : 1.0e2, "n" : "\u00e9" }`},
		{"custom namespace", "0/custom,", "/custom", "{}"},
		{"custom namespace without comma", "0/custom", "/custom", "{}"},
		{"custom namespace with a payload", `0/custom,{"token":"abc"}`, "/custom", `{"token":"abc"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, s *suite, c packets) {
				c.Send(tt.send)
				connected(t, c, tt.namespace, tt.auth)
			})
		})
	}
	t.Run("the ids", func(t *testing.T) {
		s := socketIO(t)
		p := s.OpenPolling()
		c := overPolling{p}
		c.Send("0", "0/custom,")
		one, two := connected(t, c, "/", "{}"), connected(t, c, "/custom", "{}")
		if one == two || one == p.SID || two == p.SID {
			t.Errorf("session %s, sockets %s and %s", p.SID, one, two)
		}
	})
}

func TestInvalidNamespace(t *testing.T) {
	onTransports(t, func(t *testing.T, s *suite, c packets) {
		for send, want := range map[string]string{
			"0/random":               `4/random,{"message":"Invalid namespace"}`,
			"0/random,":              `4/random,{"message":"Invalid namespace"}`,
			`0/random,{"token":"x"}`: `4/random,{"message":"Invalid namespace"}`,
			"0/Custom,":              `4/Custom,{"message":"Invalid namespace"}`,
			"0/custom/,":             `4/custom/,{"message":"Invalid namespace"}`,
		} {
			c.Send(send)
			expect(t, c, want)
		}
		c.Send("0") // the connection goes on
		connected(t, c, "/", "{}")
		c.Send("0/random")
		expect(t, c, `4/random,{"message":"Invalid namespace"}`)
		c.Send(`2["message",1]`)
		expect(t, c, `2["message-back",1]`)
	})
}

func TestConnectTimeout(t *testing.T) {
	opts := unhurried()
	opts.ConnectTimeout = connectTimeout
	t.Run("no CONNECT", func(t *testing.T) {
		inBubble(t, "/socket.io/", opts, func(t *testing.T, s *suite) {
			start := time.Now()
			c := s.OpenWebSocket()
			c.Closed()
			if took := time.Since(start); took < connectTimeout {
				t.Errorf("closed after %v", took)
			}
			s.gone()
		})
	})
	t.Run("no CONNECT over polling", func(t *testing.T) {
		inBubble(t, "/socket.io/", opts, func(t *testing.T, s *suite) {
			p := s.OpenPolling()
			if got := p.Next(); got != "1" {
				t.Errorf("got %q", got)
			}
			isGone(p)
			s.gone()
		})
	})
	t.Run("invalid namespace", func(t *testing.T) {
		inBubble(t, "/socket.io/", opts, func(t *testing.T, s *suite) {
			c := s.OpenWebSocket()
			c.Send("40/random,")
			c.Expect(`44/random,{"message":"Invalid namespace"}`)
			c.Closed()
		})
	})
	t.Run("connected", func(t *testing.T) {
		inBubble(t, "/socket.io/", opts, func(t *testing.T, s *suite) {
			c := overWebSocket{s.OpenWebSocket()}
			c.Send("0/custom,")
			connected(t, c, "/custom", "{}")
			other := s.OpenWebSocket() // later than the one that must stay
			other.Closed()
			c.Send(`2/custom,["message"]`)
			expect(t, c, `2/custom,["message-back"]`)
		})
	})
}

func TestDisconnect(t *testing.T) {
	onTransports(t, func(t *testing.T, s *suite, c packets) {
		c.Send("0", "0/custom,")
		connected(t, c, "/", "{}")
		connected(t, c, "/custom", "{}")
		c.Send("1/custom,", `2["message","still here"]`)
		expect(t, c, `2["message-back","still here"]`)
		c.Send("0/custom,") // again
		connected(t, c, "/custom", "{}")
		c.Send("1", "1/custom", "0")
		connected(t, c, "/", "{}")
		c.Send("1")
		c.Send(`2["message"]`) // left
		c.ended()
	})
}

func TestEvents(t *testing.T) {
	tests := []struct {
		name string
		send []string
		want []string
	}{
		{"no argument", []string{`2["message"]`}, []string{`2["message-back"]`}},
		{"arguments", []string{`2["message",1,"2",{"3":[true]}]`}, []string{`2["message-back",1,"2",{"3":[true]}]`}},
		{"byte for byte", []string{`2["message",1.50,"\u00e9\/" , {"b":1,"a":1e2}]`}, []string{`2["message-back",1.50,"\u00e9\/" , {"b":1,"a":1e2}]`}},
		{"Unicode", []string{`2["message","€ 😀"]`}, []string{`2["message-back","€ 😀"]`}},
		{"escaped name", []string{`2["m\u0065ssage",1]`}, []string{`2["message-back",1]`}},
		{"custom namespace", []string{`2/custom,["message","x"]`}, []string{`2/custom,["message-back","x"]`}},
		{
			"binary",
			[]string{`52-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "b:\x01\x02\x03", "b:\xff"},
			[]string{`52-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "b:\x01\x02\x03", "b:\xff"},
		},
		{
			"empty attachment in a custom namespace",
			[]string{`51-/custom,["message",{"_placeholder":true,"num":0}]`, "b:"},
			[]string{`51-/custom,["message-back",{"_placeholder":true,"num":0}]`, "b:"},
		},
		{"ack", []string{`2456["message-with-ack",1,"2",{"3":[false]}]`}, []string{`3456[1,"2",{"3":[false]}]`}},
		{"ack without arguments", []string{`20["message-with-ack"]`}, []string{`30[]`}},
		{"ack in a custom namespace", []string{`2/custom,7["message-with-ack","x"]`}, []string{`3/custom,7["x"]`}},
		{"large ack id", []string{`2999999999999999["message-with-ack",1]`}, []string{`3999999999999999[1]`}},
		{"ack with leading space", []string{`21 [ "message-with-ack" , 1 ]`}, []string{`31[ 1 ]`}},
		{
			"binary ack",
			[]string{`51-789["message-with-ack",{"_placeholder":true,"num":0},"x"]`, "b:\x00\x01"},
			[]string{`61-789[{"_placeholder":true,"num":0},"x"]`, "b:\x00\x01"},
		},
		{
			"binary ack in a custom namespace",
			[]string{`51-/custom,789["message-with-ack",{"_placeholder":true,"num":0}]`, "b:\xfe"},
			[]string{`61-/custom,789[{"_placeholder":true,"num":0}]`, "b:\xfe"},
		},
		{"unknown event", []string{`2["unknown",1]`, `2["message"]`}, []string{`2["message-back"]`}},
		{"numeric name", []string{`2[1,"x"]`, `2["message"]`}, []string{`2["message-back"]`}},
		{"no payload at all", []string{`2`, `2["message"]`}, []string{`2["message-back"]`}},
		{"unasked ack", []string{`31[]`, `31["x"]`, `2["message"]`}, []string{`2["message-back"]`}},
		{"unasked binary ack", []string{`61-1[{"_placeholder":true,"num":0}]`, "b:x", `2["message"]`}, []string{`2["message-back"]`}},
		{"like a reserved name", []string{`2["connected",1]`, `2["Connect"]`, `2["message"]`}, []string{`2["message-back"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, s *suite, c packets) {
				c.Send("0", "0/custom,")
				connected(t, c, "/", "{}")
				connected(t, c, "/custom", "{}")
				c.Send(tt.send...)
				expect(t, c, tt.want...)
			})
		})
	}
}

// attachments is a BINARY_EVENT packet with n attachments.
func attachments(n int) (packets []string) {
	head := fmt.Sprintf(`5%d-["message"`, n)
	for i := range n {
		head += fmt.Sprintf(`,{"_placeholder":true,"num":%d}`, i)
		packets = append(packets, fmt.Sprintf("b:%d", i))
	}
	return append([]string{head + "]"}, packets...)
}

func TestAttachmentLimit(t *testing.T) {
	onTransports(t, func(t *testing.T, s *suite, c packets) {
		c.Send("0")
		connected(t, c, "/", "{}")
		ten := attachments(10)
		c.Send(ten...)
		ten[0] = strings.Replace(ten[0], "message", "message-back", 1)
		expect(t, c, ten...)
		c.Send(attachments(11)...)
		c.ended()
	})
}

func TestInvalidFormats(t *testing.T) {
	before := []struct {
		name string
		send []string
	}{
		{"handshake that is no object", []string{"0abc"}},
		{"handshake with an array", []string{`0[1]`}},
		{"handshake with a string", []string{`0"x"`}},
		{"handshake that is half an object", []string{`0{"token":`}},
		{"handshake with more behind it", []string{`0{}{}`}},
		{"handshake of a custom namespace", []string{"0/custom,abc"}},
		{"event before CONNECT", []string{`2["message"]`}},
		{"ack before CONNECT", []string{`31[]`}},
		{"DISCONNECT before CONNECT", []string{"1"}},
		{"CONNECT_ERROR before CONNECT", []string{`4{"message":"x"}`}},
		{"binary event before CONNECT", []string{`51-["message",{"_placeholder":true,"num":0}]`, "b:x"}},
		{"attachment before CONNECT", []string{"b:x"}},
	}
	for _, tt := range before {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, s *suite, c packets) {
				c.Send(tt.send...)
				c.ended()
				s.gone()
			})
		})
	}
	after := []struct {
		name string
		send []string
	}{
		{"second CONNECT", []string{"0"}},
		{"CONNECT_ERROR", []string{`4{"message":"x"}`}},
		{"event for another namespace", []string{`2/custom,["message"]`}},
		{"event for an unknown namespace", []string{`2/random,["message"]`}},
		{"packet type 7", []string{"7"}},
		{"packet type a", []string{"abc"}},
		{"nothing", []string{""}},
		{"event that is no array", []string{`2{}`}},
		{"event that is a string", []string{`2"message"`}},
		{"event that is null", []string{`2null`}},
		{"event that is no JSON", []string{`2["message",`}},
		{"event with broken arguments", []string{`2["message",abc]`}},
		{"event with more behind it", []string{`2["message"]]`}},
		{"event with nothing behind a comma", []string{`2["message",]`}},
		{"event without a name", []string{`2[]`}},
		{"event whose name is null", []string{`2[null]`}},
		{"event whose name is an object", []string{`2[{}]`}},
		{"event whose name is true", []string{`2[true]`}},
		{"event whose name is an array", []string{`2[["message"]]`}},
		{"connect", []string{`2["connect"]`}},
		{"connect_error", []string{`2["connect_error"]`}},
		{"disconnect", []string{`2["disconnect"]`}},
		{"disconnecting", []string{`2["disconnecting"]`}},
		{"newListener", []string{`2["newListener"]`}},
		{"removeListener", []string{`2["removeListener"]`}},
		{"disconnect, escaped", []string{`2["disc\u006fnnect"]`}},
		{"ack that is no array", []string{`31{}`}},
		{"DISCONNECT with a payload", []string{`1{}`}},
		{"binary event without a count", []string{`5-["message"]`}},
		{"binary event without a dash", []string{`51["message"]`, "b:x"}},
		{"binary event with a broken count", []string{`5x-["message"]`}},
		{"binary event with a negative count", []string{`5-1-["message"]`}},
		{"binary event with half a count", []string{`51.5-["message"]`}},
		{"binary event with nothing but a count", []string{`51`}},
		{"11 attachments", attachments(11)[:1]},
		{"a thousand million attachments", []string{`51000000000-["message"]`}},
		{"more attachments than fit in a number", []string{`599999999999999999999-["message"]`}},
		{"text instead of an attachment", []string{`51-["message",{"_placeholder":true,"num":0}]`, `2["message"]`}},
		{"attachment of nothing", []string{"b:x"}},
		{"one attachment too many", []string{`51-["unknown",{"_placeholder":true,"num":0}]`, "b:x", "b:y"}},
		{"ack id that no number holds", []string{`299999999999999999999["message"]`}},
	}
	for _, tt := range after {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, func(t *testing.T, s *suite, c packets) {
				c.Send("0")
				connected(t, c, "/", "{}")
				c.Send(tt.send...)
				c.ended()
				s.gone()
			})
		})
	}
}

// The Engine.IO rules hold below Socket.IO as well.
func TestSocketIOTransports(t *testing.T) {
	s := socketIO(t)
	for _, query := range []string{"", "EIO=3&transport=polling", "EIO=4&transport=abc"} {
		if a := s.Do("GET", query, ""); a.Status != http.StatusBadRequest {
			t.Errorf("%q: %d %q", query, a.Status, a.Body)
		}
	}
	p := s.OpenPolling()
	p.Send("40")
	c := overPolling{p}
	connected(t, c, "/", "{}")
	p.Send(`42["message","before"]`)
	ws := p.Probe()
	ws.Send("2probe")
	ws.Expect("3probe")
	ws.Send("5", `42["message","after"]`)
	ws.Expect(`42["message-back","before"]`, `42["message-back","after"]`)
	// An acknowledgement of what was asked before the upgrade would go there too.
	ws.Send(`420["message-with-ack","x"]`)
	ws.Expect(`430["x"]`)
}
