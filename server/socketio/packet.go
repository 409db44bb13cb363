package socketio

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/oodaa/signaling/server/rawjson"
)

// A PacketType is a Socket.IO packet type (Socket.IO protocol 5, "Packet types").
type PacketType byte

const (
	PacketConnect PacketType = iota
	PacketDisconnect
	PacketEvent
	PacketAck
	PacketConnectError
	PacketBinaryEvent
	PacketBinaryAck
)

// A Packet is a decoded Socket.IO packet (Socket.IO protocol 5, "Packet
// encoding"). Its slices point into what it was decoded from.
type Packet struct {
	Type        PacketType
	Attachments int
	Namespace   []byte
	ID          int64 // NoAck if it has none; the bits of a uint64, which has room for 19 digits
	// Data is the JSON payload as it came, or empty. Only its first bytes
	// have been looked at.
	Data []byte
}

var mainNamespace = []byte("/")

// DecodePacket decodes b, the content of an Engine.IO message packet, by the
// rules that socket.io-parser 4 decodes by. The error, if any, is ErrMalformed.
func DecodePacket(b []byte) (Packet, error) {
	p := Packet{Namespace: mainNamespace, ID: NoAck}
	if len(b) == 0 || b[0] < '0' || b[0] > '6' {
		return p, fmt.Errorf("%w: unknown packet type", ErrMalformed)
	}
	p.Type = PacketType(b[0] - '0')
	b = b[1:]

	if p.Type == PacketBinaryEvent || p.Type == PacketBinaryAck {
		n, rest, ok := number(b)
		if !ok || len(rest) == len(b) || len(rest) == 0 || rest[0] != '-' {
			return p, fmt.Errorf("%w: attachment count", ErrMalformed)
		}
		if n > MaxAttachments {
			return p, fmt.Errorf("%w: too many attachments", ErrMalformed)
		}
		p.Attachments, b = int(n), rest[1:]
	}
	if len(b) > 0 && b[0] == '/' {
		if comma := bytes.IndexByte(b, ','); comma >= 0 {
			p.Namespace, b = b[:comma], b[comma+1:]
		} else {
			p.Namespace, b = b, nil
		}
	}
	if id, rest, ok := number(b); len(rest) < len(b) {
		if !ok {
			return p, fmt.Errorf("%w: acknowledgement id", ErrMalformed)
		}
		p.ID, b = int64(id), rest
	}
	b = rawjson.SkipSpace(b)
	p.Data = b
	if len(b) == 0 {
		return p, nil
	}
	switch p.Type {
	case PacketConnect:
		if b[0] == '{' {
			if _, rest, ok := rawjson.SkipValue(b); ok && len(rawjson.SkipSpace(rest)) == 0 {
				return p, nil
			}
		}
	case PacketEvent, PacketBinaryEvent, PacketAck, PacketBinaryAck:
		if b[0] == '[' {
			return p, nil
		}
	case PacketConnectError:
		if b[0] == '{' || b[0] == '"' {
			return p, nil
		}
	}
	return p, fmt.Errorf("%w: invalid payload", ErrMalformed)
}

// maxDigits is how many digits of a number fit a uint64, whatever they are.
const maxDigits = 19

// number reads the digits at the start of b. ok is false where they are too many
// to count with.
func number(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i > maxDigits {
		return 0, b[i:], false
	}
	for _, c := range b[:i] {
		n = n*10 + uint64(c-'0')
	}
	return n, b[i:], true
}

// EventName reads the first element of an EVENT's or BINARY_EVENT's Data: a
// string that is not a reserved name, with its escapes resolved, or a number, for
// which name is nil. rest is what follows it.
func (p *Packet) EventName() (name, rest []byte, err error) {
	if len(p.Data) == 0 {
		return nil, nil, fmt.Errorf("%w: no payload", ErrMalformed)
	}
	raw, rest, ok := rawjson.SkipValue(p.Data[1:])
	if !ok {
		return nil, nil, fmt.Errorf("%w: event name", ErrMalformed)
	}
	switch c := raw[0]; {
	case c == '"':
		name = raw[1 : len(raw)-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = []byte(rawjson.DecodeString(raw))
		}
		if reserved(name) {
			return nil, nil, fmt.Errorf("%w: reserved event", ErrMalformed)
		}
		return name, rest, nil
	case c == '-' || c >= '0' && c <= '9':
		return nil, rest, nil
	}
	return nil, nil, fmt.Errorf("%w: event name", ErrMalformed)
}

// reserved names cannot be sent as events.
func reserved(name []byte) bool {
	switch string(name) {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// AppendPacket appends an encoded packet. attachments counts for the binary
// types only; id may be NoAck, and data empty.
func AppendPacket(dst []byte, t PacketType, attachments int, namespace string, id int64, data []byte) []byte {
	dst = appendPacketHead(dst, t, attachments, namespace, id)
	return append(dst, data...)
}

func appendPacketHead(dst []byte, t PacketType, attachments int, namespace string, id int64) []byte {
	dst = append(dst, '0'+byte(t))
	if t == PacketBinaryEvent || t == PacketBinaryAck {
		dst = append(strconv.AppendInt(dst, int64(attachments), 10), '-')
	}
	if namespace != "/" {
		dst = append(append(dst, namespace...), ',')
	}
	if id != NoAck {
		dst = strconv.AppendUint(dst, uint64(id), 10)
	}
	return dst
}
