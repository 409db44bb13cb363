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
	answer(w, http.StatusOK, struct {
		Name        string            `json:"name"`
		Version     string            `json:"version"`
		Description string            `json:"description"`
		Endpoints   map[string]string `json:"endpoints"`
	}{
		"Oodaa Signaling Server", Build().Version,
		"WebRTC signaling: lets two devices find each other and exchange offers, answers and candidates",
		map[string]string{
			"health": "/health", "ready": "/ready", "stats": "/stats",
			"socketio": socketIOPath + "/", "volli": "/signaling",
		},
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
	answer(w, http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request) {
	var connections struct {
		SocketIO struct {
			WebSocket int `json:"websocket"`
			Polling   int `json:"polling"`
		} `json:"socketio"`
		Volli struct {
			WebSocket int `json:"websocket"`
		} `json:"volli"`
	}
	connections.SocketIO.WebSocket, connections.SocketIO.Polling = s.engine.Connections()
	connections.Volli.WebSocket = s.volli.Connections()
	answer(w, http.StatusOK, struct {
		ConnectedUsers int               `json:"connectedUsers"`
		Uptime         float64           `json:"uptime"`
		Timestamp      string            `json:"timestamp"`
		Memory         memory            `json:"memory"`
		Connections    any               `json:"connections"`
		Relays         map[string]uint64 `json:"relays"`
		Errors         map[string]uint64 `json:"errors"`
		Goroutines     int               `json:"goroutines"`
		Build          BuildInfo         `json:"build"`
	}{
		s.hub.Online(), s.uptime(), now(), readMemory(), connections,
		s.handlers.Counts.Relays(), s.handlers.Counts.Errors(), runtime.NumGoroutine(), Build(),
	})
}
