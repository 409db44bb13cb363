package server

import (
	"encoding/json"
	"net/http"
	"runtime"
	"time"
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

func notFound(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusNotFound, map[string]string{"error": "Not found"})
}

func methodNotAllowed(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusMethodNotAllowed, map[string]string{"error": "Method not allowed"})
}

// upgradeRequired answers requests for a WebSocket that ask for none.
func upgradeRequired(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	answer(w, http.StatusUpgradeRequired, map[string]string{"error": "WebSocket upgrade required"})
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
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
	answer(w, http.StatusOK, struct {
		Name        string            `json:"name"`
		Version     string            `json:"version"`
		Description string            `json:"description"`
		Endpoints   map[string]string `json:"endpoints"`
	}{
		"Oodaa Signaling Server", Build().Version,
		"WebRTC signaling: lets two devices find each other and exchange offers, answers and candidates",
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
		Relays:         s.handlers.Counts.Relays(),
		Errors:         s.handlers.Counts.Errors(),
		Goroutines:     runtime.NumGoroutine(),
		Build:          Build(),
	}
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.statistics())
}
