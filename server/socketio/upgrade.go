package socketio

import (
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// An upgrade is how far a session that polls has come on its way to a WebSocket.
// There is one probe at a time. It is guarded by Session.mu.
type upgrade struct {
	state    upgradeState
	probe    *wire.Conn
	over     chan struct{} // closed when the probe has become the transport, or given up
	tried    bool          // there was a probe
	answered time.Time     // when the probe was
}

// An upgradeState is that of an upgrade (Engine.IO protocol 4, "Upgrade"):
//
//	          ┌──────────────── it ends, or does not upgrade in time ─────────────┐
//	          ▼                                                                   │
//	notUpgrading ── a WebSocket comes ──► probing ── "2probe" ──► probeAnswered ── "5" ──► upgraded
type upgradeState uint8

const (
	notUpgrading upgradeState = iota
	probing
	probeAnswered // polls are released, so that the client can upgrade
	upgraded
)

// beginProbe reserves the session for a WebSocket that is about to try to take it
// over. giveUpProbe ends that, with or without a connection.
func (p *polling) beginProbe() bool {
	if p == nil {
		return false
	}
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if p.upgrade.state != notUpgrading || p.session.ended() {
		return false
	}
	p.upgrade.state, p.upgrade.over, p.upgrade.tried = probing, make(chan struct{}), true
	return true
}

// awaitUpgrade reports whether the session is on a WebSocket. It waits for an
// upgrade under way, whose last packet a request may have overtaken.
func (s *Session) awaitUpgrade() bool {
	if s.polling == nil || s.conn.Load() != nil {
		return s.conn.Load() != nil
	}
	if over := s.polling.upgrading(); over != nil {
		select {
		case <-over:
		case <-time.After(releaseInterval):
		}
	}
	return s.conn.Load() != nil
}

// upgrading returns what is closed when the upgrade is over of a client whose probe
// was answered, or nil.
func (p *polling) upgrading() <-chan struct{} {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if p.upgrade.state != probeAnswered {
		return nil
	}
	return p.upgrade.over
}

// wasProbed reports whether the session's first probe has come.
func (p *polling) wasProbed() bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	return p.upgrade.tried
}

// wasUpgraded reports whether the session is on a WebSocket, so that it has nothing
// to poll for.
func (p *polling) wasUpgraded() bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	return p.upgrade.state == upgraded
}

// setProbe lets conn try to take the session over. It reports false if there is
// nothing left to take over.
func (p *polling) setProbe(conn *wire.Conn) bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.upgrade.probe = conn
	return sessionState(p.session.state.Load()) != gone
}

// probed lets the client's poll return, so that it can stop polling.
func (p *polling) probed(conn *wire.Conn) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if u := &p.upgrade; u.probe == conn && u.state == probing {
		u.state, u.answered = probeAnswered, time.Now()
		p.wakePoll()
	}
}

// giveUpProbe forgets a connection that did not take the session over.
func (p *polling) giveUpProbe() {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	p.upgrade.settle(notUpgrading)
	p.releaseLast()
}

// settle ends what beginProbe began.
func (u *upgrade) settle(state upgradeState) {
	close(u.over)
	u.state, u.over, u.probe = state, nil, nil
}

// upgradeTo makes conn the session's transport. What is queued goes there. It is
// called by conn's reader.
func (p *polling) upgradeTo(conn *wire.Conn) bool {
	s := p.session
	defer s.tellPolled() // it may have ended, and found the handler busy
	s.inbox.Lock()
	defer s.inbox.Unlock()
	moved, over := p.flushTo(conn)
	if over { // the client had stopped polling; now it has the rest
		conn.Close(s.code, "")
	}
	return moved
}

// flushTo moves what is queued to conn, and then the session, unless that is over.
func (p *polling) flushTo(conn *wire.Conn) (moved, over bool) {
	s := p.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.upgrade.probe != conn || p.upgrade.state != probeAnswered {
		return false, false
	}
	if err := p.sendAll(conn); err != nil {
		return false, false
	}
	if s.ended() {
		p.releaseLast()
		return false, true
	}
	s.conn.Store(conn)
	p.upgrade.settle(upgraded)
	p.wakePoll()
	s.engine.countUpgrade()
	return true, false
}

// sendAll puts all that is queued on conn. The client has what it fetched: it does
// not upgrade before. Session.mu is held.
func (p *polling) sendAll(conn *wire.Conn) error {
	defer p.account()
	p.acknowledge()
	ping := func() error {
		if p.heart != pingQueued || p.queue.NextIsBinary() {
			return nil
		}
		p.heart = pingFetched
		return p.session.sendTo(conn, conn.Batch(), wire.Receipt{}, []wire.Message{{Payload: []byte{enginePing}}})
	}
	err := ping()
	for err == nil && !p.queue.Empty() {
		packet := p.takePacket()
		err = p.session.sendTo(conn, conn.Batch(), packet.receipt, packet.messages)
		if err == ErrFull { // it had room where it comes from
			err = p.session.sendTo(conn, conn.Batch(), wire.Receipt{}, packet.messages)
		}
	}
	p.acknowledge()
	if err == nil {
		err = ping()
	}
	return err
}
