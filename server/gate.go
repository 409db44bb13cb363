package server

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/oodaa"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// gate decides who may connect, for all protocols.
type gate struct {
	server      *Server
	connections atomic.Int64
	addresses   addresses
}

// retryAfter is when clients are asked to try again that are refused for want
// of room, or because the server stops. Another instance may take them at once.
const retryAfter = "1"

// A seat is a client's, or a probe's, place among the connections.
type seat struct {
	address   string
	webSocket bool
}

func (s seat) kind() kind {
	if s.webSocket {
		return webSocket
	}
	return polling
}

// enter counts a new connection in, if there is room for one. Each is to leave
// once.
func (g *gate) enter(r *http.Request) (seat, *socketio.Refusal) {
	if g.server.stopping.Load() {
		return seat{}, unavailable()
	}
	s := seat{webSocket: wire.IsUpgrade(r)}
	if g.addresses.limit > 0 || g.server.opts.MessageRate > 0 || g.server.opts.ByteRate > 0 {
		s.address = middleware.LimitKey(middleware.Addr(r))
	}
	limit := int64(g.server.opts.MaxConnections)
	if n := g.connections.Add(1); limit > 0 && n > limit {
		g.connections.Add(-1)
		return seat{}, refusal(http.StatusServiceUnavailable, errcode.TooManyConnections, "Too many connections")
	}
	spare := 0
	if s.webSocket && !g.server.proxies.Trust(r) {
		spare = 1 // the TCP connection, which becomes the client
	}
	if !g.addresses.add(s.address, s.kind(), spare) {
		g.leave(s)
		return seat{}, refusal(http.StatusTooManyRequests, errcode.TooManyConnections, "Too many connections")
	}
	return s, nil
}

func (g *gate) leave(s seat) {
	g.connections.Add(-1)
	g.addresses.remove(s.address, s.kind())
}

// refusal is an answer upon which stock clients try again.
func refusal(status int, code, message string) *socketio.Refusal {
	return &socketio.Refusal{Status: status, Header: http.Header{"Retry-After": {retryAfter}}, Code: code, Message: message}
}

// unavailable is the refusal of what the server cannot do now.
func unavailable() *socketio.Refusal {
	return refusal(http.StatusServiceUnavailable, errcode.Unavailable, events.Text(hub.Unavailable))
}

// Admit decides about a Socket.IO session, or about the WebSocket that is to
// become its transport.
func (g *gate) Admit(r *http.Request) (socketio.Admission, *socketio.Refusal) {
	s, refusal := g.enter(r)
	if refusal != nil {
		return socketio.Admission{}, refusal
	}
	info := oodaa.Info{Address: s.address, WebSocket: s.webSocket}
	var h oodaa.Handshake
	if g.server.tokens != nil {
		h.Token = auth.Bearer(r)
	}
	if g.server.log.Enabled(r.Context(), slog.LevelDebug) {
		h.Request = chimiddleware.GetReqID(r.Context())
	}
	if h != (oodaa.Handshake{}) { // copied, or h itself would be allocated each time
		info.Handshake = &oodaa.Handshake{Token: h.Token, Request: h.Request}
	}
	return socketio.Admission{Info: info}, nil
}

// Release counts it out.
func (g *gate) Release(a socketio.Admission) {
	info := a.Info.(oodaa.Info)
	g.leave(seat{info.Address, info.WebSocket})
}

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
	return isProbe(r) || r.URL.Path == "/metrics" || r.URL.Path == faviconPath || isSocketIO(r) || s.isPageFile(r)
}

// isMonitor reports whether somebody asks for figures, which hold nothing that a
// visitor's cookies could be needed for.
func isMonitor(r *http.Request) bool {
	return isProbe(r) || r.URL.Path == "/stats" || r.URL.Path == "/metrics"
}

// isProbe reports whether somebody asks how the server is.
func isProbe(r *http.Request) bool {
	return slices.Contains(healthPaths, r.URL.Path) || slices.Contains(readyPaths, r.URL.Path)
}

// Where platforms ask, by different habits.
var (
	healthPaths = []string{"/health", "/healthz", "/livez"}
	readyPaths  = []string{"/ready", "/readyz"}
)
