package socketio

import (
	"errors"
	"net/http"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// polling is HTTP long-polling as a transport, and a session's upgrade from it.
type polling struct {
	session *Session
	wake    chan struct{} // the poll that waits has something to fetch

	// guarded by Session.mu
	queue    wire.Backlog             // text packets whole
	keep     pollKeeper               // of the relays in it
	heart    pollPing                 // the ping, which comes before the queue
	sending  int                      // memory of the answer that is being written, or kept
	answer   *http.ResponseController // which that is; nil if there is none
	holder   wire.Holder              // of memory
	held     int                      // that it was told of
	polled   bool                     // a poll waits, or is being answered
	greeted  bool                     // the open packet was fetched
	posting  bool
	body     *http.ResponseController // of the request that posts; nil if there is none
	last     byte                     // the packet that ends the session, 0 while it is open
	lastHeld bool                     // last waits until the upgrade under way is over
	upgrade  upgrade
}

// A pollPing is how far a ping has come.
type pollPing uint8

const (
	noPing pollPing = iota
	pingQueued
	pingFetched
)

// lateTimeout is how long a poll may come behind the client's own close packet, and
// how long the end of a session waits for an upgrade.
const lateTimeout = time.Second

func newPolling(s *Session) *polling {
	return &polling{session: s, wake: make(chan struct{}, 1), holder: s.engine.opts.Account.Open(s.relieve)}
}

// send queues packets for the next poll; see Session.send.
func (p *polling) send(batch *wire.Batch, receipt wire.Receipt, packets []wire.Message) error {
	s := p.session
	s.mu.Lock()
	conn := s.conn.Load()
	var err error
	switch {
	case conn != nil: // since
	case s.ended():
		err = ErrClosed
	default:
		err = p.put(receipt, packets)
	}
	s.mu.Unlock()
	switch {
	case conn != nil:
		return s.sendTo(conn, batch, receipt, packets)
	case err == ErrSlow:
		s.engine.wire.CountSlow()
		s.Cut()
	}
	return err
}

// errUpgraded says that the session has moved to a WebSocket.
var errUpgraded = errors.New("upgraded")

// put queues packets, or returns ErrFull or ErrSlow. Session.mu is held.
func (p *polling) put(receipt wire.Receipt, packets []wire.Message) error {
	s := p.session
	size := 0
	for i := range packets {
		size += packets[i].FrameSize()
	}
	most, grown := s.engine.opts.MaxOutbox, 0
	if receipt.From != nil {
		most -= most / 4 // which is for what the server itself has to say
		grown = p.keep.growth()
	}
	full := p.memory() > 0 && (p.memory()+grown+p.queue.Growth(size) > most ||
		receipt.From != nil && s.engine.opts.Account.Full())
	switch {
	case full && receipt.From != nil:
		return ErrFull
	case full:
		return ErrSlow
	}
	for i := range packets {
		p.queue.Put(&packets[i])
	}
	if s.engine.opts.Proxied == nil {
		receipt = wire.Receipt{} // nothing is kept
	}
	p.keep.add(receipt, len(packets))
	p.account()
	p.wakePoll()
	return nil
}

func (p *polling) ping() {
	s := p.session
	ws := (*webSocket)(s)
	s.mu.Lock()
	moved := p.upgrade.state == upgraded // since the ping was due
	if moved {
		s.asked = ws
	} else {
		p.heart = pingQueued
		p.wakePoll()
	}
	s.mu.Unlock()
	if moved {
		ws.ping()
	}
}

func (p *polling) answered() bool {
	fetched := p.heart == pingFetched
	if fetched {
		p.heart = noPing
	}
	return fetched
}

func (p *polling) pongDue(at time.Time, paused time.Duration) time.Time {
	if p.heart == pingQueued && p.answer != nil { // the client is fetching what comes before
		return at.Add(p.session.engine.opts.PingTimeout)
	}
	return at.Add(paused)
}

func (p *polling) waiting() int {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	return p.memory()
}

// memory is how much memory waits for the client. Session.mu is held.
func (p *polling) memory() int { return p.sending + p.keep.memory() + p.queue.Memory() }

// account accounts for it. What waits is taken for others': it has a bound of its
// own. Session.mu is held.
func (p *polling) account() {
	n := p.memory()
	p.holder.Add(0, n-p.held)
	p.held = n
}

// wakePoll lets a waiting poll fetch. Session.mu is held.
func (p *polling) wakePoll() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// close ends the polling with a last packet: for the poll that waits or, where what
// is queued is to be flushed or the client closed the session itself, for the next
// one. A client whose probe was answered gets it behind its upgrade instead: in a
// poll it would not notice it.
func (p *polling) close(_ uint16, how farewell) {
	if p.sayLast(how) {
		p.session.forget()
	}
	p.session.tellPolled()
}

// sayLast queues the last packet, and reports whether it will never be fetched.
func (p *polling) sayLast(how farewell) (unfetched bool) {
	s := p.session
	s.mu.Lock()
	defer s.mu.Unlock()
	p.last = engineClose
	if how == replied {
		p.last = engineNoop
	}
	p.lastHeld = how == flushed && p.upgrade.state == probeAnswered
	if how != flushed && !p.polled {
		p.drop()
		p.heart = noPing
	}
	if how != flushed && p.answer != nil {
		// A client that does not read its answer is not waited for any longer.
		_ = p.answer.SetWriteDeadline(time.Now().Add(wire.DefaultCloseTimeout))
	}
	p.wakePoll()
	if how == dropped && !p.polled {
		return true
	}
	wait := wire.DefaultCloseTimeout
	if p.lastHeld || how == replied && !p.polled {
		wait = lateTimeout
	}
	s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wait), s)
	return false
}

// releaseLast lets polls fetch a last packet that waited for an upgrade, and
// reports whether there was one. Session.mu is held.
func (p *polling) releaseLast() bool {
	if p == nil || !p.lastHeld {
		return false
	}
	p.lastHeld = false
	p.wakePoll()
	s := p.session
	s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wire.DefaultCloseTimeout), s)
	return true
}

// forget drops what is queued, and ends an upgrade that is under way. It reports
// whether the session never left polling.
func (p *polling) forget() (polled bool) {
	p.session.mu.Lock()
	p.drop()
	probe := p.upgrade.probe
	polled = p.upgrade.state != upgraded
	p.session.mu.Unlock()
	if probe != nil {
		probe.Close(wire.CloseNormal, "")
	}
	return polled
}
