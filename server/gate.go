package server

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/oodaa"
	"github.com/oodaa/signaling/server/socketio"
)

// gate decides who may connect, for all protocols.
type gate struct {
	server      *Server
	connections atomic.Int64
}

// retryAfter is when clients are asked to try again that are refused for want
// of room, or because the server stops. Another instance may take them at once.
const retryAfter = "1"

// enter counts a new connection in, if there is room for one.
func (g *gate) enter() *socketio.Refusal {
	if g.server.stopping.Load() {
		return unavailable(events.Unavailable.OodaaText(0, nil))
	}
	limit := int64(g.server.opts.MaxConnections)
	if n := g.connections.Add(1); limit > 0 && n > limit {
		g.connections.Add(-1)
		return unavailable("Too many connections")
	}
	return nil
}

func unavailable(message string) *socketio.Refusal {
	return &socketio.Refusal{
		Status:  http.StatusServiceUnavailable,
		Header:  http.Header{"Retry-After": {retryAfter}},
		Message: message,
	}
}

func (g *gate) leave() { g.connections.Add(-1) }

// Admit decides about a Socket.IO session.
func (g *gate) Admit(r *http.Request) (socketio.Admission, *socketio.Refusal) {
	refusal := g.enter()
	if refusal != nil {
		return socketio.Admission{}, refusal
	}
	var info oodaa.Info
	if g.server.tokens != nil {
		info.Token = auth.Bearer(r)
	}
	if g.server.opts.MessageRate > 0 {
		info.Address = middleware.LimitKey(middleware.Addr(r))
	}
	if g.server.log.Enabled(r.Context(), slog.LevelDebug) {
		info.Request = chimiddleware.GetReqID(r.Context())
	}
	if info == (oodaa.Info{}) {
		return socketio.Admission{}, nil // an empty interface costs a connection nothing
	}
	return socketio.Admission{Info: info}, nil
}

// Release counts a Socket.IO session out.
func (g *gate) Release(socketio.Admission) { g.leave() }

func isSocketIO(r *http.Request) bool {
	return r.URL.Path == socketIOPath || strings.HasPrefix(r.URL.Path, socketIOPath+"/")
}

// unlimited tells which requests the limit on HTTP requests does not count:
// those of monitors, those that a long-polling session makes after its
// handshake, and the files of a page, since the page itself was counted and
// would be broken without them.
func (s *Server) unlimited(r *http.Request) bool {
	return isProbe(r) || s.isPageFile(r) || isSocketIO(r) && s.engine.Established(r)
}

// routine tells which requests are logged only at debug.
func (s *Server) routine(r *http.Request) bool {
	return isProbe(r) || r.URL.Path == "/metrics" || isSocketIO(r) || s.isPageFile(r)
}

// isMonitor reports whether somebody asks for figures, which hold nothing that a
// visitor's cookies could be needed for.
func isMonitor(r *http.Request) bool {
	return isProbe(r) || r.URL.Path == "/stats" || r.URL.Path == "/metrics"
}

// isProbe reports whether somebody asks how the server is.
func isProbe(r *http.Request) bool {
	return r.URL.Path == "/health" || r.URL.Path == "/ready"
}
