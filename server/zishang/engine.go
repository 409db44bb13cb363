//go:build zishang

// Package zishang is a Socket.IO engine on github.com/zishang520/socket.io/v2,
// over WebSocket only.
//
// The library does the handshake, the WebSocket framing, the heartbeat, and
// keeps the namespaces and their sockets. It is hardened through its public API
// at five points, each of which closes a way to crash it, to fill its memory, or
// to lose what was sent:
//
//   - the gate (gate.go) holds a new connection's bytes back until the library
//     is ready for them, and bounds each write;
//   - the transport (transport.go) takes the place of the library's, which
//     allocates many times what passes through it, and does not know for sure
//     what it has written;
//   - the tap (tap.go) stands between the connection and the library's packet
//     decoder, and lets through what the decoder survives;
//   - raw sends (send.go) go past the library's encoder, rooms, broadcasts and
//     queues;
//   - every call of a handler out of a goroutine of the library's recovers
//     (recover.go).
//
// Beside these, it is kept from taking a quick client for a dead one
// (heartbeat.go).
//
// To a client, this engine differs from the default one in that a batch is not
// waited for, and that a client that answers no ping is cut without a Close
// frame. Of a session that has ended, the library may leave a goroutine asleep
// for one more ping interval and timeout.
package zishang

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"
	sio "github.com/zishang520/socket.io/v2/socket"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

type engine struct {
	// static after construction
	opts   socketio.Options
	client *sio.Server // namespaces and their sockets
	server eio.Server  // sessions
	// writeTimeout is how long a client may take nothing of what is written to
	// it; closeTimeout, how long a client may take to answer a Close frame.
	writeTimeout, closeTimeout time.Duration

	sessions wire.Group[*session] // and admissions, each until its session has ended
	slow     atomic.Uint64
}

// New returns an engine on the zishang520 library. Of the transports it offers
// WebSocket only, whatever opts say of long-polling.
func New(opts socketio.Options) (socketio.Engine, error) {
	if err := validate(&opts); err != nil {
		return nil, fmt.Errorf("zishang: %w", err)
	}
	return newEngine(opts), nil
}

func validate(opts *socketio.Options) error {
	var problems []error
	if !opts.WebSocket {
		problems = append(problems, errors.New("this engine has no transport but WebSocket"))
	}
	if opts.PingInterval < time.Millisecond || opts.PingTimeout < time.Millisecond {
		problems = append(problems, errors.New("ping interval and timeout must be a millisecond at least"))
	}
	if opts.MaxPayload <= 0 || opts.MaxOutbox <= 0 {
		problems = append(problems, errors.New("max payload and max outbox must be positive"))
	}
	if opts.Namespaces["/"] == nil {
		problems = append(problems, errors.New(`no namespace "/"`))
	}
	for name := range opts.Namespaces {
		if !strings.HasPrefix(name, "/") || strings.Contains(name, ",") {
			problems = append(problems, fmt.Errorf("invalid namespace name %q", name))
		}
	}
	return errors.Join(problems...)
}

func newEngine(opts socketio.Options) *engine {
	e := &engine{
		opts: opts,
		// A client that takes nothing for as long as it may take to answer a
		// ping is as dead as one that does not answer.
		writeTimeout: opts.PingTimeout,
		closeTimeout: wire.DefaultCloseTimeout,
	}

	o := sio.DefaultServerOptions()
	o.SetTransports(types.NewSet(transports.WEBSOCKET))
	o.SetAllowUpgrades(false)
	o.SetPingInterval(opts.PingInterval)
	o.SetPingTimeout(opts.PingTimeout)
	o.SetMaxHttpBufferSize(int64(opts.MaxPayload))
	o.SetServeClient(false)
	// The library's own timeout is the same for everybody, cannot be switched
	// off, and does not start again when the last namespace was left: ours,
	// session.timer, does all that.
	o.SetConnectTimeout(math.MaxInt64)

	e.client = sio.NewServer(nil, o)
	for name, ns := range opts.Namespaces {
		e.serve(name, ns)
	}
	e.server = newServer(o, opts.Limits)
	// Not client.Bind, which would give the connection to the library's decoder.
	e.server.Use(func(ctx *types.HttpContext, next func(error)) {
		if protocol := wire.Subprotocol(ctx.Request()); protocol != "" {
			ctx.ResponseHeaders.Set("Sec-Websocket-Protocol", protocol)
		}
		next(nil)
	})
	e.server.On("connection", func(args ...any) { e.open(args[0].(eio.Socket)) })
	return e
}

func (e *engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := e.verify(r); err != nil {
		writeJSON(w, http.StatusBadRequest, nil, err)
		return
	}
	if !e.sessions.Reserve() {
		writeJSON(w, http.StatusServiceUnavailable, nil, errDraining)
		return
	}
	g := &gate{ResponseWriter: w, engine: e}
	defer g.pass()
	if e.opts.Gate != nil {
		admission, refusal := e.opts.Gate.Admit(r)
		if refusal != nil {
			writeRefusal(w, refusal)
			return
		}
		g.admission, g.admitted = admission, true
	}
	e.server.ServeHTTP(g, r)
}

// release ends an admission.
func (e *engine) release(g *gate) {
	defer e.sessions.Release()
	if g.admitted {
		e.guard(func() { e.opts.Gate.Release(g.admission) })
	}
}

// open is called by the library for each handshake that succeeded, on the
// goroutine of ServeHTTP.
func (e *engine) open(conn eio.Socket) { e.sessions.Enter(newSession(e, conn)) }

// Established reports false: a WebSocket session makes no second request.
func (e *engine) Established(*http.Request) bool { return false }

// Connections counts the live sessions.
func (e *engine) Connections() (websocket, polling int) {
	return e.sessions.Len(), 0
}

// SlowConsumers implements socketio.Engine.
func (e *engine) SlowConsumers() uint64 { return e.slow.Load() }

// Waiting implements socketio.Engine.
func (e *engine) Waiting() (bytes int64) {
	for _, s := range e.sessions.Members() {
		bytes += int64(s.transport.waiting())
	}
	return bytes
}

// Dismiss implements socketio.Engine.
func (e *engine) Dismiss(ctx context.Context, over time.Duration) { e.sessions.Dismiss(ctx, over) }

// Shutdown implements socketio.Engine.
func (e *engine) Shutdown(ctx context.Context) error { return e.sessions.Shutdown(ctx) }
