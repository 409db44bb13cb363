package oodaa

import (
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

// FuzzRelay compares ReadRelay with a reading by encoding/json: what is taken,
// what is refused, and the bytes of the body.
func FuzzRelay(f *testing.F) {
	for _, rest := range malformed {
		f.Add([]byte(rest), uint8(hub.Offer))
	}
	f.Add([]byte(candidateArguments), uint8(hub.Candidate))
	f.Add([]byte(sdpArguments), uint8(hub.Offer))
	f.Add([]byte(`,{"to":"b","from":"\ud83d\ude00","to":"\ud83d","\u006dessage":-0.0e5,"message":[1]}, 2 ] `), uint8(hub.Custom))
	f.Add([]byte(`,{"to":"b","from":"a","answer":1e-400}]`), uint8(hub.Answer))
	f.Add([]byte(`,[{"to":"b","from":"a","answer":1}]]`), uint8(hub.Answer))
	f.Fuzz(func(t *testing.T, rest []byte, kind uint8) { checkRelay(t, rest, hub.Kind(kind)%hub.Kinds) })
}

// What genuine clients send: a candidate of 200 bytes, and an offer of 3 KB.
var (
	candidateArguments = `,{"to":"bob-5f2c","from":"alice-81d0","candidate":{"candidate":"candidate:842163049 1 udp 1677729535 203.0.113.7 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw","sdpMid":"0","sdpMLineIndex":0}}]`
	sdpArguments       = `,{"to":"bob-5f2c","from":"alice-81d0","offer":{"type":"offer","sdp":"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n` +
		strings.Repeat(`a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n`, 28) + `"}}]`
)
