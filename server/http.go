package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/web"
)

// answer writes v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

// answerError answers with an error.
func answerError(w http.ResponseWriter, status int, code, text string) {
	answer(w, status, errcode.Body{Error: text, Code: code})
}

// notFound answers with JSON, or with a page for a browser.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if web.WantsHTML(r) {
		s.landing("Not found", "This server has nothing at this address.").Write(w, r, http.StatusNotFound)
		return
	}
	answerError(w, http.StatusNotFound, errcode.NotFound, "Not found")
}

func (s *Server) landing(title, text string) web.Landing {
	return web.Landing{Title: title, Text: text, Version: Build().Version, Base: s.opts.BasePath, Pages: s.opts.StatusPages}
}

func methodNotAllowed(w http.ResponseWriter, _ *http.Request) {
	answerError(w, http.StatusMethodNotAllowed, errcode.MethodNotAllowed, "Method not allowed")
}

// upgradeRequired answers requests for a WebSocket that ask for none.
func upgradeRequired(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	answerError(w, http.StatusUpgradeRequired, errcode.UpgradeRequired, "WebSocket upgrade required")
}

// below has all routes stand below a path: what comes for another is not found.
func (s *Server) below(base string) func(http.Handler) http.Handler {
	outside := chi.Chain(middleware.RequestLog(s.log, nil), s.limiter.Handler(nil)).HandlerFunc(s.notFound)
	return func(next http.Handler) http.Handler {
		if base == "" {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			path, ok := strings.CutPrefix(r.URL.Path, base)
			if !ok || path != "" && path[0] != '/' {
				outside.ServeHTTP(w, r)
				return
			}
			r = r.WithContext(r.Context())
			r.URL = &url.URL{Path: cmp.Or(path, "/"), RawQuery: r.URL.RawQuery}
			next.ServeHTTP(w, r)
		})
	}
}

// faviconPath is what browsers ask for by themselves where they are shown JSON.
const faviconPath = "/favicon.ico"

func favicon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=86400")
	w.WriteHeader(http.StatusNoContent)
}

// clientScripts are the files of the JavaScript client that stock socket.io
// serves itself.
var clientScripts = [...]string{"socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"}

// clientScript redirects to one of them.
func (s *Server) clientScript(w http.ResponseWriter, r *http.Request) {
	target := s.opts.ClientScripts
	if target == "" {
		s.notFound(w, r)
		return
	}
	if strings.HasSuffix(target, "/") {
		target += strings.TrimPrefix(r.URL.Path, socketIOPath+"/")
	}
	// A script tag of another site's page may use it; browsers look at the redirect
	// as well.
	w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusFound)
}

// securityTxt tells whom to tell of a vulnerability (RFC 9116).
func (s *Server) securityTxt(w http.ResponseWriter, r *http.Request) {
	if s.opts.SecurityContact == "" {
		s.notFound(w, r)
		return
	}
	// It is true for as long as it is served.
	expires := time.Now().UTC().AddDate(0, 6, 0).Truncate(24 * time.Hour).Format(time.RFC3339)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "Contact: %s\nExpires: %s\n", s.opts.SecurityContact, expires)
}

// index says what this is, in JSON, or on a page for a browser.
func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	const description = "WebRTC signaling: lets two devices find each other and exchange offers, answers and candidates"
	w.Header().Add("Vary", "Accept")
	if web.WantsHTML(r) {
		s.landing("Oodaa Signaling Server", description+".").Write(w, r, http.StatusOK)
		return
	}
	endpoints := map[string]string{
		"health": "/health", "ready": "/ready", "stats": "/stats",
		"socketio": socketIOPath + "/", "volli": "/signaling", "iceServers": "/ice-servers",
	}
	if s.opts.Metrics {
		endpoints["metrics"] = "/metrics"
	}
	if s.opts.StatusPages {
		endpoints["demo"], endpoints["status"] = demoPath, statusPath
	}
	for name, path := range endpoints {
		endpoints[name] = s.opts.BasePath + path
	}
	answer(w, http.StatusOK, struct {
		Name        string            `json:"name"`
		Version     string            `json:"version"`
		Description string            `json:"description"`
		Endpoints   map[string]string `json:"endpoints"`
	}{
		"Oodaa Signaling Server", Build().Version,
		description,
		endpoints,
	})
}

// now is the time as JavaScript writes it.
func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *Server) uptime() float64 { return time.Since(s.started).Seconds() }

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, struct {
		Status         string  `json:"status"`
		Timestamp      string  `json:"timestamp"`
		ConnectedUsers int     `json:"connectedUsers"`
		Uptime         float64 `json:"uptime"`
	}{"ok", now(), s.hub.Online(), s.uptime()})
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": "draining"})
		return
	}
	if s.cluster != nil {
		switch status := s.cluster.Status(); {
		case !status.Joined:
			answer(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "reason": "cluster not joined yet"})
			return
		case status.Lost != "":
			answer(w, http.StatusOK, map[string]string{"status": "degraded", "reason": "cluster bus lost"})
			return
		}
	}
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

// statistics are the figures of /stats.
type statistics struct {
	ConnectedUsers int               `json:"connectedUsers"`
	Uptime         float64           `json:"uptime"`
	Timestamp      string            `json:"timestamp"`
	Memory         memory            `json:"memory"`
	Connections    connections       `json:"connections"`
	Relays         map[string]uint64 `json:"relays"`
	Errors         map[string]uint64 `json:"errors"`
	Goroutines     int               `json:"goroutines"`
	Build          BuildInfo         `json:"build"`
}

// connections are how many there are, by protocol and transport.
type connections struct {
	SocketIO struct {
		WebSocket int `json:"websocket"`
		Polling   int `json:"polling"`
	} `json:"socketio"`
	Volli struct {
		WebSocket int `json:"websocket"`
	} `json:"volli"`
}

func (s *Server) statistics() statistics {
	var c connections
	c.SocketIO.WebSocket, c.SocketIO.Polling = s.engine.Connections()
	c.Volli.WebSocket = s.volli.Connections()
	return statistics{
		ConnectedUsers: s.hub.Online(),
		Uptime:         s.uptime(),
		Timestamp:      now(),
		Memory:         readMemory(),
		Connections:    c,
		Relays:         s.handlers.Counters.Relays(),
		Errors:         s.errors(),
		Goroutines:     runtime.NumGoroutine(),
		Build:          Build(),
	}
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.statistics())
}
