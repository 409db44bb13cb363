package oodaa

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/socketio"
)

// TestTranscripts plays what clients do, line by line, and compares what all of
// them get:
//
//	A connects            and says no more; "after 45s" of its handshake
//	A > ["event",…]       A sends an event, or several
//	A >7 ["event",…]      A sends an event with an acknowledgement id
//	A > … ++ 00ff aa      A sends an event with attachments
//	A leaves              A's connection ends
//	A fails closed        what A is sent from now on fails: closed, or slow
//	A too large           A sends too large a message
//	wait 30s, drain       time passes, the server stops
//	A < ["event",…]       A gets an event; before its next one in the file
//	A <7 […]              A gets an acknowledgement
//	A < disconnect        A is disconnected for good: it gets a DISCONNECT packet
//	A < close             A's transport is closed: it may come back
//	A malformed           A's connection is closed for what it sent
//	with name=value       the server's options
func TestTranscripts(t *testing.T) {
	for _, name := range []string{"register", "relay", "other", "watch"} {
		text, err := os.ReadFile("testdata/" + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split("\n"+string(text), "\n== ")[1:] {
			title, script, _ := strings.Cut(part, "\n")
			t.Run(name+"/"+title, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { play(t, script) })
			})
		}
	}
}

func play(t *testing.T, script string) {
	s := &server{t: t, presence: true, gateway: Gateway{MaxMessage: 1 << 20, MaxOutbox: 4 << 20}}
	s.handlers.RegisterTimeout = time.Minute
	started := false
	clients := make(map[string]*testClient)
	done := ""
	want := make(map[string][]string)
	check := func() {
		t.Helper()
		got := make(map[string][]string)
		for name, c := range clients {
			if heard := c.take(); len(heard) > 0 {
				got[name] = heard
			}
		}
		if len(got)+len(want) > 0 && !equal(got, want) {
			t.Errorf("%s\ngot  %s\nwant %s", done, show(got), show(want))
		}
		clear(want)
	}

	for _, line := range strings.Split(script, "\n") {
		who, what, _ := strings.Cut(line, " ")
		switch {
		case line == "" || line[0] == '#':
			continue
		case what == "malformed":
			want[who] = append(want[who], what)
			continue
		case strings.HasPrefix(what, "<"):
			want[who] = append(want[who], strings.TrimSpace(what[1:]))
			continue
		case who == "with":
			option, value, _ := strings.Cut(what, "=")
			switch option {
			case "presence":
				s.presence, s.watched = value != "none", value == "watched"
			case "max-message":
				s.gateway.MaxMessage, _ = strconv.Atoi(value)
			case "max-outbox":
				s.gateway.MaxOutbox, _ = strconv.Atoi(value)
			default:
				t.Fatalf("unknown option: %s", line)
			}
			continue
		}
		check()
		done = line
		if !started {
			s.start()
			started = true
		}
		c := clients[who]
		verb, rest, _ := strings.Cut(what, " ")
		switch {
		case line == "drain":
			s.hub.Drain()
		case who == "wait":
			time.Sleep(duration(t, what))
		case verb == "connects":
			since := time.Now()
			if after, ok := strings.CutPrefix(rest, "after "); ok {
				time.Sleep(duration(t, after))
			}
			clients[who] = s.connect(who, since)
		case c == nil:
			t.Fatalf("not understood: %s", line)
		case verb == "leaves":
			c.Closed("transport close")
		case line == who+" fails closed":
			c.fail(socketio.ErrClosed)
		case line == who+" fails slow":
			c.fail(socketio.ErrSlow)
		case line == who+" too large":
			c.TooLarge()
		case verb[0] == '>':
			ack := socketio.NoAck
			if len(verb) > 1 {
				ack, _ = strconv.ParseInt(verb[1:], 10, 64)
			}
			c.sendLine(rest, ack)
		default:
			t.Fatalf("not understood: %s", line)
		}
		s.settle()
	}
	check()
}

func duration(t *testing.T, text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sendLine sends the events of a line, one after the other, and with the last
// one the attachments.
func (c *testClient) sendLine(line string, ack int64) {
	line, encoded, _ := strings.Cut(line, " ++ ")
	var attachments [][]byte
	for _, digits := range strings.Fields(encoded) {
		a, err := hex.DecodeString(digits)
		if err != nil {
			c.server.t.Fatal(err)
		}
		attachments = append(attachments, a)
	}
	d := json.NewDecoder(strings.NewReader(line))
	var several []string
	for d.More() {
		var args json.RawMessage
		if d.Decode(&args) != nil {
			several = nil
			break
		}
		several = append(several, string(args))
	}
	if len(several) < 2 {
		several = []string{line} // as it stands, with its errors
	}
	for _, args := range several {
		if err := c.send(args, ack, attachments); errors.Is(err, socketio.ErrMalformed) {
			c.hear("malformed")
		} else if err != nil {
			c.server.t.Errorf("%s: %v", args, err)
		}
	}
}

func equal(a, b map[string][]string) bool {
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return len(a) == len(b)
}

func show(heard map[string][]string) string {
	var b bytes.Buffer
	for _, name := range []string{"A", "B", "C", "W"} {
		for _, h := range heard[name] {
			b.WriteString("\n  " + name + " < " + h)
		}
	}
	return b.String()
}
