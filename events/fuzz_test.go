package events

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzScan compares SkipValue and ScanObject with encoding/json.
func FuzzScan(f *testing.F) {
	for _, doc := range documents {
		f.Add([]byte(doc))
	}
	for _, nest := range nests(300) {
		f.Add([]byte(nest[0] + nest[1]))
	}
	f.Add([]byte(sdpArguments[len(`,`):]))
	f.Fuzz(func(t *testing.T, p []byte) { checkScan(t, p) })
}

// FuzzRelay compares ReadRelay with a reading by encoding/json: what is taken,
// what is refused, and the bytes of the body.
func FuzzRelay(f *testing.F) {
	for _, rest := range malformed {
		f.Add([]byte(rest), uint8(Offer))
	}
	f.Add([]byte(candidateArguments), uint8(Candidate))
	f.Add([]byte(sdpArguments), uint8(Offer))
	f.Add([]byte(`,{"to":"b","from":"\ud83d\ude00","to":"\ud83d","\u006dessage":-0.0e5,"message":[1]}, 2 ] `), uint8(Custom))
	f.Add([]byte(`,{"to":"b","from":"a","answer":1e-400}]`), uint8(Answer))
	f.Add([]byte(`,[{"to":"b","from":"a","answer":1}]]`), uint8(Answer))
	f.Fuzz(func(t *testing.T, rest []byte, kind uint8) { checkRelay(t, rest, Kind(kind)%Kinds) })
}

// FuzzString compares the strings of two JSON documents with JavaScript's, and
// encodes any string.
func FuzzString(f *testing.F) {
	for _, raw := range []string{
		`"alice"`, `"\"\\\/\b\f\n\r\t\u0000"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\ud83d\ude00"`, `"😀é\u2028"`, "\"\x7f\"",
	} {
		f.Add([]byte(raw), []byte(`"\u0061\ud83d"`))
	}
	f.Add([]byte(`a"\`+"\n\x00\x1f"), []byte(`"\ufffd"`))
	isString := func(p []byte) bool { return utf8.Valid(p) && json.Valid(p) && p[0] == '"' && p[len(p)-1] == '"' }
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if isString(a) && isString(b) {
			checkString(t, a, b)
		}
		if !utf8.Valid(a) {
			return
		}
		raw := AppendString(nil, string(a))
		var got string
		if err := json.Unmarshal(raw, &got); err != nil || got != string(a) || DecodeString(raw) != string(a) {
			t.Fatalf("AppendString(%q) = %q, which is %q to encoding/json (%v), and %q to DecodeString", a, raw, got, err, DecodeString(raw))
		}
	})
}

// FuzzAttach compares Attach with a walk through what encoding/json reads.
func FuzzAttach(f *testing.F) {
	const p = `{"_placeholder":true,"num":`
	for _, body := range []string{
		`{}`, `[1,"x",{"y":null}]`, p + `0}`, `[` + p + `1},` + p + `0}]`, p + `0,"x":` + p + `1.0}}`, p + `1e0}`, p + `-0}`, p + `7}`, p + `0.5}`,
		`{"_pl\u0061ceholder":true,"num":[0],"num":2}`, `{"_placeholder":true,"_placeholder":{},"num":9}`, `[[[` + p + `1} ] , {"a":` + p + `2}}]]`,
		`{"sdp":"v=0\r\n","file":` + p + `3}}`,
	} {
		f.Add([]byte(body), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, n uint8) {
		if !utf8.Valid(body) || !json.Valid(body) {
			return
		}
		checkAttach(t, body, int(n)%12)
	})
}

// What genuine clients send: a candidate of 200 bytes, and an offer of 3 KB.
var (
	candidateArguments = `,{"to":"bob-5f2c","from":"alice-81d0","candidate":{"candidate":"candidate:842163049 1 udp 1677729535 203.0.113.7 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw","sdpMid":"0","sdpMLineIndex":0}}]`
	sdpArguments       = `,{"to":"bob-5f2c","from":"alice-81d0","offer":{"type":"offer","sdp":"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n` +
		strings.Repeat(`a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n`, 28) + `"}}]`
)
