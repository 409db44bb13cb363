package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A packets is a Socket.IO client, over whatever transport: text packets
// without the Engine.IO type, attachments with "b:" before them.
type packets interface {
	send(packets ...string)
	next() string
	ended()
}

// overWebSocket is a client over WebSocket.
type overWebSocket struct{ *socket }

func (c overWebSocket) send(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		if b, ok := strings.CutPrefix(p, "b:"); ok {
			c.sendBinary(b)
		} else {
			c.socket.send("4" + p)
		}
	}
}

func (c overWebSocket) next() string { c.t.Helper(); return strings.TrimPrefix(c.socket.next(), "4") }
func (c overWebSocket) ended()       { c.t.Helper(); c.closed() }

// overPolling is a client over long-polling.
type overPolling struct{ *polling }

func (c overPolling) send(packets ...string) {
	c.t.Helper()
	payload := make([]string, len(packets))
	for i, p := range packets {
		if b, ok := strings.CutPrefix(p, "b:"); ok {
			payload[i] = "b" + base64.StdEncoding.EncodeToString([]byte(b))
		} else {
			payload[i] = "4" + p
		}
	}
	// Whether it was taken shows in what comes back.
	_ = c.request("POST", c.query, strings.Join(payload, "\x1e"))
}

func (c overPolling) next() string {
	c.t.Helper()
	p := c.polling.next()
	if b, ok := strings.CutPrefix(p, "b"); ok {
		data, err := base64.StdEncoding.DecodeString(b)
		if err != nil {
			c.t.Fatalf("attachment %q: %v", p, err)
		}
		return "b:" + string(data)
	}
	return strings.TrimPrefix(p, "4")
}

func (c overPolling) ended() {
	c.t.Helper()
	if len(c.got) > 0 {
		c.t.Fatalf("got %.80q, want the end", c.got)
	}
	c.isGone()
}

// onTransports runs a test over each transport.
func onTransports(t *testing.T, f func(t *testing.T, s *suite, c packets)) {
	t.Run("websocket", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overWebSocket{s.websocket()})
	})
	t.Run("polling", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overPolling{s.poll()})
	})
	t.Run("upgraded", func(t *testing.T) {
		s := socketIO(t)
		f(t, s, overWebSocket{s.poll().upgrade()})
	})
}

func expect(t *testing.T, c packets, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := c.next(); got != w {
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
	reply := c.next()
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
				c.send(tt.send)
				connected(t, c, tt.namespace, tt.auth)
			})
		})
	}
	t.Run("the ids", func(t *testing.T) {
		s := socketIO(t)
		p := s.poll()
		c := overPolling{p}
		c.send("0", "0/custom,")
		one, two := connected(t, c, "/", "{}"), connected(t, c, "/custom", "{}")
		if one == two || one == p.sid || two == p.sid {
			t.Errorf("session %s, sockets %s and %s", p.sid, one, two)
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
			c.send(send)
			expect(t, c, want)
		}
		c.send("0") // the connection goes on
		connected(t, c, "/", "{}")
		c.send("0/random")
		expect(t, c, `4/random,{"message":"Invalid namespace"}`)
		c.send(`2["message",1]`)
		expect(t, c, `2["message-back",1]`)
	})
}

func TestConnectTimeout(t *testing.T) {
	t.Run("no CONNECT", func(t *testing.T) {
		t.Parallel()
		s := socketIO(t)
		start := time.Now()
		c := s.websocket()
		c.closed()
		if took := time.Since(start); took < connectTimeout {
			t.Errorf("closed after %v", took)
		}
		s.gone()
	})
	t.Run("no CONNECT over polling", func(t *testing.T) {
		t.Parallel()
		s := socketIO(t)
		p := s.poll()
		if got := p.next(); got != "1" {
			t.Errorf("got %q", got)
		}
		p.isGone()
		s.gone()
	})
	t.Run("invalid namespace", func(t *testing.T) {
		t.Parallel()
		s := socketIO(t)
		c := s.websocket()
		c.send("40/random,")
		c.expect(`44/random,{"message":"Invalid namespace"}`)
		c.closed()
	})
	t.Run("connected", func(t *testing.T) {
		t.Parallel()
		s := socketIO(t)
		c := overWebSocket{s.websocket()}
		c.send("0/custom,")
		connected(t, c, "/custom", "{}")
		other := s.websocket() // later than the one that must stay
		other.closed()
		c.send(`2/custom,["message"]`)
		expect(t, c, `2/custom,["message-back"]`)
	})
}

func TestDisconnect(t *testing.T) {
	onTransports(t, func(t *testing.T, s *suite, c packets) {
		c.send("0", "0/custom,")
		connected(t, c, "/", "{}")
		connected(t, c, "/custom", "{}")
		c.send("1/custom,", `2["message","still here"]`)
		expect(t, c, `2["message-back","still here"]`)
		c.send("0/custom,") // again
		connected(t, c, "/custom", "{}")
		c.send("1", "1/custom", "0")
		connected(t, c, "/", "{}")
		c.send("1")
		c.send(`2["message"]`) // left
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
				c.send("0", "0/custom,")
				connected(t, c, "/", "{}")
				connected(t, c, "/custom", "{}")
				c.send(tt.send...)
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
		c.send("0")
		connected(t, c, "/", "{}")
		ten := attachments(10)
		c.send(ten...)
		ten[0] = strings.Replace(ten[0], "message", "message-back", 1)
		expect(t, c, ten...)
		c.send(attachments(11)...)
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
				c.send(tt.send...)
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
				c.send("0")
				connected(t, c, "/", "{}")
				c.send(tt.send...)
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
		if a := s.request("GET", query, ""); a.status != http.StatusBadRequest {
			t.Errorf("%q: %d %q", query, a.status, a.body)
		}
	}
	p := s.poll()
	p.post("40")
	c := overPolling{p}
	connected(t, c, "/", "{}")
	p.post(`42["message","before"]`)
	ws := p.probe()
	ws.send("2probe")
	ws.expect("3probe")
	ws.send("5", `42["message","after"]`)
	ws.expect(`42["message-back","before"]`, `42["message-back","after"]`)
	// An acknowledgement of what was asked before the upgrade would go there too.
	ws.send(`420["message-with-ack","x"]`)
	ws.expect(`430["x"]`)
}
