package main

import (
	"fmt"
	"strings"
)

// A body is what is relayed: JSON as browsers write it, with a number of ten
// digits in it, by which it is recognised.
type body struct {
	event, key string
	text       string
	numberAt   int
}

const (
	candidateStart = `{"candidate":"candidate:`
	candidateRest  = ` 1 udp 2122260223 192.168.178.23 54321 typ host`
	candidateMore  = ` generation 0 ufrag 8hQ1 network-id 1 network-cost 10`
	candidateEnd   = `","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"8hQ1"}`

	sdpStart = `","sdp":"v=0\r\no=- `
	sdpRest  = ` 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n`
	sdpEnd   = `\r\n"}`
)

var sdpLines = []string{
	`m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n`, `c=IN IP4 0.0.0.0\r\n`,
	`a=rtcp:9 IN IP4 0.0.0.0\r\n`, `a=ice-ufrag:8hQ1\r\n`, `a=ice-pwd:By5sC3N2p0u1bVxkF8yWqTzR\r\n`,
	`a=ice-options:trickle\r\n`, `a=setup:actpass\r\n`, `a=mid:0\r\n`,
	`a=fingerprint:sha-256 7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\r\n`,
	`a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n`, `a=sendrecv\r\n`, `a=rtcp-mux\r\n`,
	`a=rtpmap:111 opus/48000/2\r\n`, `a=rtcp-fb:111 transport-cc\r\n`, `a=fmtp:111 minptime=10;useinbandfec=1\r\n`,
	`a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r\n`,
}

// candidate is the body of an ice-candidate of size bytes.
func candidate(size int) (body, error) {
	start, end := candidateStart, candidateRest
	fill := size - len(start) - digits - len(end) - len(candidateEnd)
	if fill < 0 {
		return body{}, fmt.Errorf("a candidate has at least %d bytes", size-fill)
	}
	text := start + strings.Repeat("0", digits) + end + repeat(candidateMore, fill) + candidateEnd
	return body{"ice-candidate", "candidate", text, len(start)}, nil
}

// description is the body of an offer or an answer of size bytes.
func description(kind string, size int) (body, error) {
	start := `{"type":"` + kind + sdpStart
	text := start + strings.Repeat("0", digits) + sdpRest
	fill := size - len(text) - len("a=x:") - len(sdpEnd)
	if fill < 0 {
		return body{}, fmt.Errorf("an %s has at least %d bytes", kind, size-fill)
	}
	for i := 0; len(sdpLines[i%len(sdpLines)]) <= fill; i++ {
		text += sdpLines[i%len(sdpLines)]
		fill -= len(sdpLines[i%len(sdpLines)])
	}
	return body{kind, kind, text + "a=x:" + strings.Repeat("x", fill) + sdpEnd, len(start)}, nil
}

// repeat returns the first n bytes of s, s, s…
func repeat(s string, n int) string { return strings.Repeat(s, n/len(s)+1)[:n] }
