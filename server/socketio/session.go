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

// MessagePrefix begins a text message.
const MessagePrefix = "4"

// A Session is one client's Engine.IO session, over whatever transport.
type Session struct {
	// static once it has started
	engine    *EngineIO
	id        string
	admission Admission
	opened    wire.Instant
	handler   MessageHandler
	polling   *polling // nil if the session began as a WebSocket
	textOnly  bool     // binary messages go out in base64, over WebSocket too

	state  atomic.Int32              // a sessionState; changes under mu
	conn   atomic.Pointer[wire.Conn] // the WebSocket that it is on, nil while it polls; set under mu
	budget wire.Budget
	inbox  inbox

	// verdict is what closeAsking was given, while the session polls and has not
	// answered.
	verdict atomic.Pointer[func(there bool)]

	heartbeat wire.Deadline

	mu     sync.Mutex
	asked  transport     // that has the ping whose pong is due; nil: none is
	paused time.Duration // of the budget, when the heartbeat was set
	reason string        // of the end
	code   uint16        // to close the WebSocket with
}

// A sessionState is how far a session's end has come. A session that polls has the
// state of its upgrade besides: see upgradeState.
//
//	open ── either side ends it, or its client fails ──► ending ── all was fetched, or cut ──► gone
type sessionState int32

const (
	open   sessionState = iota
	ending              // over for its handler; its client may still fetch what is queued
	gone                // its id is unknown
)

// ended reports whether the session is over for its handler.
func (s *Session) ended() bool { return sessionState(s.state.Load()) != open }

// endLocked begins the end. mu is held.
func (s *Session) endLocked(reason string, code uint16) {
	s.state.Store(int32(ending))
	s.reason, s.code = reason, code
}

// An inbox is held while the session's handler is called. Only the goroutine that
// holds it, or gets it by TryLock, may tell the handler of the end.
type inbox struct {
	sync.Mutex
	told bool // the handler knows of the end
}

// ID is the session's id. A client that knows it can take part in a polling session.
func (s *Session) ID() string { return s.id }

// Admission is what the gate said when the session was opened.
func (s *Session) Admission() Admission { return s.admission }

// Budget is what the session may send.
func (s *Session) Budget() *wire.Budget { return &s.budget }

// Opened is when the session was opened.
func (s *Session) Opened() time.Time { return s.opened.Time() }

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
	e.deadlines.SetHeartbeat(&s.heartbeat, s.Opened(), e.opts.PingInterval, s)
}

// Send queues packets, one behind the other with nothing between them: text
// ones whole, so that a message begins with MessagePrefix, and binary messages
// as they are. It does not wait, and the bytes are the caller's again on
// return. The error is nil, ErrClosed or ErrSlow; see Socket.Emit for batch.
func (s *Session) Send(batch *wire.Batch, packets ...wire.Message) error {
	return s.send(batch, wire.Receipt{}, packets...)
}

// send is Send; with a receipt, for what another client sends, which ErrFull
// refuses. It does not go through the transport interface, by which each packet
// would be allocated.
func (s *Session) send(batch *wire.Batch, receipt wire.Receipt, packets ...wire.Message) error {
	if conn := s.conn.Load(); conn != nil {
		return s.sendTo(conn, batch, receipt, packets)
	}
	return s.polling.send(batch, receipt, packets)
}

// sendTo queues packets on a WebSocket.
func (s *Session) sendTo(conn *wire.Conn, batch *wire.Batch, receipt wire.Receipt, packets []wire.Message) error {
	if s.textOnly {
		packets = TextMessages(packets)
	}
	if receipt.From != nil {
		return sendError(conn.Relay(batch, receipt, packets...))
	}
	return sendError(conn.Send(batch, packets...))
}

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

// unacknowledged calls f with each relay that the client has not acknowledged, oldest
// first, and forgets them.
func (s *Session) unacknowledged(f func(receipt wire.Receipt, messages []wire.Message)) {
	s.mu.Lock()
	conn := s.conn.Load()
	var relays []takenBack
	if conn == nil {
		relays = s.polling.takeBack()
	}
	s.mu.Unlock()
	if conn != nil {
		conn.Unacknowledged(f)
	}
	for _, r := range relays {
		f(r.receipt, r.messages)
	}
}

// receive handles what arrived on the session's transport: a text packet, or
// the bytes of a binary message. It is called from one goroutine at a time.
func (s *Session) receive(p []byte, binary bool, batch *wire.Batch) (wire.Hold, error) {
	if binary {
		return s.handler.Message(p, true, batch)
	}
	if len(p) == 0 {
		return nil, ErrMalformed
	}
	switch p[0] {
	case engineMessage:
		return s.handler.Message(p[1:], false, batch)
	case enginePong:
		if !s.pong() {
			s.budget.Packet(batch.Begun())
		}
		return nil, nil
	case BinaryPrefix:
		return s.handler.Message(DecodeBase64(p[1:]), true, batch)
	case engineClose:
		return nil, errClientClose
	case engineOpen, engineUpgrade, engineNoop:
		s.budget.Packet(batch.Begun())
		return nil, nil // not a client's to send, but some do: Swift's a noop behind its upgrade
	}
	return nil, ErrMalformed
}

var errClientClose = errors.New("client close")

// overRate ends a session that has overdrawn its budget for too long. The inbox is
// held.
func (s *Session) overRate() {
	if !s.ended() {
		s.guard(s.handler.OverRate)
	}
	s.Close("over the message rate")
}

// Close ends the session in good order: its handler is told, what is queued
// still leaves, and the client is told. It does not wait.
func (s *Session) Close(reason string) { s.end(reason, wire.CloseNormal, flushed) }

// Dismiss closes the session because the server stops.
func (s *Session) Dismiss() { s.end(reasonShutdown, wire.CloseGoingAway, flushed) }

// abort ends a session whose client has failed.
func (s *Session) abort(reason string) { s.end(reason, wire.CloseNormal, dropped) }

func (s *Session) end(reason string, code uint16, how farewell) {
	s.mu.Lock()
	if s.ended() {
		s.mu.Unlock()
		return
	}
	s.endLocked(reason, code)
	t := s.transport()
	s.mu.Unlock()
	t.close(code, how)
}

// closeAsking is Close, with a question and the last packet before; see
// Socket.DisconnectAsking.
func (s *Session) closeAsking(reason string, last wire.Message, verdict func(there bool)) {
	s.mu.Lock()
	if s.ended() {
		s.mu.Unlock()
		verdict(false)
		return
	}
	var err error
	conn := s.conn.Load()
	if conn == nil { // its answer may come at once: the session is over by then
		s.verdict.Store(&verdict)
		err = s.polling.put(wire.Receipt{}, []wire.Message{{Payload: []byte{enginePing}}, last})
	}
	s.endLocked(reason, wire.CloseNormal)
	s.mu.Unlock()
	switch {
	case conn != nil:
		conn.CloseAsking(wire.CloseNormal, "", s.engine.opts.PingTimeout, verdict, last)
	case err != nil:
		s.engine.wire.CountSlow()
		s.polling.close(wire.CloseNormal, dropped)
		s.forget()
	default:
		s.polling.close(wire.CloseNormal, flushed)
	}
}

// settleVerdict answers the question of closeAsking, where it was asked of a session
// that polls and is open.
func (s *Session) settleVerdict(there bool) {
	if verdict := s.verdict.Swap(nil); verdict != nil {
		(*verdict)(there)
	}
}

// Cut ends the session at once, without a word.
func (s *Session) Cut() {
	s.abort(reasonTransport)
	if conn := s.conn.Load(); conn != nil {
		conn.Cut()
	}
	s.forget()
}

// tellEnd tells the handler that the session is over, once. The inbox is held.
func (s *Session) tellEnd() {
	if s.inbox.told {
		return
	}
	s.inbox.told = true
	s.mu.Lock()
	reason := s.reason
	s.mu.Unlock()
	s.guard(func() { s.handler.Closed(reason) })
	s.engine.release(s.admission)
}

// forget ends what is left of a session: its id is unknown from now on.
func (s *Session) forget() {
	s.mu.Lock()
	first := s.state.Swap(int32(gone)) != int32(gone)
	s.mu.Unlock()
	if !first {
		return
	}
	s.settleVerdict(false)
	s.engine.deadlines.Stop(&s.heartbeat)
	polled := false
	if s.polling != nil {
		polled = s.polling.forget()
		s.tellPolled()
	}
	s.engine.forget(s, polled)
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
