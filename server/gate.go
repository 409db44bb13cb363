package server

import (
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/oodaa"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// gate decides who may connect, for all protocols.
type gate struct {
	server      *Server
	connections atomic.Int64
	limited     atomic.Int64
	refused     atomic.Uint64 // WebSockets of Socket.IO clients that came too often
}

const (
	// maxLimited bounds the connections that are opened only to be told that
	// they came too often.
	maxLimited = 1000
	// limitedTimeout is how long such a connection may take to hear it.
	limitedTimeout = 5 * time.Second
)

// enter counts a new connection in, if there is room for one.
func (g *gate) enter() *socketio.Refusal {
	if g.server.draining.Load() {
		return &socketio.Refusal{Status: http.StatusServiceUnavailable, Message: events.Unavailable.OodaaText(0, nil)}
	}
	limit := int64(g.server.opts.MaxConnections)
	if n := g.connections.Add(1); limit > 0 && n > limit {
		g.connections.Add(-1)
		return &socketio.Refusal{Status: http.StatusServiceUnavailable, Message: "Too many connections"}
	}
	return nil
}

func (g *gate) leave() { g.connections.Add(-1) }

// Admit decides about a Socket.IO session. A WebSocket that comes too often is
// let in only to be refused in words that its client understands.
func (g *gate) Admit(r *http.Request, transport string) (socketio.Admission, *socketio.Refusal) {
	var info oodaa.Info
	if g.server.tokens != nil {
		info.Token = auth.Bearer(r)
	}
	if g.server.log.Enabled(r.Context(), slog.LevelDebug) {
		info.Request = chimiddleware.GetReqID(r.Context())
	}
	var admission socketio.Admission
	if info != (oodaa.Info{}) {
		admission.Info = info
	}
	if transport == "websocket" {
		if ok, retry := g.server.limiter.Allow(r); !ok {
			g.refused.Add(1)
			if g.limited.Add(1) > maxLimited {
				g.limited.Add(-1)
				return admission, &socketio.Refusal{
					Status:  http.StatusTooManyRequests,
					Header:  http.Header{"Retry-After": {middleware.RetryAfter(retry)}},
					Message: events.RateLimited.OodaaText(0, nil),
				}
			}
			info.Limited = true
			admission = socketio.Admission{Info: info, ConnectTimeout: limitedTimeout}
		}
	}
	refusal := g.enter()
	if refusal != nil && info.Limited {
		g.limited.Add(-1)
	}
	return admission, refusal
}

// Release counts a Socket.IO session out.
func (g *gate) Release(a socketio.Admission) {
	if info, _ := a.Info.(oodaa.Info); info.Limited {
		g.limited.Add(-1)
	}
	g.leave()
}

func isSocketIO(r *http.Request) bool {
	return r.URL.Path == socketIOPath || strings.HasPrefix(r.URL.Path, socketIOPath+"/")
}

// unlimited tells which requests the limit on HTTP requests does not count:
// those of monitors, those of long-polling sessions, WebSocket handshakes of
// Socket.IO clients, which the gate counts, and the files of a page, since the
// page itself was counted and would be broken without them.
func (s *Server) unlimited(r *http.Request) bool {
	switch {
	case isProbe(r) || s.isPageFile(r):
		return true
	case !isSocketIO(r):
		return false
	case s.engine.Established(r):
		return true
	}
	query := r.URL.Query()
	return s.opts.WebSocket && wire.IsUpgrade(r) && r.Method == http.MethodGet &&
		query.Get("transport") == "websocket" && query.Get("EIO") == "4" && query.Get("sid") == ""
}

// routine tells which requests are logged only at debug.
func (s *Server) routine(r *http.Request) bool {
	return isProbe(r) || r.URL.Path == "/metrics" || isSocketIO(r) || s.isPageFile(r)
}

// isProbe reports whether somebody asks how the server is.
func isProbe(r *http.Request) bool {
	return r.URL.Path == "/health" || r.URL.Path == "/ready"
}
