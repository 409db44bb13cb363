package oodaa

import (
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// The arguments of events: of the JSON array `["event",…]` the part behind the
// name. Only the first argument counts, but all must be JSON.

var (
	registerKeys = []string{"userId"}
	watchKeys    = []string{"users", "add", "remove"}
	relayKeys    = func() (keys [hub.Kinds][]string) {
		for k := range hub.Kinds {
			keys[k] = []string{"to", "from", k.Payload()}
		}
		return keys
	}()
)

// scanArguments finds members of the first argument, an object; where it is
// something else, there are none. It reports whether the arguments are JSON.
func scanArguments(rest []byte, keys []string, values [][]byte) bool {
	clear(values)
	rest = rawjson.SkipSpace(rest)
	if len(rest) > 0 && rest[0] == ',' {
		first := rawjson.SkipSpace(rest[1:])
		var ok bool
		if len(first) > 0 && first[0] == '{' {
			rest, ok = rawjson.ScanObject(first, keys, values)
		} else {
			_, rest, ok = rawjson.SkipValue(first)
		}
		if !ok {
			return false
		}
	}
	return rawjson.ValidTail(rest)
}

// readRegister reads the arguments of a register. ok tells whether they are
// JSON at all; the outcome is OK or InvalidUserID.
func readRegister(rest []byte) (userID string, outcome hub.Outcome, ok bool) {
	var values [1][]byte
	if !scanArguments(rest, registerKeys, values[:]) {
		return "", hub.InvalidData, false
	}
	raw := values[0]
	if !rawjson.IsString(raw) {
		return "", hub.InvalidUserID, true
	}
	id := rawjson.Decode(raw)
	if len(id) == 0 || rawjson.UTF16Len(id) > events.MaxOodaaUserID {
		return "", hub.InvalidUserID, true
	}
	return string(id), hub.OK, true
}

// readWatch reads the arguments of a watch-users. ok tells whether they are JSON at
// all.
func readWatch(rest []byte) (asked events.Watching, ok bool) {
	var values [3][]byte
	ok = scanArguments(rest, watchKeys, values[:])
	return events.Watching{Users: values[0], Add: values[1], Remove: values[2]}, ok
}

// readRelay reads the arguments of a relay into r: To and Payload. from is the
// raw sender. ok tells whether they are JSON at all; the outcome is OK or
// InvalidData.
func readRelay(rest []byte, kind hub.Kind, r *hub.Relay) (from []byte, outcome hub.Outcome, ok bool) {
	r.Kind = kind
	var values [3][]byte
	if !scanArguments(rest, relayKeys[kind], values[:]) {
		return nil, hub.InvalidData, false
	}
	to, from, payload := values[0], values[1], values[2]
	if !rawjson.IsString(to) || !rawjson.IsString(from) || len(to) == 2 || len(from) == 2 || !events.ValidPayload(payload) {
		return nil, hub.InvalidData, true
	}
	r.To, r.Payload = rawjson.Decode(to), payload
	return from, hub.OK, true
}
