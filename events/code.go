package events

import (
	"sync/atomic"
	"unicode/utf8"
)

// A Code is the outcome of an event. Each family has its own text for it.
type Code uint8

const (
	OK Code = iota
	InvalidUserID
	InvalidData // of a relay
	NotFound    // the target of a relay is not online, or has no form for it
	NotRegistered
	SenderMismatch
	TooLarge
	RateLimited
	UserNotAllowed
	Unauthorized
	Unavailable // the server cannot do this now

	// Of Volli's family only.
	InvalidFormat
	UnknownType
	MissingFields
	InvalidProof // of a key, or the name is held by another key
	codes

	// Pending is no outcome yet: the relay is on its way.
	Pending
)

// shared are the texts that both families get.
var shared = [codes]string{
	InvalidUserID:  "Invalid user ID",
	NotRegistered:  "Not registered",
	SenderMismatch: "Sender mismatch",
	TooLarge:       "Message too large",
	RateLimited:    "Rate limit exceeded",
	UserNotAllowed: "User ID not allowed",
	Unauthorized:   "Unauthorized",
	Unavailable:    "Server unavailable",
	InvalidFormat:  "Invalid message format",
	UnknownType:    "Unknown message type",
	MissingFields:  "Missing required fields",
	InvalidProof:   "Invalid proof",
}

// OodaaText is the error text for clients of Oodaa's family. kind and to
// matter where the code is about a relay.
func (c Code) OodaaText(kind Kind, to []byte) string {
	switch c {
	case InvalidData:
		return kinds[kind].invalid
	case NotFound:
		return "User " + cut(to) + " not found"
	case InvalidProof: // these clients have no keys
		return shared[UserNotAllowed]
	}
	return shared[c]
}

// VolliText is the error text for clients of Volli's family.
func (c Code) VolliText(to []byte) string {
	switch c {
	case InvalidUserID, InvalidData:
		return shared[MissingFields]
	case NotFound:
		return "User " + cut(to) + " is not online"
	}
	return shared[c]
}

// maxNamed is how many bytes of a name a text repeats.
const maxNamed = 256

// cut is a name as a text repeats it: whole characters of it.
func cut(to []byte) string {
	if len(to) <= maxNamed {
		return string(to)
	}
	end := maxNamed
	for end > 0 && !utf8.RuneStart(to[end]) {
		end--
	}
	return string(to[:end])
}

// results name outcomes of relays for the metrics.
var results = [codes]string{
	OK: "ok", InvalidData: "invalid", NotFound: "not_found", NotRegistered: "not_registered",
	SenderMismatch: "sender_mismatch", TooLarge: "too_large", Unavailable: "unavailable",
	MissingFields: "invalid",
}

// Asked are the events that are not relayed.
type Asked uint8

const (
	AskedRegister Asked = iota
	AskedUsers
	AskedPing
	AskedDiscover
	AskedICEServers
	AskedProof
	AskedOther // what clients of that family do not send
	asked
)

var askedNames = [asked]string{"register", "get-users", "ping", "discover", "get-ice-servers", "proof", "other"}

// Counts counts what happened. The zero value is ready; it is safe for
// concurrent use.
type Counts struct {
	relays  [Kinds][codes]atomic.Uint64
	oodaa   [codes][Kinds]atomic.Uint64
	volli   [codes]atomic.Uint64
	asked   [asked]atomic.Uint64
	limited atomic.Uint64
}

// Relays is how many relays were put on their target's connection, by event.
func (c *Counts) Relays() map[string]uint64 {
	m := make(map[string]uint64, Kinds)
	for k := range c.relays {
		m[kinds[k].event] = c.relays[k][OK].Load()
	}
	return m
}

// Results calls f with how many relays of each event had each result that can
// be.
func (c *Counts) Results(f func(event, result string, n uint64)) {
	for k := range c.relays {
		for code, result := range results {
			if result != "" && Code(code) != MissingFields {
				n := c.relays[k][code].Load()
				if Code(code) == InvalidData {
					n += c.relays[k][MissingFields].Load()
				}
				f(kinds[k].event, result, n)
			}
		}
	}
}

// Events calls f with how many events of each name arrived.
func (c *Counts) Events(f func(event string, n uint64)) {
	for k := range c.relays {
		var n uint64
		for code := range c.relays[k] {
			n += c.relays[k][code].Load()
		}
		f(kinds[k].event, n)
	}
	for a := range c.asked {
		f(askedNames[a], c.asked[a].Load())
	}
}

// Limited is how many messages were over their connection's limit.
func (c *Counts) Limited() uint64 { return c.limited.Load() }

// Event counts an event that is not relayed.
func (c *Counts) Event(a Asked) { c.asked[a].Add(1) }

// Errors is how many errors clients were answered with, by text. Where the
// text names a user, "<to>" stands for it.
func (c *Counts) Errors() map[string]uint64 {
	m := make(map[string]uint64)
	add := func(text string, n uint64) {
		if n > 0 {
			m[text] += n
		}
	}
	for code := range codes {
		for k := range Kinds {
			add(code.OodaaText(k, []byte("<to>")), c.oodaa[code][k].Load())
		}
		add(code.VolliText([]byte("<to>")), c.volli[code].Load())
	}
	return m
}

// Relay counts a relay with its outcome.
func (c *Counts) Relay(kind Kind, code Code) { c.relays[kind][code].Add(1) }

// Limit counts a message that was over its connection's limit.
func (c *Counts) Limit() { c.limited.Add(1) }

// OodaaError counts an error that a client of Oodaa's family gets.
func (c *Counts) OodaaError(code Code, kind Kind) { c.oodaa[code][kind].Add(1) }

// VolliError counts an error that a client of Volli's family gets.
func (c *Counts) VolliError(code Code) { c.volli[code].Add(1) }
