// Package oodaa is the gateway of Oodaa's clients: it turns what Socket.IO
// sockets send into events, and puts what is for them on their sockets. It does
// not know which engine they are on.
package oodaa

import (
	"errors"
	"log/slog"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
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
	// having registered; 0 is forever.
	RegisterTimeout time.Duration
	// Rate limits the events of one client.
	Rate wire.RateLimit
	// MaxMessage is the most bytes that a message to a client may have.
	MaxMessage int
	// MaxOutbox is the most bytes that may wait for a client. A relay that has
	// more by itself is refused, where it would cost its target the connection.
	MaxOutbox int

	abuse strikes
}

// Info is what the engine's gate knows of a client (socketio.Admission.Info).
type Info struct {
	// Token is the one of the handshake's headers.
	Token string
	// Request is the id of the handshake's request, for the log.
	Request string
	// Address is what counts as one client where clients are limited, and
	// WebSocket whether it came with one.
	Address   string
	WebSocket bool
}

// Connect accepts a socket. authJSON is what the client gave with its CONNECT
// packet.
func (g *Gateway) Connect(s socketio.Socket, authJSON []byte) (socketio.Receiver, error) {
	info, _ := s.Info().(Info)
	p := &peer{gateway: g, socket: s}
	if g.Tokens == nil {
		return p, nil
	}
	token := rawjson.StringField(authJSON, "token")
	if token == "" {
		token = info.Token
	}
	grant, err := g.Tokens.Verify(token)
	if errors.Is(err, auth.ErrUndecided) {
		return nil, &socketio.Deferred{Connect: func() (socketio.Receiver, error) {
			grant, err := g.Tokens.Await(token)
			return p.admit(grant, err)
		}}
	}
	return p.admit(grant, err)
}

// admit accepts the socket if its token was good.
func (p *peer) admit(grant auth.Grant, err error) (socketio.Receiver, error) {
	if err == nil {
		p.grant = &grant
		return p, nil
	}
	g := p.gateway
	g.Log.Debug("token refused", "socket", p.socket.ID(), "reason", err.Error())
	if errors.Is(err, auth.ErrUnavailable) {
		g.Handlers.Counts.OodaaError(events.Unavailable, 0)
		return nil, socketio.ErrClosed // it tries again
	}
	g.Handlers.Counts.OodaaError(events.Unauthorized, 0)
	return nil, &socketio.ConnectError{Message: events.Unauthorized.OodaaText(0, nil), Close: true}
}
