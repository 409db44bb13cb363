package hostile

import (
	"fmt"
	"strings"
)

// unread is the end for what the library's Engine.IO layer finds wrong by itself,
// before ours gets to see it: it has no Close frame for that.
var unread = closed(1000).but(want{code: noCode})

// engineIORows are Engine.IO packets that no client sends (Engine.IO protocol 4,
// "Protocol"). Node's engine closes the connection at each, too.
var engineIORows = []row{
	framesByEngine("engine.io/empty text frame", inside, sent(text("")), unread),
	// Not a client's to send, but some do.
	frames("engine.io/open", inside, text("0"), ignored()),
	frames("engine.io/open with a handshake", inside, text(`0{"sid":"x"}`), ignored()),
	frames("engine.io/close", inside, text("1"), closed(1000)),
	framesByEngine("engine.io/ping", inside, sent(text("2")), unread),
	framesByEngine("engine.io/ping as a probe", inside, sent(text("2probe")), unread),
	frames("engine.io/pong unasked", inside, text("3"), ignored()),
	frames("engine.io/pong with data", inside, text("3probe"), ignored()),
	frames("engine.io/a thousand pongs", inside, repeat(text("3"), 1000), ignored()),
	frames("engine.io/empty message", inside, text("4"), closed(1000)),
	frames("engine.io/upgrade", inside, text("5"), ignored()),
	frames("engine.io/noop", inside, text("6"), ignored()),
	frames("engine.io/endless upgrades", inside, repeat(text("5"), 10_000), ignored()),
	frames("engine.io/endless noops with data", inside, repeat(text("6probe"), 10_000), ignored()),
	frames("engine.io/large open", inside, text("0"+strings.Repeat("x", 10_000)), ignored()),
	groupByEngine("engine.io/no packet type", inside, unread,
		text("7"), text("9"), text("x"), text(" "), text("\x00"), text("é"), text("{}"), text("[]"), text("\"")),
	// Base64 is an attachment, and so closes where no packet wants one.
	group("engine.io/base64 without header", inside, closed(1000), text("b"), text("bAAAA"), text("b!"), text("b"+strings.Repeat("A", 30_000))),
	frames("engine.io/base64 in no namespace", outside, text("bAAAA"), closed(1000)),
	frames("engine.io/base64 one too many", named, text(`451-["x",{"_placeholder":true,"num":0}]`)+text("bAAAA")+text("bAAAA"), closed(1000)),
	frames("engine.io/base64 of garbage", named, text(`451-["x",{"_placeholder":true,"num":0}]`)+text("b!\x00é=== \n"), ignored()),
	frames("engine.io/base64 as attachment", named, text(`451-["x",{"_placeholder":true,"num":0}]`)+text("b-_=A"), ignored()),
	group("engine.io/before the namespace", outside, closed(1000), text("1"), text("4")),
	group("engine.io/of a server, before the namespace", outside, ignored(), text("0"), text("5"), text("6")),
	frames("engine.io/a payload of polling's", inside, text("42[\"ping\"]\x1e42[\"ping\"]"), closed(1000)),
	frames("engine.io/binary frame", inside, data("4"), closed(1000)),
	frames("engine.io/empty binary frame", inside, data(""), closed(1000)),
	{"engine.io/pong at once after the upgrade", func(s *server) error {
		for range 20 {
			c := s.tcp()
			c.put(handshake(oodaaPath) + text("3") + text("3") + text("40"))
			c.status(101)
			c.expect("0{…", "40{…")
			inside.alive(c)
			if err := c.end(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"engine.io/42 at once after the upgrade", func(s *server) error {
		for range 20 {
			c := s.tcp()
			c.put(handshake(oodaaPath) + text("42"))
			c.status(101)
			c.openedAndClosed(s)
			if err := c.end(); err != nil {
				return err
			}
		}
		return nil
	}},
	{"engine.io/close at once after the upgrade", func(s *server) error {
		c := s.tcp()
		c.put(handshake(oodaaPath) + text("1") + text("40"))
		c.status(101)
		c.openedAndClosed(s)
		return c.end()
	}},
}

// openedAndClosed reads the handshake of a session that is closed at once. The
// library may be so quick to close it that it never sends one.
func (c *conn) openedAndClosed(s *server) {
	m := c.next()
	switch {
	case c.err != nil:
	case m.op == opText && strings.HasPrefix(m.payload, "0{"):
		c.closed(1000)
	case m.op == opClose && s.engine == zishang:
		c.put(closing(1000, ""))
		c.gone()
	default:
		c.err = fmt.Errorf("got %v instead of a handshake", m)
	}
}
