package socketio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// post takes a payload from the client.
func (p *polling) post(w http.ResponseWriter, r *http.Request) *engineError {
	s := p.session
	take, unanswered := s.takePayload, func() { s.abort("transport error") }
	switch p.beginPost(w) {
	case nil:
	case ErrClosed:
		take, unanswered = s.takeClosed, s.forget
	case errSecondPost:
		s.abort("transport error")
		return errBadRequest
	default:
		return errBadRequest
	}
	failure := take(w, r)
	s.mu.Lock()
	p.posting, p.body = false, nil
	s.mu.Unlock()
	if failure != nil {
		return failure
	}
	if err := s.engine.respond(w, "text/html", []byte("ok"), nil); err != nil {
		unanswered()
	}
	return nil
}

// errSecondPost is a post that comes while another one is handled.
var errSecondPost = errors.New("two posts at a time")

// beginPost makes the post the one that is handled. With ErrClosed, the session is
// over.
func (p *polling) beginPost(w http.ResponseWriter) error {
	p.session.mu.Lock()
	defer p.session.mu.Unlock()
	over := p.session.ended()
	switch {
	case p.upgrade.state == upgraded && !over:
		return errUpgraded
	case p.posting:
		return errSecondPost
	}
	p.posting = true
	p.body = http.NewResponseController(w)
	if over {
		return ErrClosed
	}
	return nil
}

// takeClosed takes a payload for a session that is over: only whether the client
// closes it as well, or answers the last ping, matters. It is charged like others,
// so that the end of a session for a flood does not let the flood in.
func (s *Session) takeClosed(w http.ResponseWriter, r *http.Request) *engineError {
	begun := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.engine.opts.MaxPayload)))
	if err != nil {
		return errBadRequest
	}
	s.budget.Charge(1, begun)
	if pause, _ := s.budget.Settle(len(body), begun); pause > 0 && !wait(r.Context(), pause) {
		return errBadRequest
	}
	for packet := range bytes.SplitSeq(body, []byte{recordSeparator}) {
		switch {
		case len(packet) != 1:
		case packet[0] == enginePong:
			s.settleVerdict(true)
		case packet[0] == engineClose:
			s.forget()
		}
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
	if b.session.ended() {
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
	for more := true; more && !s.ended(); {
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
	for more && len(body)-len(rest) < readSize && !s.ended() {
		var packet []byte
		packet, rest, more = bytes.Cut(rest, []byte{recordSeparator})
		hold, err := s.receive(packet, false, &batch)
		if err != nil {
			return nil, false, err
		}
		if hold != nil {
			batch.Flush()
			hold()
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
	err := s.handle(f)
	defer s.tellPolled()
	var end *wire.CloseError
	switch {
	case err == nil:
		return nil
	case err == errClientClose:
		s.end(reasonTransport, wire.CloseNormal, replied)
		return nil
	case errors.As(err, &end):
		s.Close("transport error")
	default:
		s.abort("parse error")
	}
	return errBadRequest
}

// handle calls f, with no other call of the handler at the same time.
func (s *Session) handle(f func() error) error {
	s.inbox.Lock()
	defer s.inbox.Unlock()
	if s.inbox.told || s.ended() {
		return ErrClosed
	}
	err := ErrMalformed // of a panic
	s.guard(func() { err = f() })
	var end *wire.CloseError
	if errors.As(err, &end) && end.Code == wire.CloseTooBig {
		s.guard(s.handler.TooLarge)
	}
	return err
}

// tellPolled tells the handler of the end of a session that polled, if that is
// due. If the handler is busy, the goroutine that keeps it busy will.
func (s *Session) tellPolled() {
	for s.endDue() {
		if !s.inbox.TryLock() {
			return
		}
		due := !s.inbox.told
		s.tellEnd()
		s.inbox.Unlock()
		if !due {
			return
		}
	}
}

// endDue reports whether the handler of a session that polled may be told of its end.
// Where the server stops, that is when the client has fetched what was queued, or will
// not fetch it: only then is it known what it has not got.
func (s *Session) endDue() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn.Load() != nil {
		return false
	}
	state := sessionState(s.state.Load())
	return state == gone || state == ending && s.reason != reasonShutdown
}
