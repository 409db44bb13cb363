// Package volli is the gateway of Volli's clients: plain WebSocket connections
// on which every text frame is one JSON object.
package volli

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/turn"
	"github.com/oodaa/signaling/server/wire"
)

// Options configure a Gateway.
type Options struct {
	Hub       *hub.Hub
	Cluster   hub.Cluster // nil: there is one instance
	Handlers  *events.Handlers
	Deadlines *wire.Deadlines
	Log       *slog.Logger
	ICE       *turn.ICE
	// Wire is for the connections; MaxMessage holds for what clients get, too.
	Wire *wire.Config

	// A client that was silent for PingInterval is pinged; one that was silent
	// for PingInterval and PingTimeout together is closed.
	PingInterval, PingTimeout time.Duration
	// Tokens, where not nil, checks the token that a client must have.
	Tokens *auth.Verifier
	// Proof is when clients have to prove that they hold their key.
	Proof Proof

	// RegisterTimeout is how long a client may go without having registered; 0
	// is forever.
	RegisterTimeout time.Duration
	// Rate limits the messages of one client.
	Rate wire.RateLimit

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

	mu       sync.Mutex
	peers    map[*peer]struct{}
	conns    map[*wire.Conn]struct{} // theirs, and those that are on their way out
	draining bool
	cutting  bool           // whatever is left
	ended    sync.WaitGroup // connections, also those that are about to begin
}

// New returns a gateway. Shutdown ends it.
func New(opts Options) *Gateway {
	return &Gateway{Options: opts, peers: make(map[*peer]struct{}), conns: make(map[*wire.Conn]struct{})}
}

// SlowConsumers counts the clients that were cut because they did not take
// what they were sent.
func (g *Gateway) SlowConsumers() uint64 { return g.Wire.SlowConsumers() }

// Waiting is how many bytes wait for clients that do not take them.
func (g *Gateway) Waiting() int64 { return g.Wire.Waiting() }

// Connections is the number of clients that are connected.
func (g *Gateway) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.peers)
}

// Serve takes over the connection of a client that has been admitted. left is
// called once, at its end.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, left func()) {
	if !g.reserve() {
		left()
		g.Refuse(w)
		return
	}
	conn, err := wire.Upgrade(w, r, g.Wire)
	if err != nil {
		left()
		g.ended.Done()
		return
	}
	p := newPeer(g, conn)
	g.Log.Debug("connected", "connection", p.id, "request_id", chimiddleware.GetReqID(r.Context()))
	if g.Tokens != nil {
		p.bearer = auth.Bearer(r)
	}
	g.add(p)
	conn.Start(p, func() {
		left()
		g.mu.Lock()
		delete(g.conns, conn)
		g.mu.Unlock()
		g.ended.Done()
	})
}

// reserve makes Shutdown wait for a connection that is about to begin, unless
// that has begun before. The caller owes one ended.Done.
func (g *Gateway) reserve() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return false
	}
	g.ended.Add(1)
	return true
}

// add makes a connection known. One that Shutdown missed ends here.
func (g *Gateway) add(p *peer) {
	g.mu.Lock()
	g.conns[p.conn] = struct{}{}
	g.peers[p] = struct{}{}
	draining, cutting := g.draining, g.cutting
	g.mu.Unlock()
	if draining {
		p.dismiss()
	}
	if cutting {
		p.conn.Cut()
	}
}

func (g *Gateway) remove(p *peer) {
	g.mu.Lock()
	delete(g.peers, p)
	g.mu.Unlock()
}

// Dismiss refuses new clients, and closes the connections with 1001, one after
// another over the given time, or when ctx ends. It does not wait for their ends.
func (g *Gateway) Dismiss(ctx context.Context, over time.Duration) {
	peers := g.drain()
	wire.Pace(ctx, len(peers), over, func(i int) { peers[i].dismiss() })
}

func (p *peer) dismiss() { p.conn.Close(wire.CloseGoingAway, "server shutting down") }

// drain refuses new clients, and returns those that there are.
func (g *Gateway) drain() []*peer {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	return slices.Collect(maps.Keys(g.peers))
}

// Shutdown closes all connections with 1001, and waits until all is flushed
// and they have ended; when ctx ends first, it cuts them, and returns its error.
func (g *Gateway) Shutdown(ctx context.Context) error {
	for _, p := range g.drain() {
		p.dismiss()
	}
	ended := make(chan struct{})
	go func() {
		g.ended.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		g.mu.Lock()
		g.cutting = true
		conns := slices.Collect(maps.Keys(g.conns))
		g.mu.Unlock()
		for _, conn := range conns {
			conn.Cut()
		}
		<-ended
		return ctx.Err()
	}
}
