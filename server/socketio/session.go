package socketio

import (
	"encoding/json"
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// Engine.IO packet types (Engine.IO protocol 4, "Protocol").
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineUpgrade = '5'
	engineNoop    = '6'
)

// A Session is one client's Engine.IO session, over whatever transport.
type Session struct {
	// static once it has started
	engine    *EngineIO
	id        string
	admission Admission
	opened    time.Time
	handler   MessageHandler
	polling   *polling // nil if the session began as a WebSocket
	textOnly  bool     // binary messages go out in base64, over WebSocket too

	// conn is the WebSocket that the session is on, nil while it polls.
	conn atomic.Pointer[wire.Conn]
	// closed is set, under mu, when the session is over for its user.
	closed atomic.Bool

	budget    wire.Budget
	heartbeat wire.Deadline

	// verdict is what closeAsking was given, while the session polls and has not
	// answered.
	verdict atomic.Pointer[func(there bool)]

	mu        sync.Mutex
	awaitPong bool
	pingedBy  *wire.Conn    // the WebSocket that the ping was left to; nil while polling
	paused    time.Duration // of the budget, when the heartbeat was set
	reason    string
	code      uint16 // to close the WebSocket with

	// guarded by EngineIO.mu
	forgotten bool
	upgraded  bool // from polling
}

// ID is the session's id. Whoever knows it can take part in a polling session.
func (s *Session) ID() string { return s.id }

// Admission is what the gate said when the session was opened.
func (s *Session) Admission() Admission { return s.admission }

// Budget is what the session may send.
func (s *Session) Budget() *wire.Budget { return &s.budget }

// Opened is when the session was opened.
func (s *Session) Opened() time.Time { return s.opened }

// start queues the open packet (Engine.IO protocol 4, "Handshake"), and starts
// the heartbeat.
func (s *Session) start(batch *wire.Batch, upgrades ...string) {
	if upgrades == nil {
		upgrades = []string{}
	}
	e := s.engine
	handshake, err := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}{s.id, upgrades, e.opts.PingInterval.Milliseconds(), e.opts.PingTimeout.Milliseconds(), e.opts.MaxPayload})
	if err != nil {
		panic(err) // strings and numbers
	}
	_ = s.Send(batch, wire.Message{Prefix: []byte{engineOpen}, Payload: handshake})
	s.handler = e.open(s)
	e.deadlines.Set(&s.heartbeat, s.opened.Add(e.opts.PingInterval), s)
}

// Send queues packets, one behind the other with nothing between them: text
// ones whole, so that a message begins with MessagePrefix, and binary messages
// as they are. It does not wait, and the bytes are the caller's again on
// return. The error is nil, ErrClosed or ErrSlow; see Socket.Emit for batch.
func (s *Session) Send(batch *wire.Batch, packets ...wire.Message) error {
	return s.send(batch, wire.Receipt{}, packets...)
}

// send is Send; with a receipt, for what another client sends, which ErrFull
// refuses.
func (s *Session) send(batch *wire.Batch, receipt wire.Receipt, packets ...wire.Message) error {
	if conn := s.conn.Load(); conn != nil {
		return s.sendWebSocket(conn, batch, receipt, packets)
	}
	if s.polling == nil {
		return ErrClosed
	}
	return s.sendPolling(batch, receipt, packets)
}

func (s *Session) sendWebSocket(conn *wire.Conn, batch *wire.Batch, receipt wire.Receipt, packets []wire.Message) error {
	if s.textOnly {
		packets = TextMessages(packets)
	}
	if receipt.From != nil {
		return sendError(conn.Relay(batch, receipt, packets...))
	}
	return sendError(conn.Send(batch, packets...))
}

// MessagePrefix begins a text message.
const MessagePrefix = "4"

func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, wire.ErrSlow):
		return ErrSlow
	case errors.Is(err, wire.ErrFull):
		return ErrFull
	}
	return ErrClosed
}

// waiting is how many bytes wait to be written, or fetched.
func (s *Session) waiting() int {
	if conn := s.conn.Load(); conn != nil {
		return conn.Waiting()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling == nil {
		return 0
	}
	return s.polling.memory()
}

// receive handles what arrived on the session's transport: a text packet, or
// the bytes of a binary message. It is called from one goroutine at a time.
func (s *Session) receive(p []byte, binary bool, batch *wire.Batch) error {
	if binary {
		return s.handler.Message(p, true, batch)
	}
	if len(p) == 0 {
		return ErrMalformed
	}
	switch p[0] {
	case engineMessage:
		return s.handler.Message(p[1:], false, batch)
	case enginePong:
		if !s.pong() {
			s.budget.Packet(batch.Begun())
		}
		return nil
	case BinaryPrefix:
		return s.handler.Message(DecodeBase64(p[1:]), true, batch)
	case engineClose:
		return errClientClose
	case engineOpen, engineUpgrade, engineNoop:
		s.budget.Packet(batch.Begun())
		return nil // not a client's to send, but some do: Swift's a noop behind its upgrade
	}
	return ErrMalformed
}

var errClientClose = errors.New("client close")

// pong takes note of a heartbeat reply, and reports whether it answers a ping that
// has left. Only then does it count as life.
func (s *Session) pong() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.awaitPong, s.pingedBy == nil && !s.polling.pinged, s.pingedBy != nil && !s.pingedBy.Answered():
		return false
	}
	if !s.closed.Load() {
		s.awaitPong = false
		s.engine.deadlines.Set(&s.heartbeat, time.Now().Add(s.engine.opts.PingInterval), s)
	}
	return true
}

// Expired is the heartbeat (Engine.IO protocol 4, "Heartbeat"): a ping is due,
// or its pong is overdue.
func (s *Session) Expired(at time.Time) {
	s.mu.Lock()
	if s.closed.Load() {
		held := s.releaseLast()
		s.mu.Unlock()
		if !held {
			s.forget() // a polling client that has not come for the rest
		}
		return
	}
	late := s.awaitPong
	due := at.Add(s.engine.opts.PingTimeout)
	paused := s.pausedSince(&s.paused)
	switch {
	case !late:
		s.awaitPong, s.pingedBy = true, s.conn.Load()
	case s.pingedBy != nil:
		due = s.pingedBy.PongDue(s.engine.opts.PingTimeout)
	case s.polling.ping && s.polling.answer != nil: // the client is fetching what comes before
	default:
		due = at.Add(paused)
	}
	if !late && s.pingedBy == nil {
		s.polling.ping, s.polling.pinged = true, false
		s.polling.wakePoll()
	}
	conn, again := s.pingedBy, !late || time.Now().Before(due)
	if again {
		s.engine.deadlines.Set(&s.heartbeat, due, s)
	}
	s.mu.Unlock()
	switch {
	case !again:
		s.abort("ping timeout")
	case !late && conn != nil:
		_ = conn.PingText(string([]byte{enginePing}))
	}
}

// pausedSince is for how long the session was not read, because of its budget,
// since the last call with the same mark: its clocks stand still then.
func (s *Session) pausedSince(mark *time.Duration) time.Duration {
	before := *mark
	*mark = s.budget.Paused()
	return *mark - before
}

// overRate ends a session that has overdrawn its budget for too long. Nobody else
// calls the handler meanwhile.
func (s *Session) overRate() {
	if !s.closed.Load() {
		s.guard(s.handler.OverRate)
	}
	s.Close("over the message rate")
}

// Close ends the session in good order: its handler is told, what is queued
// still leaves, and the client is told. It does not wait.
func (s *Session) Close(reason string) { s.end(reason, wire.CloseNormal, true) }

// closeAsking is Close, with a question and the last packet before; see
// Socket.DisconnectAsking.
func (s *Session) closeAsking(reason string, last wire.Message, verdict func(there bool)) {
	s.mu.Lock()
	conn := s.conn.Load()
	if s.closed.Load() {
		s.mu.Unlock()
		verdict(false)
		return
	}
	if conn == nil {
		s.mu.Unlock()
		s.closePollingAsking(reason, last, verdict)
		return
	}
	s.closed.Store(true)
	s.reason, s.code = reason, wire.CloseNormal
	s.mu.Unlock()
	conn.CloseAsking(wire.CloseNormal, "", s.engine.opts.PingTimeout, verdict, last)
}

// abort ends a session whose client has failed.
func (s *Session) abort(reason string) { s.end(reason, wire.CloseNormal, false) }

func (s *Session) end(reason string, code uint16, flush bool) {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		return
	}
	s.closed.Store(true)
	s.reason, s.code = reason, code
	conn := s.conn.Load()
	if conn == nil && s.polling != nil {
		s.endPolling(flush, engineClose)
		return
	}
	s.mu.Unlock()
	if conn != nil {
		conn.Close(code, "")
	}
}

// Dismiss closes the session because the server stops.
func (s *Session) Dismiss() { s.end(reasonShutdown, wire.CloseGoingAway, true) }

// Cut ends the session at once, without a word.
func (s *Session) Cut() {
	s.abort(reasonTransport)
	if conn := s.conn.Load(); conn != nil {
		conn.Cut()
	}
	s.forget()
}

// finish tells the handler that the session is over. It is called once, when
// nothing else calls the handler.
func (s *Session) finish() {
	s.mu.Lock()
	reason := s.reason
	s.mu.Unlock()
	s.guard(func() { s.handler.Closed(reason) })
	s.engine.release(s.admission)
}

// forget ends what is left of a session: its id is unknown from now on.
func (s *Session) forget() {
	if verdict := s.verdict.Swap(nil); verdict != nil {
		(*verdict)(false)
	}
	s.engine.deadlines.Stop(&s.heartbeat)
	if s.polling != nil {
		s.mu.Lock()
		probe := s.polling.probe
		s.polling.queue.Drop()
		s.polling.account()
		s.mu.Unlock()
		if probe != nil {
			probe.Close(wire.CloseNormal, "")
		}
	}
	s.engine.forget(s)
}

// guard reports a panic in f.
func (s *Session) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked(v, debug.Stack())
		}
	}()
	f()
}

func (s *Session) panicked(v any, stack []byte) {
	if s.engine.opts.Panicked != nil {
		s.engine.opts.Panicked(v, stack)
	}
}
