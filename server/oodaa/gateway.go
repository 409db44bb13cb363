// Package oodaa is the gateway of Oodaa's clients: it reads their Socket.IO
// events, calls their meaning in events, and spells what is for them on their
// sockets. It does not know which engine they are on.
package oodaa

import (
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A Gateway is the namespace that Oodaa's clients connect to.
type Gateway struct {
	Handlers *events.Handlers
	Latency  *wire.Histogram // of relays on an engine without batches

	// MaxMessage is the most bytes that a message to a client may have.
	MaxMessage int
	// MaxOutbox is the most bytes that may wait for a client. A relay that has
	// more by itself is refused, where it would cost its target the connection.
	MaxOutbox int

	abuse  strikes
	errors events.Errors
}

// Errors adds the errors that clients were answered with to m, by text. Where a
// text names a user, "<to>" stands for it.
func (g *Gateway) Errors(m map[string]uint64) {
	g.errors.AddTo(m, func(outcome hub.Outcome, kind hub.Kind) string { return text(outcome, kind, []byte("<to>")) })
}

// Info is what the engine's gate knows of a client (socketio.Admission.Info).
type Info struct {
	// Handshake is nil where nothing of it is needed.
	Handshake *Handshake
	// Address is what counts as one client where clients are limited, and
	// WebSocket whether it came with one.
	Address   string
	WebSocket bool
}

// A Handshake is what is needed of a client's handshake.
type Handshake struct {
	Token   string // of its headers
	Request string // its id, for the log
}

// handshake is the client's; empty if nothing of it is known.
func (i *Info) handshake() Handshake {
	if i.Handshake == nil {
		return Handshake{}
	}
	return *i.Handshake
}

// Connect accepts a socket whose token, where one is needed, is good. authJSON is
// what the client gave with its CONNECT packet.
func (g *Gateway) Connect(s socketio.Socket, authJSON []byte, answer func(socketio.Receiver, error)) wire.Hold {
	info, _ := s.Info().(Info)
	c := &client{gateway: g, socket: s}
	if g.Handlers.Tokens == nil {
		answer(c, nil)
		return nil
	}
	token := rawjson.StringField(authJSON, "token")
	if token == "" {
		token = info.handshake().Token
	}
	return g.Handlers.Authenticate(token, func(grant *auth.Grant, err error) wire.Hold {
		if err == nil {
			c.SetGrant(grant)
			answer(c, nil)
		} else {
			answer(nil, c.turnedAway(err))
		}
		return nil
	})
}

// turnedAway is what a socket is answered with whose token was refused.
func (c *client) turnedAway(err error) error {
	g := c.gateway
	g.Handlers.Log.Debug("token refused", "connection", c.ID(), "reason", err.Error())
	outcome := events.Refusal(err)
	g.errors.Count(outcome, 0)
	if outcome == hub.Unavailable {
		return socketio.ErrClosed // it tries again
	}
	return &socketio.ConnectError{Message: events.Text(outcome), Close: true}
}

// Opened makes the client one that is told of the others.
func (c *client) Opened() {
	h := c.gateway.Handlers
	info, _ := c.socket.Info().(Info)
	c.Open(h, c, true, events.Connection{Opened: c.socket.Opened(), Address: info.Address, Budget: c.socket.Budget()})
	h.Log.Debug("connected", "connection", c.ID(), "request_id", info.handshake().Request)
}

// Closed makes the client one that is gone.
func (c *client) Closed(reason string) {
	if c.early != nil {
		c.gateway.Handlers.Deadlines.Stop(&c.early.deadline)
	}
	c.over.Store(true)
	c.Close(endingOf(reason))
	c.gateway.Handlers.Log.Debug("disconnected", "connection", c.ID(), "reason", reason)
}

// endingOf is what the end of a socket says of its client.
func endingOf(reason string) hub.Ending {
	switch reason {
	case socketio.ReasonClient, socketio.ReasonServer:
		return hub.Goodbye
	case socketio.ReasonPageGone:
		return hub.PageGone
	}
	return hub.Broke
}

// endForAbuse ends the connection. A client that keeps abusing the server gets a
// DISCONNECT packet, upon which it does not reconnect.
func (c *client) endForAbuse(reason string) {
	c.gateway.Handlers.Log.Info("disconnected", "connection", c.ID(), "reason", reason)
	info, _ := c.socket.Info().(Info)
	o := offender{address: info.Address}
	if u := c.User(); u != nil {
		o.user = u.ID
	}
	if c.gateway.abuse.out(o, time.Now()) {
		c.socket.Disconnect()
	} else {
		c.socket.Close(reason)
	}
}
