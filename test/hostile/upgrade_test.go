package hostile

import (
	"errors"
	"fmt"
	"net/http"
)

// probing is a WebSocket for a session that polls.
func (p *session) probing() *conn {
	if p.err != nil {
		return &conn{err: p.err}
	}
	return p.s.upgraded(oodaaPath + "&sid=" + p.sid)
}

// noSecondProbe has another probe of the session refused before it is a WebSocket.
func (p *session) noSecondProbe() error {
	if p.err != nil {
		return p.err
	}
	c := p.s.tcp()
	c.put(handshake(oodaaPath + "&sid=" + p.sid))
	c.status(http.StatusBadRequest)
	return c.end()
}

// switches is a session whose WebSocket has taken it over.
func (s *server) switches() (*session, *conn) {
	p := s.pollsInside()
	ws := p.probing()
	ws.put(text("2probe"))
	ws.expect("3probe")
	ws.put(text("5"))
	inside.alive(ws)
	return p, ws
}

// upgradeRows abuse the way from long-polling to a WebSocket (Engine.IO
// protocol 4, "Upgrade").
var upgradeRows = []row{
	{"upgrade/two probes at once", func(s *server) error {
		p := s.pollsInside()
		first := p.probing()
		first.put(text("2probe"))
		first.expect("3probe")
		first.fail(p.noSecondProbe())
		first.put(text("5"))
		inside.alive(first)
		return errors.Join(p.end(), first.end())
	}},
	{"upgrade/probe twice", func(s *server) error {
		p := s.pollsInside()
		ws := p.probing()
		ws.put(text("2probe"), text("2probe"))
		ws.expect("3probe", "3probe")
		ws.put(text("5"))
		inside.alive(ws)
		return errors.Join(p.end(), ws.end())
	}},
	{"upgrade/upgrade twice", func(s *server) error {
		p, ws := s.switches()
		ws.put(text("5"))
		inside.alive(ws)
		return errors.Join(p.end(), ws.end())
	}},
	{"upgrade/and then poll", func(s *server) error {
		p, ws := s.switches()
		p.put(get(p.path()))
		p.status(http.StatusBadRequest)
		inside.alive(ws)
		return errors.Join(p.end(), ws.end())
	}},
	{"upgrade/and then post", func(s *server) error {
		p, ws := s.switches()
		p.put(post(p.path(), `42["ping"]`))
		p.status(http.StatusBadRequest)
		inside.alive(ws)
		return errors.Join(p.end(), ws.end())
	}},
	{"upgrade/and then upgrade again", func(s *server) error {
		p, ws := s.switches()
		again := p.probing()
		again.closed(1000)
		inside.alive(ws)
		return errors.Join(p.end(), ws.end(), again.end())
	}},
	{"upgrade/42 at once", func(s *server) error {
		p := s.pollsInside()
		ws := p.probing()
		ws.put(text("2probe"))
		ws.expect("3probe")
		ws.put(text("5") + text("42") + text("3") + text(`42["ping"]`))
		ws.expect(`42["pong"]`)
		return errors.Join(p.end(), ws.end())
	}},
	{"upgrade/of a session that is a WebSocket", func(s *server) error {
		ws := s.upgraded(oodaaPath)
		m := ws.next()
		match := sidPattern.FindStringSubmatch(m.payload)
		if match == nil {
			return fmt.Errorf("handshake %v, %w", m, ws.end())
		}
		c := s.upgraded(oodaaPath + "&sid=" + match[1])
		c.closed(1000)
		outside.alive(ws)
		return errors.Join(c.end(), ws.end())
	}},
	{"upgrade/without a probe", func(s *server) error { return s.failsToUpgrade(text("5")) }},
	{"upgrade/with an event", func(s *server) error { return s.failsToUpgrade(text(`42["ping"]`)) }},
	{"upgrade/with an empty frame", func(s *server) error { return s.failsToUpgrade(text("")) }},
	{"upgrade/with binary", func(s *server) error { return s.failsToUpgrade(data("2probe")) }},
	{"upgrade/with a wrong probe", func(s *server) error { return s.failsToUpgrade(text("2x")) }},
	{"upgrade/with a probe, and then an event", func(s *server) error {
		return s.failsToUpgrade(text("2probe")+text(`42["ping"]`), "3probe")
	}},
	{"upgrade/with an unmasked frame", func(s *server) error { return s.failsToUpgrade("\x81\x062probe") }},
	{"upgrade/left before the probe", func(s *server) error {
		p := s.pollsInside()
		for range 50 {
			// The server may not have noticed the end of the former one yet.
			c := s.tcp()
			c.put(handshake(oodaaPath + "&sid=" + p.sid))
			c.status(101, http.StatusBadRequest)
			if err := c.end(); err != nil {
				return err
			}
		}
		p.alive()
		return p.end()
	}},
	{"upgrade/left after the probe", func(s *server) error {
		p := s.pollsInside()
		ws := p.probing()
		ws.put(text("2probe"))
		ws.expect("3probe")
		err := ws.end()
		p.alive()
		return errors.Join(err, p.end())
	}},
	{"upgrade/session closed meanwhile", func(s *server) error {
		for range 600 / scale {
			p := s.pollsInside()
			ws := p.probing()
			ws.put(text("2probe"))
			ws.expect("3probe")
			p.put(post(p.path(), "1"))
			ws.put(text("5"))
			// Either the session ends, or it has moved, and is polled no more.
			if a := p.status(http.StatusOK, http.StatusBadRequest); a.status == http.StatusOK {
				ws.closed(1000, 1002)
			} else {
				inside.alive(ws)
			}
			if err := errors.Join(p.end(), ws.end()); err != nil {
				return err
			}
		}
		return nil
	}},
}

// failsToUpgrade has a session's WebSocket send what is no upgrade: it is
// closed, and the session goes on polling.
func (s *server) failsToUpgrade(frames string, answers ...string) error {
	p := s.pollsInside()
	ws := p.probing()
	ws.put(frames)
	ws.expect(answers...)
	ws.closed(1002)
	p.alive()
	return errors.Join(p.end(), ws.end())
}
