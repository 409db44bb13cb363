// Package oodaa is the gateway of Oodaa's clients: it turns what Socket.IO
// sockets send into events, and puts what is for them on their sockets. It does
// not know which engine they are on.
package oodaa

import (
	"log/slog"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A Gateway is the namespace that Oodaa's clients connect to.
type Gateway struct {
	Hub       *hub.Hub
	Cluster   hub.Cluster // nil: there is one instance
	Handlers  *events.Handlers
	Deadlines *wire.Deadlines
	Log       *slog.Logger

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
}

// Connect accepts a socket.
func (g *Gateway) Connect(s socketio.Socket, _ []byte) (socketio.Receiver, error) {
	if info, ok := s.Info().(Info); ok && info.Limited {
		text := events.RateLimited.OodaaText(0, nil)
		g.Handlers.Counts.OodaaError(events.RateLimited, 0)
		return nil, &socketio.ConnectError{Message: text, Close: true}
	}
	return &peer{gateway: g, socket: s}, nil
}
