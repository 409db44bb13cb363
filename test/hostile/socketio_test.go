package hostile

import (
	"errors"
	"fmt"
	"strings"
)

// withFile is the header of a packet with an attachment.
const withFile = `451-["offer",{"to":"nobody","from":"x","offer":{"_placeholder":true,"num":0}}]`

// socketIORows are Socket.IO packets that no client sends (Socket.IO protocol
// 5, "Packet encoding").
var socketIORows = []row{
	frames("socket.io/42", inside, text("42"), ignored()),
	frames("socket.io/42 many times", inside, repeat(text("42"), 1000), ignored()),
	frames("socket.io/42 in no namespace", outside, text("42"), closed(1000)),
	frames("socket.io/40 twice", inside, text("40"), closed(1000)),
	frames("socket.io/41 and back", inside, text("41")+text("40"), answered("40{…")),
	frames("socket.io/41 twice", inside, text("41")+text("41"), closed(1000)),
	frames("socket.io/41 in no namespace", outside, text("41"), closed(1000)),
	frames("socket.io/43", inside, text("43"), ignored()),
	frames("socket.io/acknowledgement nobody asked for", inside, text(`431[]`)+text(`43999[{"ok":true}]`), ignored()),
	frames("socket.io/44", inside, text("44"), closed(1000)),
	frames("socket.io/44 with an error", inside, text(`44{"message":"x"}`), closed(1000)),
	frames("socket.io/45", inside, text("45"), closed(1000)),
	frames("socket.io/46", inside, text("46"), closed(1000)),
	frames("socket.io/no payload, no attachments", inside, text("450-")+text("460-"), ignored()),
	frames("socket.io/no payload, one attachment", inside, text("451-")+data("x"), ignored()),
	group("socket.io/no packet type", inside, closed(1000), text("47"), text("48"), text("4x"), text("4 "), text("4\x00"), text("4-1"), text("4[]"), text("4é")),

	group("socket.io/payload of the wrong kind", inside, closed(1000),
		text(`42{}`), text(`42"ping"`), text(`42null`), text(`42x`), text(`42[`), text(`42]`), text(`42[]`), text(`42[,]`), text(`42[ ]`),
		text(`42["ping"`), text(`42["ping",`), text(`42["ping",]`), text(`42["ping"]]`), text(`42["ping"]x`), text(`42["ping"}`), text(`42[null]`),
		text(`42[{}]`), text(`42[["ping"]]`), text(`42[true]`), text("42[\"ping\n\"]"), text(`42["\x"]`), text(`42["\u12"]`), text(`42["ping",01]`),
		text(`42["ping",1.]`), text(`42["ping",NaN]`), text(`42["ping",'x']`), text(`42["ping",{"a"}]`), text(`42["ping",{"a":}]`), text(`42["ping",{a:1}]`),
		text(`42["ping",{"a":1,}]`), text(`42["ping",tru]`), text(`42-1["ping"]`), text(`421x["ping"]`), text("42\ufeff[\"ping\"]")),
	group("socket.io/truncated register", inside, closed(1000), prefixes(`42["register",{"userId":"nobody"}]`, text("4"))...),
	group("socket.io/truncated relay with an attachment", inside, closed(1000), prefixes(withFile, text(`42["ping"]`))...),
	group("socket.io/reserved event", inside, closed(1000),
		text(`42["connect"]`), text(`42["connect_error"]`), text(`42["disconnect"]`), text(`42["disconnecting"]`), text(`42["newListener"]`),
		text(`42["removeListener"]`), text(`42["\u0063onnect"]`)),
	group("socket.io/unknown event", inside, ignored(),
		text(`42["x"]`), text(`42[""]`), text(`42[1]`), text(`42[-1.5e3,{}]`), text(`42["constructor"]`), text(`42["__proto__",{"a":1}]`), text(`42["\ud800"]`)),

	frames("socket.io/attachment without header", inside, data("x"), closed(1000)),
	frames("socket.io/attachment in no namespace", outside, data("x"), closed(1000)),
	frames("socket.io/text instead of attachment", inside, text(withFile)+text(`42["ping"]`), closed(1000)),
	frames("socket.io/header after header", inside, text(withFile)+text(withFile), closed(1000)),
	frames("socket.io/one attachment too many", named, text(`451-["x",{"_placeholder":true,"num":0}]`)+data("x")+data("y"), closed(1000)),
	frames("socket.io/heartbeat between header and attachment", named, text(withFile)+text("3")+data("x"), answered(`42["error",…`)),
	frames("socket.io/close between header and attachment", inside, text(withFile)+text("1"), closed(1000)),
	group("socket.io/attachment counts", inside, closed(1000),
		text(`45-["x"]`), text(`45["x"]`), text(`451["x"]`), text(`45-1-["x"]`), text(`451.5-["x"]`), text(`45x-["x"]`), text(`4511-["x"]`), text(`4599999-["x"]`),
		text(`45999999999999999999999999-["x"]`), text(`46-[]`), text(`4611-[]`)),
	frames("socket.io/no attachments but a placeholder", inside, text(`450-["offer",{"to":"nobody","from":"x","offer":{"_placeholder":true,"num":0}}]`), answered(`42["error","Not registered"]`)),
	frames("socket.io/placeholder in a text packet", inside, text(`42["offer",{"to":"nobody","from":"x","offer":{"_placeholder":true,"num":0}}]`), answered(`42["error","Not registered"]`)),
	group("socket.io/placeholder of no attachment", x, closed(1000),
		text(withNumber("1"))+data("x"), text(withNumber("-1"))+data("x"), text(withNumber("99999999999999999999"))+data("x"), text(withNumber(`"0"`))+data("x"), text(withNumber("0.5"))+data("x")),
	frames("socket.io/acknowledgement with attachments", inside, text(`461-0[{"_placeholder":true,"num":0}]`)+data("x"), ignored()),

	group("socket.io/namespace not joined", inside, closed(1000),
		text(`42/other,["ping"]`), text(`41/other`), text(`43/other,1[]`), text(`450-/other,["ping"]`), text(`42/,/["ping"]`), text(`42//,["ping"]`)),
	frames("socket.io/unknown namespace", inside, text(`40/other`), answered(`44/other,{"message":"Invalid namespace"}`)),
	{"socket.io/a thousand namespaces", func(s *server) error {
		c := s.joined()
		var wants []string
		for i := range 1000 {
			c.put(text(fmt.Sprintf("40/n%d,", i)))
			wants = append(wants, fmt.Sprintf(`44/n%d,{"message":"Invalid namespace"}`, i))
		}
		c.expect(wants...)
		inside.alive(c)
		return c.end()
	}},
	frames("socket.io/payload of a CONNECT", entering, text(`40{"token":"x","n":{"a":[1]}}`), answered("40{…")),
	group("socket.io/payload of a CONNECT of the wrong kind", outside, closed(1000),
		text(`40[]`), text(`40x`), text(`40{`), text(`40{}x`), text(`40"x"`), text(`40null`), text(`40{"a":}`)),
	frames("socket.io/namespaces with strange names", outside, text("40/\x01")+text(`40/"\`)+text("40/é,")+text("40/"+strings.Repeat("n", 20_000)+","),
		answered("44/\x01,{\"message\":\"Invalid namespace\"}", `44/"\,{"message":"Invalid namespace"}`, `44/é,{"message":"Invalid namespace"}`, "44/nnn…")),

	frames("socket.io/largest acknowledgement id", inside, text(`429999999999999999999["ping"]`), answered(`42["pong"]`, `439999999999999999999[{"ok":true}]`)),
	frames("socket.io/acknowledgement id with zeros", inside, text(`42007["ping"]`), answered(`42["pong"]`, `437[{"ok":true}]`)),
	group("socket.io/acknowledgement ids without end", inside, closed(1000),
		text("42"+strings.Repeat("9", 20)+`["ping"]`), text("42"+strings.Repeat("1", 90_000)+`["ping"]`), text("42"+strings.Repeat("0", 90_000)), text("43"+strings.Repeat("9", 90_000))),
	{"socket.io/join and leave again and again", func(s *server) error {
		c := s.opened()
		for range 300 {
			c.put(text("40"))
			c.expect("40{…")
			c.put(text("41"))
		}
		outside.alive(c)
		return c.end()
	}},
}

// withNumber is withFile with another number of the attachment.
func withNumber(n string) string {
	return `451-["offer",{"to":"nobody","from":"x","offer":{"_placeholder":true,"num":` + n + `}}]`
}

// oodaaRows are events with strange arguments (contract, section 1).
var oodaaRows = []row{
	group("oodaa/register without a name", inside, answered(`42["error","Invalid user ID"]`),
		text(`42["register"]`), text(`42["register",null]`), text(`42["register",{}]`), text(`42["register",[]]`), text(`42["register","x"]`), text(`42["register",{"userId":""}]`),
		text(`42["register",{"userId":1}]`), text(`42["register",{"userId":["x"]}]`), text(`42["register",{"userId":"`+strings.Repeat("x", 51)+`"}]`),
		text(`42["register",{"userId":"`+strings.Repeat("😀", 26)+`"}]`), text(`42["register",{"userId":"x","userId":null}]`), text(`42["register",{"USERID":"x"}]`)),
	{"oodaa/duplicate keys", func(s *server) error {
		last := unique()
		c := s.joined()
		c.put(text(`42["register",{"userId":"first","userId":"` + last + `"}]`))
		c.expect(`42["user-list",…`)
		c.put(text(`42["offer",{"to":"x","to":"nobody","from":"first","fr\u006fm":"` + last + `","offer":0,"offer":1}]`))
		c.expect(`42["error","User nobody not found"]`)
		return c.end()
	}},
	frames("oodaa/relay without a name", inside, text(`42["offer",{"to":"healthy-a","from":"healthy-b","offer":"x"}]`), answered(`42["error","Not registered"]`)),
	group("oodaa/relay under another's name", named, answered(`42["error","Sender mismatch"]`),
		text(`42["offer",{"to":"healthy-a","from":"healthy-b","offer":"x"}]`), text(`42["ice-candidate",{"to":"healthy-b","from":"healthy-a","candidate":{"candidate":"candidate:0 1"}}]`)),
	group("oodaa/relay without fields", named, answered(`42["error","Invalid offer data"]`),
		text(`42["offer"]`), text(`42["offer",null]`), text(`42["offer",[]]`), text(`42["offer","x"]`), text(`42["offer",{"to":"x","from":"y"}]`), text(`42["offer",{"to":"x","from":"y","offer":null}]`),
		text(`42["offer",{"to":"x","from":"y","offer":0}]`), text(`42["offer",{"to":"x","from":"y","offer":false}]`), text(`42["offer",{"to":"x","from":"y","offer":""}]`),
		text(`42["offer",{"to":["x"],"from":"y","offer":1}]`), text(`42["offer",{"to":"x","from":{"a":1},"offer":1}]`), text(`42["offer",{"to":"","from":"y","offer":1}]`)),
	{"oodaa/register ten thousand names", func(s *server) error {
		c := s.joined()
		for range 10_000 / scale {
			c.put(text(`42["register",{"userId":"` + unique() + `"}]`))
			c.expect(`42["user-list",…`)
		}
		return c.end()
	}},
	{"oodaa/takeover back and forth", func(s *server) error {
		name := unique()
		var errs []error
		holder := s.registered(name)
		for range 100 {
			next := s.registered(name)
			holder.expect("41")
			holder.closed(1000)
			errs = append(errs, holder.end())
			holder = next
		}
		inside.alive(holder)
		return errors.Join(append(errs, holder.end())...)
	}},
	{"oodaa/relay to itself", func(s *server) error {
		name := unique()
		c := s.registered(name)
		c.put(text(`42["offer",{"to":"` + name + `","from":"` + name + `","offer":[1.50]}]`))
		c.expect(`42["offer",{"from":"` + name + `","offer":[1.50]}]`)
		return c.end()
	}},
}
