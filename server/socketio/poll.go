package socketio

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// servePolling serves a poll or a post.
func (s *Session) servePolling(w http.ResponseWriter, r *http.Request) *engineError {
	if s.polling == nil {
		return errBadRequest
	}
	switch r.Method {
	case http.MethodGet:
		return s.polling.poll(w, r)
	case http.MethodPost:
		return s.polling.post(w, r)
	}
	return errBadRequest
}

// poll answers with what is queued, and waits if nothing is.
func (p *polling) poll(w http.ResponseWriter, r *http.Request) *engineError {
	s := p.session
	late, err := p.beginPoll()
	if err != nil {
		if err == errSecondPoll {
			s.abort("transport error")
		}
		return errBadRequest
	}
	if p.fetchedAll() { // it is there, even if this overtook its pong
		s.settleVerdict(true)
	}
	if !p.awaitPackets(r.Context(), late) {
		p.pollFailed(reasonTransport)
		return nil
	}
	payload, last, ok := p.fetch(w, late)
	if !ok {
		if last {
			s.forget()
		}
		return errBadRequest
	}
	failed := s.engine.respond(w, "text/plain; charset=UTF-8", payload, func() {
		s.mu.Lock()
		p.polled = false
		p.answer = nil
		if p.keep.answer == nil {
			p.sending = 0
			p.account()
		}
		s.mu.Unlock()
		if last {
			s.forget()
		}
	})
	if failed != nil {
		p.pollFailed("transport error")
	}
	return nil
}

// errSecondPoll is a poll that comes while another one waits.
var errSecondPoll = errors.New("two polls at a time")

// beginPoll makes the poll the one that waits. It is late where the client has
// begun to upgrade: it has no poll under way that began so late.
func (p *polling) beginPoll() (late bool, err error) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	switch {
	case p.upgrade.state == upgraded:
		return false, errUpgraded
	case p.polled:
		return false, errSecondPoll
	}
	p.polled = true
	p.acknowledge()
	return p.upgrade.state == probeAnswered, nil
}

// acknowledge takes note that the client has what earlier polls fetched. Session.mu is
// held.
func (p *polling) acknowledge() {
	p.keep.acknowledge()
	p.sending = 0
	p.account()
}

// fetchedAll reports whether earlier polls have brought the client all but the last
// packet.
func (p *polling) fetchedAll() bool {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	return p.over() && p.queue.Empty()
}

// awaitPackets waits until there is something to fetch, or the client is to get an
// empty answer, since it upgrades. It reports false if the request ends first.
func (p *polling) awaitPackets(request context.Context, late bool) bool {
	begun := time.Now()
	for {
		due, wait := p.due(late, begun)
		if due {
			return true
		}
		var released <-chan time.Time
		if wait > 0 {
			released = time.After(wait)
		}
		select {
		case <-p.wake:
		case <-released:
		case <-request.Done():
			return false
		}
	}
}

// due reports whether the poll that has begun then is to be answered, or how long
// it may wait at most; 0 is forever.
func (p *polling) due(late bool, begun time.Time) (due bool, wait time.Duration) {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	if !p.queue.Empty() || p.heart == pingQueued || p.over() || p.upgrade.state == upgraded {
		return true, 0
	}
	if p.upgrade.state != probeAnswered {
		return false, 0
	}
	if !late {
		begun = p.upgrade.answered
	}
	wait = time.Until(begun.Add(releaseInterval))
	return wait <= 0, wait
}

// fetch takes what the poll is answered with. ok is false for a poll that has
// overtaken the upgrade, and for a handshake whose session was cut: a client that gets
// a close packet before the open packet waits for its own timeout.
func (p *polling) fetch(w http.ResponseWriter, late bool) (payload []byte, last, ok bool) {
	s := p.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if late && p.upgrade.state == upgraded {
		p.polled = false
		return nil, false, false
	}
	asked := p.heart == pingQueued
	payload, last = p.take()
	if last && !p.greeted {
		p.polled = false
		return nil, true, false
	}
	p.greeted = true
	if asked && p.heart == pingFetched { // its answer is due from here on
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(s.engine.opts.PingTimeout), s)
	}
	if s.ended() && !last && !p.lastHeld { // there is more to fetch
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wire.DefaultCloseTimeout), s)
	}
	p.sending, p.answer = cap(payload), http.NewResponseController(w)
	p.account()
	return payload, last, true
}

// over reports whether the last packet may be fetched. Session.mu is held.
func (p *polling) over() bool { return p.last != 0 && !p.lastHeld }

// pollFailed ends a session whose client did not take the answer to its poll,
// unless it has moved to a WebSocket meanwhile.
func (p *polling) pollFailed(reason string) {
	p.session.mu.Lock()
	moved := p.upgrade.state == upgraded
	p.session.mu.Unlock()
	if !moved {
		p.session.abort(reason)
		p.session.forget()
	}
}

// releaseInterval is how long a poll waits while a client upgrades, as with stock
// socket.io: a client polls on until its upgrade goes through.
const releaseInterval = 100 * time.Millisecond

const recordSeparator = 0x1e

// maxPollPackets is how many packets one poll gets. Python's client drops a session
// whose poll brings more.
const maxPollPackets = 16

// take removes what is queued, as much as one poll gets, and returns it as a
// payload (Engine.IO protocol 4, "Packet encoding"), or the last packet if nothing
// is queued: a client handles that at once, and what came with it only afterwards. A
// ping comes first, but not between a packet and its attachments. A relay comes
// whole. Session.mu is held.
func (p *polling) take() (payload []byte, last bool) {
	k := &p.keep
	for n := 0; n < maxPollPackets; {
		if p.heart == pingQueued && !p.queue.NextIsBinary() {
			payload = append(separate(payload), enginePing)
			p.heart = pingFetched
			n++
			continue
		}
		if p.queue.Empty() {
			break
		}
		relay, messages := k.next(), 1
		if relay != nil {
			messages = relay.messages
		}
		if n > 0 && n+messages > maxPollPackets {
			break
		}
		payload = separate(payload)
		begin := len(payload)
		payload = p.takeMessage(payload)
		for range messages - 1 {
			payload = p.takeMessage(separate(payload))
		}
		if relay != nil {
			relay.begin, relay.end = begin, len(payload)
			k.fetched++
		}
		n += messages
	}
	if k.fetched > 0 {
		k.answer = payload
	}
	switch {
	case len(payload) > 0:
		return payload, false
	case p.over():
		return []byte{p.last}, true
	}
	return []byte{engineNoop}, false
}

// separate makes room for another packet behind those in a payload.
func separate(payload []byte) []byte {
	if len(payload) > 0 {
		payload = append(payload, recordSeparator)
	}
	return payload
}

// takeMessage takes one message to the end of a payload. Session.mu is held.
func (p *polling) takeMessage(payload []byte) []byte {
	p.keep.taken++
	if p.queue.NextIsBinary() {
		return appendBinary(payload, p.queue.Take(nil))
	}
	return p.queue.Take(payload)
}

// respond writes a whole answer, to a client that may not read it. It calls
// settle, unless nil, before the last byte: once the client has that, its next
// request may come before respond returns.
func (e *EngineIO) respond(w http.ResponseWriter, contentType string, body []byte, settle func()) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(e.requestTimeout()))
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	var err error
	if most := len(body) - 1; settle != nil {
		if most > 0 {
			if _, err = w.Write(body[:most]); err == nil {
				err = control.Flush()
			}
		}
		settle()
		body = body[most:]
	}
	if err == nil {
		if _, err = w.Write(body); err == nil {
			err = control.Flush()
		}
	}
	_ = control.SetWriteDeadline(time.Time{})
	return err
}

// requestTimeout is how long a client may take for one request or answer.
func (e *EngineIO) requestTimeout() time.Duration { return e.opts.PingInterval + e.opts.PingTimeout }
