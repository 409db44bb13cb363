// Package events is the contract in Go: what each event of a client means,
// whichever wire protocol it came by. A gateway reads a message, calls the
// Client's method for it, and spells the answer that the method hands back
// through the gateway's Family. No socket, framing or transport is known here.
package events

import (
	"log/slog"
	"time"

	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/turn"
	"github.com/oodaa/signaling/server/wire"
)

// Handlers is what the events of all clients have in common. It must not change
// once used.
type Handlers struct {
	Hub       *hub.Hub
	Deadlines *wire.Deadlines
	ICE       *turn.ICE
	Log       *slog.Logger
	Counters  Counters

	// Tokens, where not nil, checks the token that a client must have.
	Tokens *auth.Verifier
	// Guarded: a name with a key is taken only by a client that has proved that
	// it holds the same key.
	Guarded bool
	// RegisterTimeout is how long a client may go without having registered; 0
	// means forever.
	RegisterTimeout time.Duration
	// Account, where not nil, accounts for what is held for clients.
	Account *wire.Account
	// Limits are what each connection may send. May be nil: no limit.
	Limits *wire.Limits
}

// An Ask is the reply that an event wants.
type Ask struct {
	// Ack is the acknowledgement that the client asked for, or NoAck.
	Ack int64
	// Batch collects what leaves together; nil: it leaves at once.
	Batch *wire.Batch
}

// NoAck is the Ack of an event without an acknowledgement.
const NoAck = hub.NoAck

// The forms in which the families spell changes of presence (hub.Change.Spelled).
const (
	OodaaForm = iota
	VolliForm
)

// A Family spells answers for one family's clients, on one client's connection.
// A send that fails is the connection's end, of which the gateway is told anyway,
// so no method returns an error.
type Family interface {
	hub.Listener
	hub.Sender

	// Registered answers a register: OK for the user ID, or an error.
	Registered(ask Ask, id string, outcome hub.Outcome)
	// Settled says that relays by the client may leave from now on.
	Settled(batch *wire.Batch)
	// ICEServers sends a JSON object with the ICE servers.
	ICEServers(ask Ask, servers []byte)
	// Failed sends the error of anything else but a relay.
	Failed(ask Ask, outcome hub.Outcome)
	// TakeBack takes back the relays that the connection was given and the device has
	// not acknowledged.
	TakeBack() []*hub.Held
	// End ends the connection.
	End(why Ending)
}

// An Ending is why the server ends a client's connection.
type Ending uint8

const (
	NotRegisteredInTime Ending = iota
	TokenExpired
	Unserviceable // the server cannot do what the client needs; it may try again
)
