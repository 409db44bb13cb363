// Package oodaa is the gateway of Oodaa's clients: it turns what Socket.IO
// sockets send into events, and puts what is for them on their sockets. It does
// not know which engine they are on.
package oodaa

import (
	"log/slog"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/turn"
	"github.com/oodaa/signaling/server/wire"
)

// A Gateway is the namespace that Oodaa's clients connect to.
type Gateway struct {
	Hub       *hub.Hub
	Cluster   hub.Cluster // nil: there is one instance
	Handlers  *events.Handlers
	Deadlines *wire.Deadlines
	Log       *slog.Logger
	ICE       *turn.ICE
	Latency   *wire.Latency // of relays on an engine without batches

	// Tokens, where not nil, checks the token that a client must have.
	Tokens *auth.Verifier
	// Guarded: clients cannot take names from users that have a key.
	Guarded bool

	// RegisterTimeout is how long after its handshake a client may go without
	// having registered.
	RegisterTimeout time.Duration
	// Rate limits the events of one client.
	Rate wire.RateLimit
	// MaxMessage is the most bytes that a message to a client may have.
	MaxMessage int
	// MaxOutbox is the most bytes that may wait for a client. A relay that has
	// more by itself is refused, where it would cost its target the connection.
	MaxOutbox int
}

// Info is what the engine's gate knows of a client (socketio.Admission.Info).
type Info struct {
	// Limited clients came too often; they get a connect error.
	Limited bool
	// Token is the one of the handshake's headers.
	Token string
	// Request is the id of the handshake's request, for the log.
	Request string
}

// Connect accepts a socket. authJSON is what the client gave with its CONNECT
// packet.
func (g *Gateway) Connect(s socketio.Socket, authJSON []byte) (socketio.Receiver, error) {
	info, _ := s.Info().(Info)
	if info.Limited {
		return nil, g.refuse(events.RateLimited)
	}
	p := &peer{gateway: g, socket: s}
	if g.Tokens != nil {
		token := events.StringField(authJSON, "token")
		if token == "" {
			token = info.Token
		}
		grant, err := g.Tokens.Verify(token)
		if err != nil {
			g.Log.Debug("token refused", "socket", s.ID(), "reason", err.Error())
			return nil, g.refuse(events.Unauthorized)
		}
		p.grant = &grant
	}
	return p, nil
}

// refuse is the connect error of a client that will not be served.
func (g *Gateway) refuse(code events.Code) error {
	g.Handlers.Counts.OodaaError(code, 0)
	return &socketio.ConnectError{Message: code.OodaaText(0, nil), Close: true}
}
