package socketio

import (
	"context"
	"net/http"
	"time"
)

// Server is the Engine of this package.
type Server struct {
	opts     Options
	engineIO *EngineIO
}

// New starts an engine. Shutdown ends it.
func New(opts Options) *Server {
	s := &Server{opts: opts}
	s.engineIO = NewEngineIO(opts, s.open)
	return s
}

func (s *Server) open(session *Session) MessageHandler {
	c := &client{server: s, session: session}
	c.await(session.Opened())
	return c
}

// ServeHTTP serves one request of a client.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engineIO.ServeHTTP(w, r) }

// Established reports whether r names a live session.
func (s *Server) Established(r *http.Request) bool { return s.engineIO.Established(r) }

// Connections counts the live sessions by transport.
func (s *Server) Connections() (websocket, polling int) { return s.engineIO.Connections() }

// SlowConsumers counts the clients that were cut because they did not take
// what they were sent.
func (s *Server) SlowConsumers() uint64 { return s.engineIO.wire.SlowConsumers() }

// Waiting is how many bytes wait for clients that do not take them.
func (s *Server) Waiting() int64 { return s.engineIO.Waiting() }

// Dismiss ends all sessions, one after another; see Engine.
func (s *Server) Dismiss(ctx context.Context, over time.Duration) { s.engineIO.Dismiss(ctx, over) }

// Shutdown ends all sessions; see Engine.
func (s *Server) Shutdown(ctx context.Context) error { return s.engineIO.Shutdown(ctx) }
