package oodaa

import (
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// What clients get: events as JSON arrays, with their names.

var relayHeads = func() (heads [hub.Kinds][2]string) {
	for k := range hub.Kinds {
		heads[k] = [2]string{`["` + k.Event() + `",{"from":`, `,"` + k.Payload() + `":`}
	}
	return heads
}()

// appendRelay appends `["offer",{"from":…,"offer":…}]`.
func appendRelay(dst []byte, r *hub.Relay) []byte {
	head := &relayHeads[r.Kind]
	dst = append(dst, head[0]...)
	dst = append(dst, r.From.JSON...)
	dst = append(dst, head[1]...)
	dst = append(dst, r.Payload...)
	return append(dst, '}', ']')
}

// appendError appends `["error",text]`.
func appendError(dst []byte, text string) []byte {
	dst = append(dst, `["error",`...)
	return append(rawjson.AppendString(dst, text), ']')
}

// appendFailure appends the argument of an acknowledgement: the text of an error
// and its code.
func appendFailure(dst []byte, outcome hub.Outcome, text string) []byte {
	if outcome == hub.InvalidProof { // as in text
		outcome = hub.UserNotAllowed
	}
	dst = append(dst, `[{"ok":false,"error":`...)
	dst = append(rawjson.AppendString(dst, text), `,"code":"`...)
	return append(append(dst, events.Code(outcome)...), `"}]`...)
}

// spellChange is `["peer-connected",{"peerId":…}]`, or peer-disconnected.
func spellChange(c *hub.Change) []byte {
	head := `["peer-disconnected",{"peerId":`
	if c.Online {
		head = `["peer-connected",{"peerId":`
	}
	dst := append(make([]byte, 0, len(head)+len(c.User.JSON)+2), head...)
	dst = append(dst, c.User.JSON...)
	return append(dst, '}', ']')
}

// spellUsers is `["user-list",{"users":[…]}]` without the client's own user.
func spellUsers(users *hub.Roster, own *hub.User) []byte {
	dst := users.AppendNames([]byte(`["user-list",{"users":[`), own)
	return append(dst, `]}]`...)
}

// text is the error text for an outcome. kind and to matter where it is about a
// relay.
func text(outcome hub.Outcome, kind hub.Kind, to []byte) string {
	switch outcome {
	case hub.InvalidData:
		return invalidData[kind]
	case hub.NotFound:
		return "User " + events.Named(to) + " not found"
	case hub.NotResponding:
		return events.NotRespondingText(to)
	case hub.InvalidProof: // these clients have no keys
		return events.Text(hub.UserNotAllowed)
	}
	return events.Text(outcome)
}

var invalidData = [hub.Kinds]string{
	hub.Offer:     "Invalid offer data",
	hub.Answer:    "Invalid answer data",
	hub.Candidate: "Invalid ICE candidate data",
	hub.Custom:    "Invalid custom message data",
}
