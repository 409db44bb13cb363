package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestBodiesAreJSONOfTheirSize(t *testing.T) {
	make := map[string]func(int) (body, error){
		"ice-candidate": candidate,
		"offer":         func(n int) (body, error) { return description("offer", n) },
		"answer":        func(n int) (body, error) { return description("answer", n) },
	}
	for kind, make := range make {
		if _, err := make(10); err == nil {
			t.Errorf("%s of 10 bytes is possible", kind)
		}
		for _, size := range []int{180, 200, 201, 500, 1000, 3000, 65536} {
			b, err := make(size)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.text) != size || b.event != kind || b.text[b.numberAt:][:digits] != strings.Repeat("0", digits) {
				t.Errorf("%s of %d bytes is %+v", kind, size, b)
			}
			// As it is, it is what JavaScript's JSON.stringify makes: a server
			// that decodes and encodes it again does not change it.
			var decoded struct {
				Type, SDP, Candidate, SDPMid, UsernameFragment string
				SDPMLineIndex                                  *int
			}
			if err := json.Unmarshal([]byte(b.text), &decoded); err != nil {
				t.Errorf("%s of %d bytes: %v", kind, size, err)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, []byte(b.text)); err != nil || compact.String() != b.text {
				t.Errorf("%s of %d bytes has spaces, or is none: %v", kind, size, err)
			}
			if kind == "ice-candidate" && (!strings.HasPrefix(decoded.Candidate, "candidate:0000000000 1 udp ") || decoded.SDPMLineIndex == nil) ||
				kind != "ice-candidate" && (decoded.Type != kind || !strings.HasPrefix(decoded.SDP, "v=0\r\n") || !strings.HasSuffix(decoded.SDP, "\r\n")) {
				t.Errorf("%s of %d bytes is %s", kind, size, b.text)
			}
		}
	}
}

func TestTemplates(t *testing.T) {
	b := body{"ice-candidate", "candidate", `{"candidate":"0000000000"}`, 14}
	for _, test := range []struct {
		protocol       *protocol
		raw            bool
		sent, received string
	}{
		{
			protocols[0], false,
			`42["ice-candidate",{"to":"b","from":"a","candidate":{"candidate":"0000000007"}}]`,
			`42["ice-candidate",{"from":"a","candidate":{"candidate":"0000000007"}}]`,
		},
		{
			protocols[0], true,
			`42["ice-candidate",{"to":"b","from":"a","candidate":{"candidate":"0000000007"}}]`,
			`42["ice-candidate",{"to":"b","from":"a","candidate":{"candidate":"0000000007"}}]`,
		},
		{
			protocols[1], false,
			`{"type":"ice-candidate","from":"a","to":"b","candidate":{"candidate":"0000000007"}}`,
			`{"type":"ice-candidate","from":"a","to":"b","candidate":{"candidate":"0000000007"}}`,
		},
	} {
		m := test.protocol.template("a", "b", b, test.raw)
		putNumber(m.sent[m.sentAt:], 7)
		putNumber(m.received[m.receivedAt:], 7)
		if string(m.sent) != test.sent || string(m.received) != test.received {
			t.Errorf("%s, raw %t: sent %s, received %s", test.protocol.name, test.raw, m.sent, m.received)
		}
	}
}
