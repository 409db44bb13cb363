package volli

import (
	"strconv"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// What clients get: JSON objects, each with its type.

func appendRegistered(dst []byte, id []byte) []byte {
	dst = append(dst, `{"type":"registered","success":true,"userId":`...)
	return append(append(dst, id...), '}')
}

func appendChallenge(dst []byte, nonce string) []byte {
	return append(append(append(dst, `{"type":"challenge","nonce":"`...), nonce...), '"', '}')
}

// appendDiscovery appends what there is to know about id: u holds the name, or
// is nil.
func appendDiscovery(dst []byte, id string, u *hub.User) []byte {
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
func appendRelay(dst []byte, r *hub.Relay) []byte {
	dst = append(dst, `{"type":"`...)
	dst = append(dst, r.Kind.Event()...)
	dst = append(dst, `","from":`...)
	dst = append(dst, r.From.JSON...)
	dst = append(dst, `,"to":`...)
	dst = rawjson.AppendString(dst, string(r.To))
	dst = append(dst, `,"`...)
	dst = append(dst, r.Kind.Payload()...)
	dst = append(dst, `":`...)
	dst = append(dst, r.Payload...)
	return append(dst, '}')
}

// spellPresence is the message about a change of presence.
func spellPresence(c *hub.Change) []byte {
	dst := append([]byte(`{"type":"presence","userId":`), c.User.JSON...)
	return append(strconv.AppendBool(append(dst, `,"online":`...), c.Online), '}')
}

// spellPresenceList is the message with the watched users that are online.
func spellPresenceList(online *hub.Roster) []byte {
	dst := online.AppendNames([]byte(`{"type":"presence-list","online":[`), nil)
	return append(dst, `]}`...)
}

// appendError appends an error: its text, and its code.
func appendError(dst []byte, outcome hub.Outcome, to []byte) []byte {
	dst = append(dst, `{"type":"error","message":`...)
	dst = append(rawjson.AppendString(dst, text(outcome, to)), `,"code":"`...)
	return append(append(dst, events.Code(own(outcome))...), `"}`...)
}

// own is the outcome as this family has it, which has one error for all that
// may be wrong with a message's fields.
func own(outcome hub.Outcome) hub.Outcome {
	if outcome == hub.InvalidUserID || outcome == hub.InvalidData {
		return hub.MissingFields
	}
	return outcome
}

// spellICEServers is the message with a JSON object of ICE servers: the object,
// and its type.
func spellICEServers(servers []byte) []byte {
	return append([]byte(`{"type":"ice-servers",`), servers[1:]...)
}

// text is the error text for an outcome. to matters where it is about a relay.
func text(outcome hub.Outcome, to []byte) string {
	switch outcome {
	case hub.NotFound:
		return "User " + events.Named(to) + " is not online"
	case hub.NotResponding:
		return events.NotRespondingText(to)
	}
	return events.Text(own(outcome))
}
