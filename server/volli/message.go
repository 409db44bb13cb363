package volli

import (
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/rawjson"
)

// The fields of all messages. Which of them a message needs depends on its type.
const (
	fieldType = iota
	fieldUserID
	fieldPublicKey
	fieldFrom
	fieldTo
	fieldBody // first of the bodies, in the order of events.Kind
	fields    = fieldBody + int(events.Custom)
)

var fieldNames = func() []string {
	names := []string{"type", "userId", "publicKey", "from", "to"}
	for k := range events.Custom {
		names = append(names, k.Body())
	}
	return names
}()

// message is one message from a client: the raw JSON of each field, or nil.
type message [fields][]byte

// read reads a message. It reports whether p is one JSON object.
func (m *message) read(p []byte) bool {
	rest, ok := rawjson.ScanObject(p, fieldNames, m[:])
	return ok && len(rawjson.SkipSpace(rest)) == 0
}

// text returns the string in a field, or "" if it is missing, no string,
// empty, or longer than limit bytes.
func (m *message) text(field, limit int) string {
	raw := m[field]
	if !rawjson.IsString(raw) || len(raw)-2 > 6*limit {
		return ""
	}
	s := rawjson.DecodeString(raw)
	if len(s) > limit {
		return ""
	}
	return s
}

// The messages to clients.

func appendRegistered(dst []byte, id string) []byte {
	dst = append(dst, `{"type":"registered","success":true,"userId":`...)
	return append(rawjson.AppendString(dst, id), '}')
}

func appendChallenge(dst []byte, nonce string) []byte {
	return append(append(append(dst, `{"type":"challenge","nonce":"`...), nonce...), '"', '}')
}

// appendDiscovery appends what there is to know about id: u holds the name, or
// is nil.
func appendDiscovery(dst []byte, id string, u *events.User) []byte {
	dst = append(dst, `{"type":"discover-response","userId":`...)
	dst = rawjson.AppendString(dst, id)
	if u == nil {
		return append(dst, `,"online":false}`...)
	}
	dst = append(dst, `,"online":true`...)
	if key := u.Key(); key != "" {
		dst = rawjson.AppendString(append(dst, `,"publicKey":`...), key)
	}
	return append(dst, '}')
}

// appendRelay appends what a client of another family sent, in this one's form.
func appendRelay(dst []byte, r *events.Relay) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, r.Kind.Event()...)
	dst = append(dst, `","from":`...)
	dst = append(dst, r.From.JSON...)
	dst = append(dst, `,"to":`...)
	dst = rawjson.AppendString(dst, string(r.To))
	dst = append(dst, `,"`...)
	dst = append(dst, r.Kind.Body()...)
	dst = append(dst, `":`...)
	dst = append(dst, r.Body...)
	return append(dst, '}')
}

func appendError(dst []byte, text string) []byte {
	dst = append(dst, `{"type":"error","message":`...)
	return append(rawjson.AppendString(dst, text), '}')
}
