package events

import "github.com/oodaa/signaling/server/rawjson"

// The arguments of Oodaa's events: of the JSON array `["event",…]` the part
// behind the name. Only the first argument counts, but all must be JSON.

var (
	registerKeys = []string{"userId"}
	relayKeys    = func() (keys [Kinds][]string) {
		for k := range kinds {
			keys[k] = []string{"to", "from", kinds[k].body}
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

// ReadRegister reads the arguments of a register. ok tells whether they are
// JSON at all; code is OK or InvalidUserID.
func ReadRegister(rest []byte) (userID string, code Code, ok bool) {
	var values [1][]byte
	if !scanArguments(rest, registerKeys, values[:]) {
		return "", InvalidData, false
	}
	raw := values[0]
	if !rawjson.IsString(raw) {
		return "", InvalidUserID, true
	}
	id := rawjson.Decode(raw)
	if len(id) == 0 || rawjson.UTF16Len(id) > MaxOodaaUserID {
		return "", InvalidUserID, true
	}
	return string(id), OK, true
}

// ReadRelay reads the arguments of a relay into r: To and Body. from is the
// raw sender. ok tells whether they are JSON at all; code is OK or InvalidData.
func ReadRelay(rest []byte, kind Kind, r *Relay) (from []byte, code Code, ok bool) {
	var values [3][]byte
	if !scanArguments(rest, relayKeys[kind], values[:]) {
		return nil, InvalidData, false
	}
	to, from, body := values[0], values[1], values[2]
	if !rawjson.IsString(to) || !rawjson.IsString(from) || len(to) == 2 || len(from) == 2 || rawjson.Falsy(body) {
		return nil, InvalidData, true
	}
	r.Kind, r.To, r.Body = kind, rawjson.Decode(to), body
	return from, OK, true
}

var relayHeads = func() (heads [Kinds][2]string) {
	for k := range kinds {
		heads[k] = [2]string{`["` + kinds[k].event + `",{"from":`, `,"` + kinds[k].body + `":`}
	}
	return heads
}()

// AppendRelay appends r as the arguments of its event, `["offer",{"from":…,"offer":…}]`,
// with body for its body.
func AppendRelay(dst []byte, r *Relay, body []byte) []byte {
	head := &relayHeads[r.Kind]
	dst = append(dst, head[0]...)
	dst = append(dst, r.From.JSON...)
	dst = append(dst, head[1]...)
	dst = append(dst, body...)
	return append(dst, '}', ']')
}

// AppendError appends `["error",text]`.
func AppendError(dst []byte, text string) []byte {
	dst = append(dst, `["error",`...)
	return append(rawjson.AppendString(dst, text), ']')
}

// AppendOutcome appends the argument of an acknowledgement: `[{"ok":true}]`, or
// with the text of an error.
func AppendOutcome(dst []byte, text string) []byte {
	if text == "" {
		return append(dst, `[{"ok":true}]`...)
	}
	dst = append(dst, `[{"ok":false,"error":`...)
	return append(rawjson.AppendString(dst, text), '}', ']')
}

// AppendPresence appends `["peer-connected",{"peerId":…}]`, or peer-disconnected.
func AppendPresence(dst []byte, event string, u *User) []byte {
	dst = append(dst, '[', '"')
	dst = append(dst, event...)
	dst = append(dst, `",{"peerId":`...)
	dst = append(dst, u.JSON...)
	return append(dst, '}', ']')
}
