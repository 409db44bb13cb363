// Package events is the contract in Go: the names of the events, the texts of
// the errors, the reading of their arguments, and what each event means. It
// knows no socket, no framing and no transport; the gateways of both client
// families call it with what arrived and put its answers on their wire.
package events

// Events that clients of Oodaa's family send or get.
const (
	Register         = "register"
	GetUsers         = "get-users"
	Ping             = "ping"
	Pong             = "pong"
	UserList         = "user-list"
	PeerConnected    = "peer-connected"
	PeerDisconnected = "peer-disconnected"
	Error            = "error"
	GetICEServers    = "get-ice-servers"
	ICEServers       = "ice-servers"
)

// A Kind is one of the events that are relayed to another user.
type Kind uint8

const (
	Offer Kind = iota
	Answer
	Candidate
	Custom
	Kinds // how many there are
)

var kinds = [Kinds]struct{ event, body, invalid string }{
	Offer:     {"offer", "offer", "Invalid offer data"},
	Answer:    {"answer", "answer", "Invalid answer data"},
	Candidate: {"ice-candidate", "candidate", "Invalid ICE candidate data"},
	Custom:    {"custom-message", "message", "Invalid custom message data"},
}

// Event is the name of the event.
func (k Kind) Event() string { return kinds[k].event }

// Body is the key of the event's opaque body.
func (k Kind) Body() string { return kinds[k].body }

// KindOf returns the relayed event of that name.
func KindOf(event []byte) (Kind, bool) {
	for k := range kinds {
		if string(event) == kinds[k].event {
			return Kind(k), true
		}
	}
	return 0, false
}

// Limits of what names and keys may be.
const (
	MaxOodaaUserID = 50   // UTF-16 code units
	MaxVolliUserID = 256  // bytes
	MaxVolliKey    = 4096 // bytes
)
