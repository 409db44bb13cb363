// Package errcode names the errors that clients are answered with, for programs:
// texts are for people, and may hold user IDs.
package errcode

// Of events, and of HTTP requests that fail for the same reason.
const (
	InvalidUserID  = "invalid_user_id"
	InvalidData    = "invalid_data"
	NotFound       = "not_found"
	NotResponding  = "not_responding"
	NotRegistered  = "not_registered"
	SenderMismatch = "sender_mismatch"
	TooLarge       = "too_large"
	RateLimited    = "rate_limited"
	UserNotAllowed = "user_not_allowed"
	Unauthorized   = "unauthorized"
	Unavailable    = "unavailable"
	InvalidList    = "invalid_user_list"
	InvalidFormat  = "invalid_format"
	UnknownType    = "unknown_type"
	MissingFields  = "missing_fields"
	InvalidProof   = "invalid_proof"
)

// Of HTTP requests only.
const (
	Internal           = "internal"
	MethodNotAllowed   = "method_not_allowed"
	OriginNotAllowed   = "origin_not_allowed"
	TooManyConnections = "too_many_connections"
	TooManySubscribers = "too_many_subscribers"
	UpgradeRequired    = "upgrade_required"
)

// Body is the JSON that an HTTP request is refused with.
type Body struct {
	Error string `json:"error"`
	Code  string `json:"code"`
}
