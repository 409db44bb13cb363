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
func (ws *webSocket) Message(payload []byte, binary bool) error {
	s := (*Session)(ws)
	if s.ended() {
		return nil // until the peer's Close
	}
	s.inbox.Lock()
	defer s.inbox.Unlock()
	err := s.receive(payload, binary, s.conn.Load().Batch())
	if err == nil {
		return nil
	}
	var end *wire.CloseError
	var hold *wire.Hold
	switch {
	case errors.As(err, &end):
		return err
	case errors.As(err, &hold):
		return &wire.Hold{Do: func() { // a late POST waits as well
			s.inbox.Lock()
			defer s.inbox.Unlock()
			hold.Do()
		}}
	case err == errClientClose:
		s.end(reasonTransport, wire.CloseNormal, replied)
	default:
		s.abort("parse error")
	}
	return nil
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
