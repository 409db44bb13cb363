// Package volli is the gateway of Volli's clients: plain WebSocket connections
// on which every text frame is one JSON object. It reads their messages, calls
// their meaning in events, and spells what is for them. Rules that both families
// share are in events and hub.
package volli

import (
	"context"
	"net/http"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// Options configure a Gateway.
type Options struct {
	Handlers *events.Handlers
	// Wire is for the connections; MaxMessage holds for what clients get, too.
	Wire *wire.Config

	// A client that was silent for PingInterval is pinged; one that was silent
	// for PingInterval and PingTimeout together is closed.
	PingInterval, PingTimeout time.Duration
	// Proof is when clients have to prove that they hold their key.
	Proof Proof

	// Proxied, where not nil, has relays kept until the client has acknowledged them,
	// and tells whether a request came by a proxy; see wire.Conn.Keep.
	Proxied func(r *http.Request) bool
	// Refuse answers a request that comes after the server began to stop.
	Refuse func(http.ResponseWriter)
	// Panicked is told of a panic while a message was handled; its connection
	// is closed.
	Panicked func(v any, stack []byte)
}

// Proof is when a client has to prove that it holds its key.
type Proof uint8

const (
	ProofOff      Proof = iota // never
	ProofTakeover              // for a name that another connection holds
	ProofAlways                // for each registration
)

// A Gateway serves Volli's clients. Make it with New.
type Gateway struct {
	Options

	clients wire.Group[*client]
	errors  events.Errors
}

// Errors adds the errors that clients were answered with to m, by text. Where a
// text names a user, "<to>" stands for it.
func (g *Gateway) Errors(m map[string]uint64) {
	g.errors.AddTo(m, func(outcome hub.Outcome, _ hub.Kind) string { return text(outcome, []byte("<to>")) })
}

// New returns a gateway. Shutdown ends it.
func New(opts Options) *Gateway {
	return &Gateway{Options: opts}
}

// SlowConsumers counts the clients that were cut because they did not take
// what they were sent.
func (g *Gateway) SlowConsumers() uint64 { return g.Wire.SlowConsumers() }

// Waiting is how many bytes wait for clients that do not take them.
func (g *Gateway) Waiting() int64 { return g.Wire.Waiting() }

// Connections is the number of clients that are connected.
func (g *Gateway) Connections() int { return g.clients.Len() }

// Serve takes over the connection of a client that has been admitted. address is
// what counts as one client where clients are limited; left is called once, at the
// connection's end.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, address string, left func()) {
	if !g.clients.Reserve() {
		left()
		g.Refuse(w)
		return
	}
	conn, err := wire.Upgrade(w, r, g.Wire, &wire.Budget{Limits: g.Handlers.Limits})
	if err != nil {
		left()
		g.clients.Release()
		return
	}
	if g.Proxied != nil {
		conn.Keep(g.Proxied(r))
	}
	c := newClient(g, conn, address)
	g.Handlers.Log.Debug("connected", "connection", c.id, "request_id", chimiddleware.GetReqID(r.Context()))
	if g.Handlers.Tokens != nil {
		c.bearer = auth.Bearer(r)
	}
	g.clients.Enter(c)
	g.clients.Start(conn, c, left)
}

// Dismiss refuses new clients, and closes the connections with 1001, one after
// another over the given time, or when ctx ends. It does not wait for their ends.
func (g *Gateway) Dismiss(ctx context.Context, over time.Duration) { g.clients.Dismiss(ctx, over) }

// Shutdown closes all connections with 1001, and waits until all is flushed
// and they have ended; when ctx ends first, it cuts them, and returns its error.
func (g *Gateway) Shutdown(ctx context.Context) error { return g.clients.Shutdown(ctx) }

// Dismiss closes the client's connection because the server stops.
func (c *client) Dismiss() { c.conn.Close(wire.CloseGoingAway, "server shutting down") }

// Cut ends the client's connection at once.
func (c *client) Cut() { c.conn.Cut() }
