package socketio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oodaa/signaling/server/wire"
)

// A listener is a MessageHandler that keeps what it gets.
type listener struct{ got []wire.Message }

func (l *listener) Message(p []byte, binary bool, _ *wire.Batch) (wire.Hold, error) {
	l.got = append(l.got, wire.Message{Binary: binary, Payload: bytes.Clone(p)})
	return nil, nil
}
func (*listener) TooLarge()     {}
func (*listener) OverRate()     {}
func (*listener) Closed(string) {}

// receiveAll has a session handle a payload.
func receiveAll(s *Session, body []byte) (err error) {
	for more := true; more && err == nil; {
		body, more, err = s.receivePart(body)
	}
	return err
}

// idle is a polling session that no client has.
func idle(e *EngineIO) (*Session, *listener) {
	l := &listener{}
	s := &Session{engine: e, handler: l}
	s.polling = newPolling(s)
	return s, l
}

func sameMessages(a, b []wire.Message) bool {
	return slices.EqualFunc(a, b, func(a, b wire.Message) bool {
		return a.Binary == b.Binary && bytes.Equal(a.Payload, b.Payload)
	})
}

// What is queued for a poll is one payload, in order.
func TestPayload(t *testing.T) {
	e := NewEngineIO(defaults(), nil)
	defer func() { _ = e.Shutdown(cutNow()) }()
	s, _ := idle(e)
	p := s.polling
	if payload, last := p.take(); string(payload) != "6" || last {
		t.Errorf("nothing queued: %q, %v", payload, last)
	}
	if err := s.Send(nil,
		wire.Message{Prefix: []byte("4"), Payload: []byte("a")},
		wire.Message{Binary: true, Payload: []byte{1, 2, 3, 4}},
		wire.Message{Prefix: []byte("4")},
		wire.Message{Binary: true},
	); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(nil, wire.Message{Prefix: []byte("2")}); err != nil {
		t.Fatal(err)
	}
	p.last = engineClose
	if payload, last := p.take(); string(payload) != "4a\x1ebAQIDBA==\x1e4\x1eb\x1e2" || last {
		t.Errorf("got %q, %v", payload, last)
	}
	if payload, last := p.take(); string(payload) != "1" || !last {
		t.Errorf("at last: %q, %v", payload, last)
	}
}

// lenientBase64 is what Node's Buffer.from(text, "base64") returns.
func lenientBase64(text string) []byte {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case r >= '0' && r <= '9', r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r == '+', r == '/':
			return r
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1]
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return data
}

// TestDecodeBase64 has the forms that clients send: values are those of Node 20.
func TestDecodeBase64(t *testing.T) {
	lines := strings.Repeat("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n", 3)
	for text, want := range map[string]string{
		"+//+Pg==": "\xfb\xff\xfe\x3e", "+//+Pg": "\xfb\xff\xfe\x3e", "+//+Pg=": "\xfb\xff\xfe\x3e", "+//+Pg===": "\xfb\xff\xfe\x3e",
		"-__-Pg==": "\xfb\xff\xfe\x3e", "-__-Pg": "\xfb\xff\xfe\x3e", "+//+\r\nPg==\n": "\xfb\xff\xfe\x3e", "+//+ Pg==": "\xfb\xff\xfe\x3e",
		"": "", "=": "", "A": "", "AAAA A": "\x00\x00\x00", "!\x00\xff€": "", lines: strings.Repeat("\x07", 3*57),
	} {
		if got := string(DecodeBase64([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := string(lenientBase64(text)); got != want {
			t.Errorf("%q: the oracle has %q, want %q", text, got, want)
		}
	}
}

// TestToUTF8 has the examples of the Unicode standard, section 3.9, tables 3-8 to
// 3-11, and others.
func TestToUTF8(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		"ä€😀":                                  "ä€😀",
		"\xff":                                 "\ufffd",
		"a\xff\xfeb":                           "a\ufffd\ufffdb",
		"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82A":    "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xed\xa0\x80\xed\xbf\xbf\xed\xafA":    "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdA",
		"\xf4\x91\x92\x93\xffA\x80\xbfB":       "\ufffd\ufffd\ufffd\ufffd\ufffdA\ufffd\ufffdB",
		"\xe1\x80\xe2\xf0\x91\x92\xf1\xbfA":    "\ufffd\ufffd\ufffd\ufffdA",
		"\xe2\x82":                             "\ufffd",
		"\xf0\x9f\x98":                         "\ufffd",
		"\xef\xbf\xbd is what it is, \xe2\x28": "\ufffd is what it is, \ufffd(",
	} {
		if got := string(toUTF8([]byte(text))); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Any payload at all: nothing panics, and the messages in it, sent back, make a
// payload with the same messages in it.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		"", "4", "4a", "4a\x1e4b", "bAQIDBA==", "b", "4a\x1ebAQI=\x1e4", "3", "3probe", "2", "1", "4a\x1e1\x1e4b",
		"\x1e", "4a\x1e", "b!!!", "bAQI", "bAQ\nI=", "5", "6", "0{}", "4€", "4\xff", "4b\x1eb4", "bAQIDBA==AAAA",
	} {
		f.Add([]byte(seed))
	}
	e := NewEngineIO(defaults(), nil)
	f.Cleanup(func() { _ = e.Shutdown(cutNow()) })
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !utf8.Valid(payload) {
			t.Skip("refused before")
		}
		s, in := idle(e)
		defer e.deadlines.Stop(&s.heartbeat)
		err := receiveAll(s, bytes.Clone(payload))
		if err != nil && !errors.Is(err, ErrMalformed) && err != errClientClose {
			t.Fatalf("error %v", err)
		}

		// The same by the letter of the protocol.
		var want []wire.Message
		var wantErr error
	packets:
		for packet := range strings.SplitSeq(string(payload), "\x1e") {
			kind, rest := byte(0), ""
			if packet != "" {
				kind, rest = packet[0], packet[1:]
			}
			switch kind {
			case '4':
				want = append(want, wire.Message{Payload: []byte(rest)})
			case 'b':
				want = append(want, wire.Message{Binary: true, Payload: lenientBase64(rest)})
			case '3', '0', '5', '6':
			case '1':
				wantErr = errClientClose
				break packets
			default:
				wantErr = ErrMalformed
				break packets
			}
		}
		if !sameMessages(in.got, want) || !errors.Is(err, wantErr) {
			t.Fatalf("got %v, %v, want %v, %v", in.got, err, want, wantErr)
		}
		if len(in.got) == 0 {
			return
		}

		back, _ := idle(e)
		for _, m := range in.got {
			if !m.Binary {
				m.Prefix = []byte(MessagePrefix)
			}
			if err := back.Send(nil, m); err != nil {
				t.Fatal(err)
			}
		}
		again, out := idle(e)
		sent, _ := back.polling.take()
		if err := receiveAll(again, sent); err != nil {
			t.Fatalf("%q, sent back as %q: %v", payload, sent, err)
		}
		if !sameMessages(in.got, out.got) {
			t.Fatalf("got %v, sent back %v", in.got, out.got)
		}
	})
}
