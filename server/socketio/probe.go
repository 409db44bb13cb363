package socketio

import (
	"net/http"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// serveUpgrade takes a WebSocket for a session that polls (Engine.IO protocol
// 4, "Upgrade"). One for a session that is on a WebSocket already is closed at
// once, as Node's engine does; it counts as a connection meanwhile.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) *engineError {
	probing := s.polling.beginProbe()
	if !probing && !s.awaitUpgrade() {
		return errBadRequest // there is another probe, or the session has ended
	}
	conn, admission, err := s.accept(w, r)
	switch {
	case conn == nil:
		if probing {
			s.polling.giveUpProbe()
		}
		return err
	case !probing:
		conn.Close(wire.CloseNormal, "")
		s.engine.group.Start(conn, &turnedAway{engine: s.engine, admission: admission}, nil)
		return nil
	}
	p := &probe{session: s, conn: conn, admission: admission, paused: s.budget.Paused()}
	if !s.polling.setProbe(conn) {
		conn.Close(wire.CloseNormal, "")
	}
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

func (*turnedAway) Message([]byte, bool) (wire.Hold, error) { return nil, nil }
func (*turnedAway) Pong()                                   {}
func (*turnedAway) TooLarge()                               {}
func (*turnedAway) OverRate()                               {}
func (t *turnedAway) Closed(error)                          { t.engine.release(t.admission) }

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
}

// upgraded reports whether the probe has become its session's transport.
func (p *probe) upgraded() bool { return p.session.conn.Load() == p.conn }

var errProbe = &wire.CloseError{Code: wire.CloseProtocolError, Reason: "no probe"}

func (p *probe) Message(payload []byte, binary bool) (wire.Hold, error) {
	if p.upgraded() {
		return (*webSocket)(p.session).Message(payload, binary)
	}
	switch {
	case !binary && string(payload) == "2probe":
		if err := p.conn.Send(p.conn.Batch(), wire.Message{Prefix: []byte("3probe")}); err != nil {
			return nil, err
		}
		p.session.polling.probed(p.conn)
		return nil, nil
	case !binary && len(payload) == 1 && payload[0] == engineUpgrade:
		if p.session.polling.upgradeTo(p.conn) {
			p.session.engine.deadlines.Stop(&p.deadline)
			p.session.engine.release(p.admission)
			return nil, nil
		}
		if p.session.ended() {
			p.session.forget()
			return nil, nil
		}
	}
	return nil, errProbe
}

// Expired gives up an upgrade; the session goes on polling.
func (p *probe) Expired(at time.Time) {
	if more := p.session.pausedSince(&p.paused); more > 0 {
		p.session.engine.deadlines.Set(&p.deadline, at.Add(more), p)
		return
	}
	if !p.upgraded() {
		p.conn.Close(wire.CloseNormal, "")
	}
}

func (p *probe) Pong() {}

func (p *probe) TooLarge() {
	if p.upgraded() {
		(*webSocket)(p.session).TooLarge()
	}
}

func (p *probe) OverRate() {
	if p.upgraded() {
		(*webSocket)(p.session).OverRate()
	}
}

func (p *probe) Closed(err error) {
	if p.upgraded() {
		(*webSocket)(p.session).Closed(err)
		return
	}
	p.session.engine.deadlines.Stop(&p.deadline)
	p.session.polling.giveUpProbe()
	p.session.engine.release(p.admission)
}
