package socketio

import (
	"errors"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// webSocket is a session as its WebSocket's handler, and as a transport.
type webSocket Session

func (ws *webSocket) ping() { _ = ws.conn.Load().PingText(string([]byte{enginePing})) }

func (ws *webSocket) answered() bool { return ws.conn.Load().Answered() }

func (ws *webSocket) pongDue(time.Time, time.Duration) time.Time {
	return ws.conn.Load().PongDue(ws.engine.opts.PingTimeout)
}

func (ws *webSocket) waiting() int { return ws.conn.Load().Waiting() }

func (ws *webSocket) close(code uint16, _ farewell) { ws.conn.Load().Close(code, "") }

// Message handles a frame (Engine.IO protocol 4, "WebSocket").
func (ws *webSocket) Message(payload []byte, binary bool) (wire.Hold, error) {
	s := (*Session)(ws)
	if s.ended() {
		return nil, nil // until the peer's Close
	}
	s.inbox.Lock()
	defer s.inbox.Unlock()
	hold, err := s.receive(payload, binary, s.conn.Load().Batch())
	switch {
	case hold != nil:
		return func() { // a late POST waits as well
			s.inbox.Lock()
			defer s.inbox.Unlock()
			hold()
		}, nil
	case err == nil:
		return nil, nil
	case err == errClientClose:
		s.end(reasonTransport, wire.CloseNormal, replied)
		return nil, nil
	}
	var end *wire.CloseError
	if errors.As(err, &end) {
		return nil, err
	}
	s.abort("parse error")
	return nil, nil
}

// Pong does not matter: Engine.IO's heartbeat is in its packets.
func (ws *webSocket) Pong() {}

func (ws *webSocket) TooLarge() {
	s := (*Session)(ws)
	s.inbox.Lock() // a POST may have been on its way when the session came here
	defer s.inbox.Unlock()
	if !s.ended() {
		s.guard(s.handler.TooLarge)
	}
}

func (ws *webSocket) OverRate() {
	s := (*Session)(ws)
	s.inbox.Lock()
	defer s.inbox.Unlock()
	s.overRate()
}

func (ws *webSocket) Closed(err error) {
	s := (*Session)(ws)
	var p *wire.PanicError
	if errors.As(err, &p) {
		s.panicked(p.Value, p.Stack)
	}
	s.mu.Lock()
	if !s.ended() {
		reason := reasonTransport
		var end *wire.CloseError
		if errors.As(err, &end) && end.Remote && end.Code == wire.CloseGoingAway {
			reason = ReasonPageGone
		}
		s.endLocked(reason, 0)
	}
	s.mu.Unlock()
	s.inbox.Lock()
	defer s.inbox.Unlock()
	s.tellEnd()
	s.forget()
}
