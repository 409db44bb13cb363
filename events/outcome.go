package events

import (
	"unicode/utf8"

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
	hub.InvalidUserID:  "invalid_user_id",
	hub.InvalidData:    "invalid_data",
	hub.NotFound:       "not_found",
	hub.NotRegistered:  "not_registered",
	hub.SenderMismatch: "sender_mismatch",
	hub.TooLarge:       "too_large",
	hub.RateLimited:    "rate_limited",
	hub.UserNotAllowed: "user_not_allowed",
	hub.Unauthorized:   "unauthorized",
	hub.Unavailable:    "unavailable",
	hub.InvalidList:    "invalid_user_list",
	hub.InvalidFormat:  "invalid_format",
	hub.UnknownType:    "unknown_type",
	hub.MissingFields:  "missing_fields",
	hub.InvalidProof:   "invalid_proof",
	hub.NotResponding:  "not_responding",
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
