package socketio

import (
	"encoding/base64"

	"github.com/oodaa/signaling/server/wire"
)

// Binary messages travel as base64 while a client polls, and as text frames "b…"
// to and from clients that cannot do otherwise (Engine.IO protocol 4, "Packet
// encoding").

// BinaryPrefix begins a binary message in base64.
const BinaryPrefix = 'b'

// base64Values is the value of each character of both alphabets (RFC 4648,
// sections 4 and 5), or 0xff.
var base64Values = func() (values [256]byte) {
	for i := range values {
		values[i] = 0xff
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	for i := range alphabet {
		values[alphabet[i]] = byte(i)
	}
	values['-'], values['_'] = values['+'], values['/']
	return values
}()

// DecodeBase64 decodes src in place, as Node's Buffer does: characters outside of
// the alphabets do not count, so that padding, line breaks and garbage are all
// the same to it. It cannot fail.
func DecodeBase64(src []byte) []byte {
	dst := src[:0]
	var bits uint32
	n := 0 // characters in bits
	for _, c := range src {
		v := base64Values[c]
		if v == 0xff {
			continue
		}
		bits = bits<<6 | uint32(v)
		if n++; n == 4 {
			dst = append(dst, byte(bits>>16), byte(bits>>8), byte(bits))
			bits, n = 0, 0
		}
	}
	switch n {
	case 2:
		dst = append(dst, byte(bits>>4))
	case 3:
		dst = append(dst, byte(bits>>10), byte(bits>>2))
	}
	return dst
}

// TextMessages are messages for a client that takes text frames only. They own
// their bytes.
func TextMessages(messages []wire.Message) []wire.Message {
	texts := make([]wire.Message, len(messages))
	for i := range messages {
		m := &messages[i]
		if m.Binary {
			texts[i].Payload = appendBinary(make([]byte, 0, 1+base64.StdEncoding.EncodedLen(len(m.Payload))), m.Payload)
		} else {
			texts[i].Payload = append(append([]byte(nil), m.Prefix...), m.Payload...)
		}
	}
	return texts
}

func appendBinary(dst, data []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(dst, BinaryPrefix), data)
}
