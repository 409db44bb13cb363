package socketio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// polling is what a session has while its transport is HTTP long-polling.
type polling struct {
	// receiving is held while the handler is called. Only the goroutine that
	// holds it, or gets it by TryLock, may tell the handler of the end.
	receiving sync.Mutex
	finished  bool // the handler was told; guarded by receiving

	wake chan struct{} // the poll that waits has something to fetch

	// guarded by Session.mu
	queue    wire.Backlog             // text packets whole
	ping     bool                     // one waits; it comes before the queue
	pinged   bool                     // the last one was fetched
	sending  int                      // memory of the answer that is being written
	answer   *http.ResponseController // which that is; nil if there is none
	holder   wire.Holder              // of memory
	held     int                      // that it was told of
	waiting  bool                     // a poll waits, or is being answered
	posting  bool
	body     *http.ResponseController // of the request that posts; nil if there is none
	last     byte                     // the packet that ends the session, 0 while it is open
	lastHeld bool                     // last waits until the upgrade under way is over
	// probing is there while a WebSocket is about to be, or is, probe, and closed
	// when it has become the transport or given up. There is one at a time.
	probing  chan struct{}
	tried    bool // there was a probe
	probe    *wire.Conn
	probed   bool      // its probe was answered: polls are released, so that it can upgrade
	answered time.Time // when
	upgraded bool
}

// releaseInterval is how long a poll waits while a client upgrades, as with stock
// socket.io: a client polls on until its upgrade goes through.
const releaseInterval = 100 * time.Millisecond

// lateTimeout is how long a poll may come behind the client's own close packet, and
// how long the end of a session waits for an upgrade.
const lateTimeout = time.Second

func newPolling(account *wire.Account, end func()) *polling {
	return &polling{wake: make(chan struct{}, 1), holder: account.Open(end)}
}

const recordSeparator = 0x1e

// sendPolling queues packets for the next poll.
func (s *Session) sendPolling(batch *wire.Batch, receipt wire.Receipt, packets []wire.Message) error {
	p := s.polling
	s.mu.Lock()
	if conn := s.conn.Load(); conn != nil {
		s.mu.Unlock()
		return s.sendWebSocket(conn, batch, receipt, packets)
	}
	if s.closed.Load() {
		s.mu.Unlock()
		return ErrClosed
	}
	size := 0
	for i := range packets {
		size += packets[i].FrameSize()
	}
	most := s.engine.opts.MaxOutbox
	if receipt.From != nil {
		most -= most / 4 // which is for what the server itself has to say
	}
	full := p.memory() > 0 && (p.sending+p.queue.MemoryWith(size) > most ||
		receipt.From != nil && s.engine.opts.Account.Full())
	switch {
	case full && receipt.From != nil:
		s.mu.Unlock()
		return ErrFull
	case full:
		s.mu.Unlock()
		s.engine.wire.CountSlow()
		s.Cut()
		return ErrSlow
	}
	for i := range packets {
		p.queue.Put(&packets[i])
	}
	p.account()
	p.wakePoll()
	s.mu.Unlock()
	return nil
}

// memory is how much memory waits for the client. Session.mu is held.
func (p *polling) memory() int { return p.sending + p.queue.Memory() }

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

// servePolling serves a poll or a post.
func (s *Session) servePolling(w http.ResponseWriter, r *http.Request) *engineError {
	if s.polling == nil {
		return errBadRequest
	}
	switch r.Method {
	case http.MethodGet:
		return s.poll(w, r)
	case http.MethodPost:
		return s.post(w, r)
	}
	return errBadRequest
}

// poll answers with what is queued, and waits if nothing is.
func (s *Session) poll(w http.ResponseWriter, r *http.Request) *engineError {
	p := s.polling
	s.mu.Lock()
	switch {
	case p.upgraded:
		s.mu.Unlock()
		return errBadRequest
	case p.waiting:
		s.mu.Unlock()
		s.abort("transport error")
		return errBadRequest
	case s.closed.Load() && p.last == 0:
		s.mu.Unlock()
		return errSessionUnknown
	}
	p.waiting = true
	late := p.probed // a client that upgrades has no poll under way that began so late
	release := time.Now().Add(releaseInterval)
	for p.queue.Empty() && !p.ping && !p.over() && !p.upgraded {
		var released <-chan time.Time
		if p.probed {
			if !late {
				release = p.answered.Add(releaseInterval)
			}
			wait := time.Until(release)
			if wait <= 0 {
				break
			}
			released = time.After(wait)
		}
		s.mu.Unlock()
		select {
		case <-p.wake:
		case <-released:
		case <-r.Context().Done():
			s.pollFailed(reasonTransport)
			return nil
		}
		s.mu.Lock()
	}
	if late && p.upgraded {
		p.waiting = false
		s.mu.Unlock()
		return errBadRequest // it overtook the upgrade
	}
	asked := p.ping
	payload, last := p.take()
	if asked && !p.ping { // its answer is due from here on
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(s.engine.opts.PingTimeout), s)
	}
	if s.closed.Load() && !last && !p.lastHeld { // there is more to fetch
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wire.DefaultCloseTimeout), s)
	}
	p.sending, p.answer = cap(payload), http.NewResponseController(w)
	p.account()
	s.mu.Unlock()
	err := s.respond(w, "text/plain; charset=UTF-8", payload, func() {
		s.mu.Lock()
		p.waiting = false
		p.sending, p.answer = 0, nil
		p.account()
		s.mu.Unlock()
		if last {
			s.forget()
		}
	})
	if err != nil {
		s.pollFailed("transport error")
	}
	return nil
}

// over reports whether the last packet may be fetched. Session.mu is held.
func (p *polling) over() bool { return p.last != 0 && !p.lastHeld }

// pollFailed ends a session whose client did not take the answer to its poll,
// unless it has moved to a WebSocket meanwhile.
func (s *Session) pollFailed(reason string) {
	s.mu.Lock()
	upgraded := s.polling.upgraded
	s.mu.Unlock()
	if !upgraded {
		s.abort(reason)
		s.forget()
	}
}

// maxPollPackets is how many packets one poll gets. Python's client drops a session
// whose poll brings more.
const maxPollPackets = 16

// take removes what is queued, as much as one poll gets, and returns it as a
// payload (Engine.IO protocol 4, "Packet encoding"), or the last packet if nothing
// is queued: a client handles that at once, and what came with it only afterwards. A
// ping comes first, but not between a packet and its attachments. Session.mu is held.
func (p *polling) take() (payload []byte, last bool) {
	for range maxPollPackets {
		binary := p.queue.NextIsBinary()
		if !p.ping && p.queue.Empty() {
			break
		}
		if len(payload) > 0 {
			payload = append(payload, recordSeparator)
		}
		switch {
		case binary:
			payload = appendBinary(payload, p.queue.Take(nil))
		case p.ping:
			payload = append(payload, enginePing)
			p.ping, p.pinged = false, true
		default:
			payload = p.queue.Take(payload)
		}
	}
	switch {
	case len(payload) > 0:
		return payload, false
	case p.over():
		return []byte{p.last}, true
	}
	return []byte{engineNoop}, false
}

// takeAll removes all that is queued, and returns it. Session.mu is held.
func (p *polling) takeAll() (packets []wire.Message) {
	if p.ping && !p.queue.NextIsBinary() {
		packets = append(packets, wire.Message{Payload: []byte{enginePing}})
		p.ping, p.pinged = false, true
	}
	for !p.queue.Empty() {
		m := wire.Message{Binary: p.queue.NextIsBinary()}
		m.Payload = p.queue.Take(nil)
		packets = append(packets, m)
	}
	if p.ping {
		packets = append(packets, wire.Message{Payload: []byte{enginePing}})
		p.ping, p.pinged = false, true
	}
	return packets
}

// respond writes a whole answer, to a client that may not read it. It calls
// settle, where not nil, before the last byte: once the client has that, its next
// request may come before respond returns.
func (s *Session) respond(w http.ResponseWriter, contentType string, body []byte, settle func()) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.engine.patience()))
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

// patience is how long a client may take for one request or answer.
func (e *EngineIO) patience() time.Duration { return e.opts.PingInterval + e.opts.PingTimeout }

// post takes a payload from the client.
func (s *Session) post(w http.ResponseWriter, r *http.Request) *engineError {
	p := s.polling
	s.mu.Lock()
	switch {
	case s.closed.Load():
		s.mu.Unlock()
		return s.postClosed(w, r)
	case p.upgraded:
		s.mu.Unlock()
		return errBadRequest
	case p.posting:
		s.mu.Unlock()
		s.abort("transport error")
		return errBadRequest
	}
	p.posting = true
	p.body = http.NewResponseController(w)
	s.mu.Unlock()

	failure := s.takePayload(w, r)
	s.mu.Lock()
	p.posting, p.body = false, nil
	s.mu.Unlock()
	if failure != nil {
		return failure
	}
	if err := s.respond(w, "text/html", []byte("ok"), nil); err != nil {
		s.abort("transport error")
	}
	return nil
}

// postClosed takes a payload for a session that is over: only whether the
// client closes it as well, or answers the last ping, matters.
func (s *Session) postClosed(w http.ResponseWriter, r *http.Request) *engineError {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.engine.opts.MaxPayload)))
	if err != nil {
		return errBadRequest
	}
	for packet := range bytes.SplitSeq(body, []byte{recordSeparator}) {
		switch {
		case len(packet) != 1:
		case packet[0] == enginePong:
			if verdict := s.verdict.Swap(nil); verdict != nil {
				(*verdict)(true)
			}
		case packet[0] == engineClose:
			s.forget()
		}
	}
	if err := s.respond(w, "text/html", []byte("ok"), nil); err != nil {
		s.forget()
	}
	return nil
}

func (s *Session) takePayload(w http.ResponseWriter, r *http.Request) *engineError {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
		s.abort("transport error")
		return errBadRequest
	}
	own := &ownBody{ReadCloser: r.Body, session: s}
	defer own.forget()
	body, err := io.ReadAll(http.MaxBytesReader(w, own, int64(s.engine.opts.MaxPayload)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.receiveWith(func() error { s.handler.TooLarge(); return nil })
		s.Close("transport error")
		return errPayloadTooLarge
	case err != nil:
		s.abort(reasonTransport)
		return errBadRequest
	}
	return s.receivePayload(r.Context(), toUTF8(body))
}

// An ownBody is a request's body, whose bytes its session caused itself.
type ownBody struct {
	io.ReadCloser
	session *Session
	held    int
}

func (b *ownBody) Read(p []byte) (int, error) {
	if b.session.closed.Load() {
		return 0, ErrClosed
	}
	n, err := b.ReadCloser.Read(p)
	b.held += n
	b.session.polling.holder.Add(n, 0)
	return n, err
}

// forget is called when the body has been handled.
func (b *ownBody) forget() { b.session.polling.holder.Add(-b.held, 0) }

// relieve ends the session for what its client has made it hold: a body that is
// being read, however slowly it comes.
func (s *Session) relieve() {
	s.Cut()
	s.mu.Lock()
	defer s.mu.Unlock()
	if body := s.polling.body; body != nil {
		_ = body.SetReadDeadline(time.Unix(1, 0))
	}
}

// readSize is how much of a payload is handled before its sender's budget is
// settled, unless a packet is longer: as much as is read of a WebSocket at once.
const readSize = 16 << 10

// receivePayload handles the packets of a payload, in order. Where they overdraw
// the session's budget, the request waits in between.
func (s *Session) receivePayload(request context.Context, body []byte) *engineError {
	for more := true; more && !s.closed.Load(); {
		begun, n := time.Now(), len(body)
		failure := s.receiveWith(func() (err error) {
			body, more, err = s.receivePart(body)
			return err
		})
		if failure != nil {
			return failure
		}
		pause, over := s.budget.Settle(n-len(body), begun)
		if over {
			return s.receiveWith(func() error { s.overRate(); return nil })
		}
		if pause > 0 && !wait(request, pause) {
			s.abort("transport close")
			return errBadRequest
		}
	}
	return nil
}

// receivePart handles some of the packets of a payload, and returns the others, if
// there are more.
func (s *Session) receivePart(body []byte) (rest []byte, more bool, err error) {
	var batch wire.Batch
	batch.Begin()
	defer batch.End(s.engine.opts.Latency)
	rest, more = body, true
	for more && len(body)-len(rest) < readSize && !s.closed.Load() {
		var packet []byte
		packet, rest, more = bytes.Cut(rest, []byte{recordSeparator})
		if err := s.receive(packet, false, &batch); err != nil {
			batch.Flush()
			if err = wire.Finish(err); err != nil {
				return nil, false, err
			}
		}
	}
	return rest, more, nil
}

// wait waits for d, unless ctx ends.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// receiveWith calls f as the only caller of the handler, and ends the session
// if f fails.
func (s *Session) receiveWith(f func() error) *engineError {
	p := s.polling
	p.receiving.Lock()
	err := ErrClosed
	if !p.finished {
		err = ErrMalformed
		s.guard(func() { err = f() })
	}
	var end *wire.CloseError
	if errors.As(err, &end) && end.Code == wire.CloseTooBig {
		s.guard(s.handler.TooLarge)
	}
	p.receiving.Unlock()
	defer s.finishPolling()

	switch {
	case err == nil:
		return nil
	case err == errClientClose:
		s.mu.Lock()
		if s.closed.Load() {
			s.mu.Unlock()
			return nil
		}
		s.closed.Store(true)
		s.reason, s.code = reasonTransport, wire.CloseNormal
		if conn := s.conn.Load(); conn != nil { // it was upgraded meanwhile
			s.mu.Unlock()
			conn.Close(wire.CloseNormal, "")
			return nil
		}
		s.endPolling(false, engineNoop)
		return nil
	case end != nil:
		s.Close("transport error")
	default:
		s.abort("parse error")
	}
	return errBadRequest
}

// closePollingAsking is closeAsking for a session that polls.
func (s *Session) closePollingAsking(reason string, last wire.Message, verdict func(there bool)) {
	s.verdict.Store(&verdict)
	if s.Send(nil, wire.Message{Prefix: []byte{enginePing}}, last) != nil {
		s.forget()
		return
	}
	s.Close(reason)
}

// endPolling ends the session's polling with a last packet: for the poll that
// waits or, where what is queued is to be flushed or the client closed the
// session itself, for the next one. A client whose probe was answered gets it
// behind its upgrade instead: in a poll it would not notice it. s.closed is set.
// s.mu is held, and released.
func (s *Session) endPolling(flush bool, last byte) {
	p := s.polling
	p.last = last
	p.lastHeld = flush && p.probed
	keep := flush || p.waiting || last == engineNoop
	if !flush && !p.waiting {
		p.queue.Drop()
		p.account()
		p.ping = false
	}
	if !flush && p.answer != nil {
		// Nobody waits for long for who does not read it.
		_ = p.answer.SetWriteDeadline(time.Now().Add(wire.DefaultCloseTimeout))
	}
	p.wakePoll()
	if keep {
		wait := wire.DefaultCloseTimeout
		if p.lastHeld || last == engineNoop && !p.waiting {
			wait = lateTimeout
		}
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wait), s)
	}
	s.mu.Unlock()
	if !keep {
		s.forget()
	}
	s.finishPolling()
}

// releaseLast lets polls fetch a last packet that waited for an upgrade, and
// reports whether there was one. s.mu is held.
func (s *Session) releaseLast() bool {
	p := s.polling
	if p == nil || !p.lastHeld {
		return false
	}
	p.lastHeld = false
	p.wakePoll()
	s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(wire.DefaultCloseTimeout), s)
	return true
}

// finishPolling tells the handler of the end of a session that polled, if that
// is due. If the handler is busy, who keeps it busy will.
func (s *Session) finishPolling() {
	p := s.polling
	for s.closed.Load() && s.conn.Load() == nil {
		if !p.receiving.TryLock() {
			return
		}
		due := !p.finished
		p.finished = true
		if due {
			s.finish()
		}
		p.receiving.Unlock()
		if !due {
			return
		}
	}
}

// beginProbe reserves the session for a WebSocket that is about to try to take
// it over. endProbe ends that, with or without a connection.
func (s *Session) beginProbe() bool {
	p := s.polling
	if p == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.upgraded || p.probing != nil || s.closed.Load() {
		return false
	}
	p.probing, p.tried = make(chan struct{}), true
	return true
}

// awaitUpgrade reports whether the session is on a WebSocket. It waits for an
// upgrade under way, whose last packet a request may have overtaken.
func (s *Session) awaitUpgrade() bool {
	if s.polling == nil || s.conn.Load() != nil {
		return s.conn.Load() != nil
	}
	s.mu.Lock()
	probing := s.polling.probing
	if !s.polling.probed {
		probing = nil
	}
	s.mu.Unlock()
	if probing != nil {
		select {
		case <-probing:
		case <-time.After(releaseInterval):
		}
	}
	return s.conn.Load() != nil
}

// wasProbed reports whether the session's first probe has come.
func (s *Session) wasProbed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.polling.tried
}

// setProbe lets conn try to take the session over.
func (s *Session) setProbe(conn *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling.probe = conn
}

// probed lets the client's poll return, so that it can stop polling.
func (s *Session) probed(conn *wire.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.polling; p.probe == conn && !p.probed {
		p.probed, p.answered = true, time.Now()
		p.wakePoll()
	}
}

// endProbe forgets a connection that did not take the session over.
func (s *Session) endProbe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.polling
	close(p.probing)
	p.probing, p.probe, p.probed = nil, nil, false
	s.releaseLast()
}

// upgrade makes conn the session's transport. What is queued goes there. It is
// called by conn's reader.
func (s *Session) upgrade(conn *wire.Conn) bool {
	p := s.polling
	defer s.finishPolling() // it may have ended, and found the handler busy
	p.receiving.Lock()
	defer p.receiving.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.probe != conn || !p.probed {
		return false
	}
	packets := p.takeAll()
	p.account()
	if err := s.sendWebSocket(conn, conn.Batch(), wire.Receipt{}, packets); err != nil {
		return false
	}
	if s.closed.Load() { // the client had stopped polling; now it has the rest
		conn.Close(s.code, "")
		s.releaseLast()
		return false
	}
	s.conn.Store(conn)
	close(p.probing)
	p.probing, p.probe, p.probed, p.upgraded = nil, nil, false, true
	p.wakePoll()
	s.engine.countUpgrade(s)
	return true
}
