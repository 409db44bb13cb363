package volli

import (
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// The fields of all messages. Which of them a message needs depends on its type.
const (
	fieldType = iota
	fieldUserID
	fieldPublicKey
	fieldFrom
	fieldTo
	fieldUserIDs
	fieldAdd
	fieldRemove
	fieldPayload // first of the payloads, in the order of hub.Kind
	fields       = fieldPayload + int(hub.Custom)
)

var fieldNames = func() []string {
	names := []string{"type", "userId", "publicKey", "from", "to", "userIds", "add", "remove"}
	for k := range hub.Custom {
		names = append(names, k.Payload())
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
