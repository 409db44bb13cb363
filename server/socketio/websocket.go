package socketio

import (
	"errors"
	"net/http"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// webSocket is a session as its WebSocket's handler.
type webSocket Session

// Message handles a frame (Engine.IO protocol 4, "WebSocket").
func (ws *webSocket) Message(payload []byte, binary bool) error {
	s := (*Session)(ws)
	if s.closed.Load() {
		return nil // until the peer's Close
	}
	batch := s.conn.Load().Batch()
	if s.polling != nil {
		s.polling.receiving.Lock()
		defer s.polling.receiving.Unlock()
	}
	err := s.receive(payload, binary, batch)
	if err == nil {
		return nil
	}
	var end *wire.CloseError
	var hold *wire.Hold
	switch {
	case errors.As(err, &end):
		return err
	case errors.As(err, &hold):
		if s.polling == nil {
			return hold
		}
		return &wire.Hold{Do: func() { // a late POST waits as well
			s.polling.receiving.Lock()
			defer s.polling.receiving.Unlock()
			hold.Do()
		}}
	}
	reason := "parse error"
	if err == errClientClose {
		reason = reasonTransport
	}
	s.abort(reason)
	return nil
}

// Pong does not matter: Engine.IO's heartbeat is in its packets.
func (ws *webSocket) Pong() {}

func (ws *webSocket) TooLarge() {
	s := (*Session)(ws)
	if s.polling != nil { // a POST may have been on its way when the session came here
		s.polling.receiving.Lock()
		defer s.polling.receiving.Unlock()
	}
	if !s.closed.Load() {
		s.guard(s.handler.TooLarge)
	}
}

func (ws *webSocket) OverRate() {
	s := (*Session)(ws)
	if s.polling != nil {
		s.polling.receiving.Lock()
		defer s.polling.receiving.Unlock()
	}
	s.overRate()
}

func (ws *webSocket) Closed(err error) {
	s := (*Session)(ws)
	var p *wire.PanicError
	if errors.As(err, &p) {
		s.panicked(p.Value, p.Stack)
	}
	s.mu.Lock()
	if !s.closed.Load() {
		s.closed.Store(true)
		s.reason = reasonTransport
		var end *wire.CloseError
		if errors.As(err, &end) && end.Remote && end.Code == wire.CloseGoingAway {
			s.reason = ReasonPageGone
		}
	}
	s.mu.Unlock()
	if s.polling != nil {
		s.polling.receiving.Lock()
		defer s.polling.receiving.Unlock()
		s.polling.finished = true
	}
	s.finish()
	s.forget()
}

// serveUpgrade takes a WebSocket for a session that polls (Engine.IO protocol
// 4, "Upgrade"). One for a session that is on a WebSocket already is closed at
// once, as Node's engine does; it counts as a connection meanwhile.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) *engineError {
	probing := s.beginProbe()
	if !probing && !s.awaitUpgrade() {
		return errBadRequest // there is another probe, or the session has ended
	}
	conn, admission, err := s.accept(w, r)
	switch {
	case conn == nil:
		if probing {
			s.endProbe()
		}
		return err
	case !probing:
		conn.Close(wire.CloseNormal, "")
		s.engine.group.Start(conn, &turnedAway{engine: s.engine, admission: admission}, nil)
		return nil
	}
	p := &probe{session: s, conn: conn, admission: admission, paused: s.budget.Paused()}
	s.setProbe(conn)
	s.engine.deadlines.Set(&p.deadline, time.Now().Add(upgradeTimeout), p)
	s.engine.group.Start(conn, p, nil)
	return nil
}

// accept admits a WebSocket for the session, and upgrades it. Where it returns
// neither a connection nor an error, the request has been answered.
func (s *Session) accept(w http.ResponseWriter, r *http.Request) (*wire.Conn, Admission, *engineError) {
	admission, refusal := s.engine.admit(r)
	if refusal != nil {
		refusal.Write(w)
		return nil, Admission{}, nil
	}
	if !s.engine.group.Reserve() {
		s.engine.release(admission)
		return nil, Admission{}, errSessionUnknown
	}
	conn, err := s.engine.upgrade(w, r, s)
	if err != nil {
		s.engine.release(admission)
		s.engine.group.Release()
		return nil, Admission{}, nil
	}
	return conn, admission, nil
}

// A turnedAway is the handler of a WebSocket that is being closed.
type turnedAway struct {
	engine    *EngineIO
	admission Admission
}

func (*turnedAway) Message([]byte, bool) error { return nil }
func (*turnedAway) Pong()                      {}
func (*turnedAway) TooLarge()                  {}
func (*turnedAway) OverRate()                  {}
func (t *turnedAway) Closed(error)             { t.engine.release(t.admission) }

// upgradeTimeout is how long an upgrade may take.
const upgradeTimeout = 10 * time.Second

// A probe is a WebSocket that may become a session's transport.
type probe struct {
	session  *Session
	conn     *wire.Conn
	deadline wire.Deadline // for upgrading
	paused   time.Duration // of the session's budget, when the deadline was set
	// admission is the probe's own. With the upgrade, its session's is enough.
	admission Admission

	upgraded bool // owned by the connection's reader
}

var errProbe = &wire.CloseError{Code: wire.CloseProtocolError, Reason: "no probe"}

func (p *probe) Message(payload []byte, binary bool) error {
	if p.upgraded {
		return (*webSocket)(p.session).Message(payload, binary)
	}
	switch {
	case !binary && string(payload) == "2probe":
		if err := p.conn.Send(p.conn.Batch(), wire.Message{Prefix: []byte("3probe")}); err != nil {
			return err
		}
		p.session.probed(p.conn)
		return nil
	case !binary && len(payload) == 1 && payload[0] == engineUpgrade:
		if p.upgraded = p.session.upgrade(p.conn); p.upgraded {
			p.session.engine.deadlines.Stop(&p.deadline)
			p.session.engine.release(p.admission)
			return nil
		}
		if p.session.closed.Load() {
			p.session.forget()
			return nil
		}
	}
	return errProbe
}

// Expired gives up an upgrade; the session goes on polling.
func (p *probe) Expired(at time.Time) {
	if more := p.session.pausedSince(&p.paused); more > 0 {
		p.session.engine.deadlines.Set(&p.deadline, at.Add(more), p)
		return
	}
	if p.session.conn.Load() != p.conn {
		p.conn.Close(wire.CloseNormal, "")
	}
}

func (p *probe) Pong() {}

func (p *probe) TooLarge() {
	if p.upgraded {
		(*webSocket)(p.session).TooLarge()
	}
}

func (p *probe) OverRate() {
	if p.upgraded {
		(*webSocket)(p.session).OverRate()
	}
}

func (p *probe) Closed(err error) {
	if p.upgraded {
		(*webSocket)(p.session).Closed(err)
		return
	}
	p.session.engine.deadlines.Stop(&p.deadline)
	p.session.endProbe()
	p.session.engine.release(p.admission)
}
