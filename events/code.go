package events

import "sync/atomic"

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
	Unavailable // the server is shutting down

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
	Unavailable:    "Server is shutting down",
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
		return "User " + string(to) + " not found"
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
		return "User " + string(to) + " is not online"
	}
	return shared[c]
}

// Counts counts what happened. The zero value is ready; it is safe for
// concurrent use.
type Counts struct {
	relays [Kinds]atomic.Uint64
	oodaa  [codes][Kinds]atomic.Uint64
	volli  [codes]atomic.Uint64
}

// Relays is how many relays were put on their target's connection, by event.
func (c *Counts) Relays() map[string]uint64 {
	m := make(map[string]uint64, Kinds)
	for k := range c.relays {
		m[kinds[k].event] = c.relays[k].Load()
	}
	return m
}

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

// Relayed counts a relay that was put on its target's connection.
func (c *Counts) Relayed(kind Kind) { c.relays[kind].Add(1) }

// OodaaError counts an error that a client of Oodaa's family gets.
func (c *Counts) OodaaError(code Code, kind Kind) { c.oodaa[code][kind].Add(1) }

// VolliError counts an error that a client of Volli's family gets.
func (c *Counts) VolliError(code Code) { c.volli[code].Add(1) }
