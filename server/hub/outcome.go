package hub

// An Outcome is what became of an event. Each client family has its own texts
// for it.
type Outcome uint8

const (
	OK Outcome = iota
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
	// NotResponding: the target's connection takes nothing at the moment, or too
	// much of the sender's waits for it; nothing was delivered.
	NotResponding

	InvalidList // of users to watch

	// Of Volli's family only.
	InvalidFormat
	UnknownType
	MissingFields
	InvalidProof // of a key, or the name is held by another key
	Outcomes     // how many there are

	// Pending is not an outcome yet: the relay is on its way.
	Pending
	// Between instances: the target has left this one, or is away, and the sender's
	// instance is to hold the relay.
	Moved
	Away
)
