//go:build zishang

package zishang

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/server/socketio"
)

func TestHandshake(t *testing.T) {
	s := serve(t, defaults())
	c := s.dialRaw()
	var got map[string]any
	if err := json.Unmarshal([]byte(c.expectPrefix("0")[1:]), &got); err != nil {
		t.Fatal(err)
	}
	sid, _ := got["sid"].(string)
	if len(sid) < 20 {
		t.Errorf("sid %q", sid)
	}
	delete(got, "sid")
	want := map[string]any{
		"upgrades": []any{}, "pingInterval": 1000.0, "pingTimeout": 5000.0, "maxPayload": float64(testMaxPayload),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("handshake %v, want %v", got, want)
	}
	if n, polling := s.engine.Connections(); n != 1 || polling != 0 {
		t.Errorf("Connections() = %d, %d", n, polling)
	}
	req, _ := http.NewRequest("GET", s.http.URL+handshakePath+"&sid="+sid, nil)
	if s.engine.Established(req) {
		t.Error("a request to a WebSocket session is established")
	}
}

func TestRefusedRequests(t *testing.T) {
	s := serve(t, defaults())
	c := s.dialRaw()
	var live struct{ SID string }
	if err := json.Unmarshal([]byte(c.expectPrefix("0")[1:]), &live); err != nil {
		t.Fatal(err)
	}
	upgrade := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for _, c := range []struct {
		name, method, query string
		header              http.Header
		body                string
	}{
		{"polling", "GET", "EIO=4&transport=polling", nil, `{"code":0,"message":"Transport unknown"}`},
		{"polling, posted", "POST", "EIO=4&transport=polling&sid=x", nil, `{"code":0,"message":"Transport unknown"}`},
		{"no transport", "GET", "EIO=4", nil, `{"code":0,"message":"Transport unknown"}`},
		{"webtransport", "GET", "EIO=4&transport=webtransport", upgrade, `{"code":0,"message":"Transport unknown"}`},
		{"polling, upgrading", "GET", "EIO=4&transport=polling", upgrade, `{"code":0,"message":"Transport unknown"}`},
		{"old protocol", "GET", "EIO=3&transport=websocket", upgrade, `{"code":5,"message":"Unsupported protocol version"}`},
		{"no protocol", "GET", "transport=websocket", upgrade, `{"code":5,"message":"Unsupported protocol version"}`},
		{"no upgrade", "GET", "EIO=4&transport=websocket", nil, `{"code":3,"message":"Bad request"}`},
		{"unknown session", "GET", "EIO=4&transport=websocket&sid=x", upgrade, `{"code":1,"message":"Session ID unknown"}`},
		{"live session", "GET", "EIO=4&transport=websocket&sid=" + live.SID, upgrade, `{"code":3,"message":"Bad request"}`},
		{"method", "PUT", "EIO=4&transport=websocket", upgrade, `{"code":2,"message":"Bad handshake method"}`},
		{"WebSocket version", "GET", "EIO=4&transport=websocket", http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"8"},
		}, `{"code":3,"message":"Bad request"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := s.get(c.method, c.query, c.header)
			if resp.StatusCode != 400 || body != c.body || resp.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s %q, want 400 %s", resp.Status, body, resp.Header.Get("Content-Type"), c.body)
			}
		})
	}
	c.send("40") // the live session goes on
	c.expectPrefix(`40{"sid":"`)
}

// A step of a transcript: what the client sends, or what it then receives.
type step func(c *client)

func send(packets ...string) step   { return func(c *client) { c.t.Helper(); c.send(packets...) } }
func binary(p ...string) step       { return func(c *client) { c.t.Helper(); c.sendBinary(byteses(p)...) } }
func expect(packets ...string) step { return func(c *client) { c.t.Helper(); c.expect(packets...) } }
func expectBinary(p ...string) step {
	return func(c *client) { c.t.Helper(); c.expectBinary(byteses(p)...) }
}
func expectPrefix(packet string) step {
	return func(c *client) { c.t.Helper(); c.expectPrefix(packet) }
}

func byteses(s []string) (b [][]byte) {
	for _, s := range s {
		b = append(b, []byte(s))
	}
	return b
}

func TestTranscripts(t *testing.T) {
	connect := send("40")
	connected := expectPrefix(`40{"sid":"`)
	alive := func(c *client) { c.t.Helper(); c.send(`42["echo","alive"]`); c.expect(`42["echo","alive"]`) }

	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"connect", []step{connect, connected, alive}},
		{"connect, name spelled out", []step{send("40/,"), connected, alive}},
		{"connect, with auth", []step{send(`40{"token":"x"}`), connected, alive}},
		{"another namespace", []step{
			send("40/other,"), expectPrefix(`40/other,{"sid":"`),
			send(`42/other,["echo",1]`), expect(`42/other,["echo",1]`),
		}},
		{"both namespaces", []step{
			connect, connected, send("40/other"), expectPrefix(`40/other,{"sid":"`),
			send("41/other,"), alive,
		}},
		{"invalid namespace", []step{
			send("40/nope,"), expect(`44/nope,{"message":"Invalid namespace"}`), connect, connected, alive,
		}},
		{"events behind the connect", []step{
			send("40", `42["echo",1]`, `42["echo",2]`), connected, expect(`42["echo",1]`, `42["echo",2]`),
		}},
		{"leave and come back", []step{
			connect, connected, send("41", "40", `42["echo",1]`), connected, expect(`42["echo",1]`),
		}},
		{"acknowledgement", []step{
			connect, connected, send(`427["x",1,{"a":"b"}]`), expect(`437[1,{"a":"b"}]`), send(`420["x"]`), expect(`430[]`),
		}},
		{"numeric event name", []step{connect, connected, send(`421[3,"a"]`), expect(`431["a"]`)}},
		{"binary event", []step{
			connect, connected,
			send(`452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), binary("\x00\x01\xff", ""),
			expect(`452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`), expectBinary("\x00\x01\xff", ""),
			alive,
		}},
		{"binary event, in base64", []step{
			connect, connected, send(`451-["echo",{"_placeholder":true,"num":0}]`, "bAAH/"),
			expect(`451-["echo",{"_placeholder":true,"num":0}]`), expectBinary("\x00\x01\xff"),
		}},
		{"binary acknowledgement", []step{
			connect, connected, send(`451-9["x",{"_placeholder":true,"num":0}]`), binary("abc"),
			expect(`461-9[{"_placeholder":true,"num":0}]`), expectBinary("abc"),
		}},
		{"binary event without attachments", []step{connect, connected, send(`450-["echo"]`), expect(`42["echo"]`), alive}},
		{"heartbeat reply between header and attachment", []step{
			connect, connected, send(`451-["echo",{"_placeholder":true,"num":0}]`, "3"), binary("abc"),
			expect(`451-["echo",{"_placeholder":true,"num":0}]`), expectBinary("abc"),
		}},
		{"ignored packets", []step{
			connect, connected, send("42", "4212", "43", "431", "431[]", `430["x"]`), alive,
			send("451-"), binary("x"), alive,
			send(`461-1[{"_placeholder":true,"num":0}]`), binary("x"), alive,
			send("3", "3", "3"), alive,
		}},
		{"bytes are kept", []step{connect, connected, verbatim}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, defaults())
			c := s.dial()
			for _, step := range test.steps {
				step(c)
			}
		})
	}
}

// verbatim sends JSON that every decoder and encoder would change.
func verbatim(c *client) {
	c.t.Helper()
	for _, args := range []string{
		`["echo",1.0,1e2,-0,12345678901234567890,0.1000,1e999]`,
		`["echo",{"z":1,"a":2,"a":3}]`,
		`["echo","\u0041\/<>&\ud83d\ude00é😀\u2028\ud800"]`,
		`[ "echo" , { "a" : [ ] } ]`,
		`["\u0065cho",null]`,
	} {
		c.send("42" + args)
		c.expect("42" + args)
	}
}

func TestConnect(t *testing.T) {
	s := serve(t, defaults())
	var fail error
	s.main.refuse = func([]byte) error { return fail }

	for _, auth := range []string{"", "{}", `{"token":1.0,"é":[]}`} {
		c := s.dial()
		c.send("40" + auth)
		var reply struct{ SID string }
		if err := json.Unmarshal([]byte(c.expectPrefix("40")[2:]), &reply); err != nil {
			t.Fatal(err)
		}
		r := s.main.next()
		if string(r.auth) != auth || (auth == "") != (r.auth == nil) {
			t.Errorf("auth %q, want %q", r.auth, auth)
		}
		if r.ID() != reply.SID || time.Since(r.Socket.Opened()) > patience || r.Info() != nil {
			t.Errorf("socket %q %v %v, reply %q", r.ID(), r.Socket.Opened(), r.Info(), reply.SID)
		}
	}

	fail = errors.New(`no "<&>"`)
	c := s.dial()
	c.send("40")
	c.expect(`44{"message":"no \"<&>\""}`)
	fail = fmt.Errorf("wrapped: %w", &socketio.ConnectError{Message: "Unauthorized"})
	c.send("40")
	c.expect(`44{"message":"Unauthorized"}`)
	fail = nil
	c.send("40")
	c.expectPrefix(`40{"sid":"`)

	fail = &socketio.ConnectError{Message: "Rate limit exceeded", Close: true}
	c = s.dial()
	c.send("40", "40", "40") // what comes behind the first is not looked at
	c.expect(`44{"message":"Rate limit exceeded"}`)
	c.expectClose(1000)
}

func TestHostilePackets(t *testing.T) {
	text := func(p ...string) func(*client) { return func(c *client) { c.send(p...) } }
	header := `1-["x",{"_placeholder":true,"num":0}]`
	for _, test := range []struct {
		name   string
		send   func(*client)
		before bool // before the connect
		code   int
	}{
		{"event before the connect", text(`42["x"]`), true, 1000},
		{"empty event before the connect", text(`42`), true, 1000},
		{"disconnect before the connect", text(`41`), true, 1000},
		{"acknowledgement before the connect", text(`431[]`), true, 1000},
		{"binary event before the connect", text(`45` + header), true, 1000},
		{"connect error before the connect", text(`44{"message":"x"}`), true, 1000},
		{"attachment before the connect", func(c *client) { c.sendBinary([]byte("x")) }, true, 1000},
		{"second connect", text(`40`), false, 1000},
		{"connect error", text(`44{"message":"x"}`), false, 1000},
		{"event elsewhere", text(`42/other,["x"]`), false, 1000},
		{"disconnect elsewhere", text(`41/other,`), false, 1000},
		{"reserved connect", text(`42["connect"]`), false, 1000},
		{"reserved connect_error", text(`42["connect_error"]`), false, 1000},
		{"reserved disconnect", text(`42["disconnect"]`), false, 1000},
		{"reserved disconnecting", text(`42["disconnecting"]`), false, 1000},
		{"reserved newListener", text(`42["newListener"]`), false, 1000},
		{"reserved removeListener", text(`42["removeListener"]`), false, 1000},
		{"reserved, escaped", text(`42["\u0063onnect"]`), false, 1000},
		{"no Socket.IO packet", text(`4`), false, 1000},
		{"unknown packet type", text(`47`), false, 1000},
		{"event with an object", text(`42{}`), false, 1000},
		{"event without a name", text(`42[]`), false, 1000},
		{"event called null", text(`42[null]`), false, 1000},
		{"half an event", text(`42["x`), false, 1000},
		{"connect with an array", text(`40/other,[]`), false, 1000},
		{"connect with half an object", text(`40/other,{`), false, 1000},
		{"disconnect with a payload", text(`41{}`), false, 1000},
		{"acknowledgement with an object", text(`431{}`), false, 1000},
		{"half an acknowledgement", text(`431[`), false, 1000},
		{"enormous id", text(`42999999999999999999999999["x"]`), false, 1000},
		{"no attachment count", text(`45["x"]`), false, 1000},
		{"too many attachments", text(`4511-["x"]`), false, 1000},
		{"enormous attachment count", text(`4599999999999999999999-["x"]`), false, 1000},
		{"text instead of an attachment", text(`45`+header, `42["x"]`), false, 1000},
		{"attachment without a header", func(c *client) { c.sendBinary([]byte("x")) }, false, 1000},
		{"attachment too many", func(c *client) {
			c.send(`45` + header)
			c.sendBinary([]byte("x"), []byte("x"))
		}, false, 1000},
		{"text that is not UTF-8", text("42[\"\xff\"]"), false, 1007},
		{"close packet", text(`1`), false, 1000},
		{"ping", text(`2`), false, 0},
		{"unknown Engine.IO packet", text(`9`), false, 0},
		{"empty message", text(``), false, 0},
		{"base64 without a header", text(`b!`), false, 1000},
		{"malformed, says the receiver", text(`42["malformed"]`), false, 1000},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, defaults())
			s.main.handle = func(_ *receiver, e *socketio.Event) error {
				if string(e.Name) == "malformed" {
					return socketio.ErrMalformed
				}
				return nil
			}
			bystander, _ := s.join()
			var (
				c *client
				r *receiver
			)
			if test.before {
				c = s.dial()
			} else {
				c, r = s.join()
			}
			test.send(c)
			c.expectClose(test.code)
			if r != nil {
				r.waitClosed()
				if log := r.log(); log != "opened closed" && log != "opened event closed" {
					t.Errorf("calls: %s", log)
				}
			}
			bystander.send(`421["x"]`, "41", "40")
			bystander.expectPrefix(`40{"sid":"`)
		})
	}
}

func TestTooLarge(t *testing.T) {
	for _, test := range []struct {
		name string
		send func(*client)
	}{
		{"a little", func(c *client) { c.send(`42["` + strings.Repeat("x", testMaxPayload) + `"]`) }},
		{"twice", func(c *client) { c.send("42" + strings.Repeat("x", 2*testMaxPayload-2)) }},
		{"enormous", func(c *client) { c.send(strings.Repeat("4", 10<<20)) }},
		{"in fragments without an end", func(c *client) {
			w, err := c.conn.NextWriter(websocket.TextMessage)
			if err != nil {
				c.t.Fatal(err)
			}
			for range 3 {
				if _, err := w.Write(make([]byte, testMaxPayload)); err != nil {
					c.t.Fatal(err)
				}
			}
		}},
		{"an attachment", func(c *client) {
			c.send(`451-["x",{"_placeholder":true,"num":0}]`)
			c.sendBinary(make([]byte, testMaxPayload+1))
		}},
		{"the attachments together", func(c *client) {
			c.send(`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
			c.sendBinary(make([]byte, testMaxPayload/2), make([]byte, testMaxPayload/2+1))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, defaults())
			s.main.large = func(r *receiver) {
				if err := r.Emit([]byte(`["error","Message too large"]`), nil, nil); err != nil {
					t.Errorf("emit: %v", err)
				}
			}
			c, r := s.join()
			test.send(c)
			c.expect(`42["error","Message too large"]`)
			c.expectClose(1009)
			if reason := r.waitClosed(); reason != reasonTransport || r.log() != "opened too large closed" {
				t.Errorf("calls: %s, closed for %q", r.log(), reason)
			}
		})
	}

	t.Run("just not", func(t *testing.T) {
		s := serve(t, defaults())
		c, _ := s.join()
		p := `42["echo","` + strings.Repeat("x", testMaxPayload-13) + `"]`
		if len(p) != testMaxPayload {
			t.Fatal(len(p))
		}
		c.send(p)
		c.expect(p)
		header := `452-["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
		half := bytes.Repeat([]byte("x"), testMaxPayload/2)
		c.send(header)
		c.sendBinary(half, half)
		c.expect(header)
		c.expectBinary(half, half)
	})
}

// Of events that arrive together none may overtake another.
func TestOrder(t *testing.T) {
	const n = 10_000
	s := serve(t, defaults())
	c, _ := s.join()
	go func() {
		for i := range n {
			if c.conn.WriteMessage(1, fmt.Appendf(nil, `42["echo",%d]`, i)) != nil {
				return
			}
		}
	}()
	// The client's ping replies would be written by two goroutines: the test is
	// shorter than the ping interval where it is not, pings go unanswered.
	for i := range n {
		_, p, err := c.conn.ReadMessage()
		for err == nil && string(p) == "2" {
			_, p, err = c.conn.ReadMessage()
		}
		if want := fmt.Sprintf(`42["echo",%d]`, i); err != nil || string(p) != want {
			t.Fatalf("read %q %v, want %s", p, err, want)
		}
	}
}

func TestReasons(t *testing.T) {
	s := serve(t, defaults())
	for _, test := range []struct {
		name, reason string
		end          func(*client, *receiver)
	}{
		{"client leaves", reasonClient, func(c *client, _ *receiver) { c.send("41") }},
		{"server disconnects", reasonServer, func(c *client, r *receiver) {
			r.Disconnect()
			r.Disconnect()
			if err := r.Emit([]byte(`["x"]`), nil, nil); err != socketio.ErrClosed {
				t.Errorf("emit: %v", err)
			}
			c.expect("41")
			c.expectClose(1000)
		}},
		{"connection ends", reasonTransport, func(c *client, _ *receiver) { c.conn.Close() }},
		{"malformed packet", reasonParse, func(c *client, _ *receiver) { c.send("4x") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, r := s.join()
			test.end(c, r)
			if reason := r.waitClosed(); reason != test.reason {
				t.Errorf("closed for %q, want %q", reason, test.reason)
			}
			if err := r.Emit([]byte(`["x"]`), nil, nil); err != socketio.ErrClosed {
				t.Errorf("emit: %v", err)
			}
			if err := r.Ack(1, []byte(`[]`), nil, nil); err != socketio.ErrClosed {
				t.Errorf("ack: %v", err)
			}
			r.Disconnect()
		})
	}
}

func TestConnectTimeout(t *testing.T) {
	opts := defaults()
	opts.ConnectTimeout = 100 * time.Millisecond
	s := serve(t, opts)

	stays, _ := s.join()
	never := s.dial()
	left, r := s.join()
	left.send("41")
	if r.waitClosed() != reasonClient {
		t.Error(r.log())
	}
	never.expectClose(1000)
	left.expectClose(1000)
	stays.send(`42["echo"]`)
	stays.expect(`42["echo"]`)
}
