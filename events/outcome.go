package events

import (
	"unicode/utf8"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/server/hub"
)

// texts are the error texts that both families have in common.
var texts = [hub.Outcomes]string{
	hub.InvalidUserID:  "Invalid user ID",
	hub.NotRegistered:  "Not registered",
	hub.SenderMismatch: "Sender mismatch",
	hub.TooLarge:       "Message too large",
	hub.RateLimited:    "Rate limit exceeded",
	hub.UserNotAllowed: "User ID not allowed",
	hub.Unauthorized:   "Unauthorized",
	hub.Unavailable:    "Server unavailable",
	hub.InvalidList:    "Invalid user list",
	hub.InvalidFormat:  "Invalid message format",
	hub.UnknownType:    "Unknown message type",
	hub.MissingFields:  "Missing required fields",
	hub.InvalidProof:   "Invalid proof",
}

// Text is the error text for an outcome, where a family has no text of its own.
func Text(outcome hub.Outcome) string { return texts[outcome] }

// codes name the outcomes that are errors for programs: a text may be read by
// people, and names users.
var codes = [hub.Outcomes]string{
	hub.InvalidUserID:  errcode.InvalidUserID,
	hub.InvalidData:    errcode.InvalidData,
	hub.NotFound:       errcode.NotFound,
	hub.NotRegistered:  errcode.NotRegistered,
	hub.SenderMismatch: errcode.SenderMismatch,
	hub.TooLarge:       errcode.TooLarge,
	hub.RateLimited:    errcode.RateLimited,
	hub.UserNotAllowed: errcode.UserNotAllowed,
	hub.Unauthorized:   errcode.Unauthorized,
	hub.Unavailable:    errcode.Unavailable,
	hub.InvalidList:    errcode.InvalidList,
	hub.InvalidFormat:  errcode.InvalidFormat,
	hub.UnknownType:    errcode.UnknownType,
	hub.MissingFields:  errcode.MissingFields,
	hub.InvalidProof:   errcode.InvalidProof,
	hub.NotResponding:  errcode.NotResponding,
}

// Code is the name of an error for programs.
func Code(outcome hub.Outcome) string { return codes[outcome] }

// NotRespondingText is the text for hub.NotResponding.
func NotRespondingText(to []byte) string { return "User " + Named(to) + " is not responding" }

// maxNamed is how many bytes of a user ID a text repeats.
const maxNamed = 256

// Named is a user ID as a text repeats it: whole characters of it.
func Named(id []byte) string {
	if len(id) <= maxNamed {
		return string(id)
	}
	end := maxNamed
	for end > 0 && !utf8.RuneStart(id[end]) {
		end--
	}
	return string(id[:end])
}
