//go:build zishang

package zishang

import (
	"sync"
	"time"

	"github.com/gorilla/websocket"
	eio "github.com/zishang520/engine.io/v2/engine"
	sio "github.com/zishang520/socket.io/v2/socket"

	"github.com/oodaa/signaling/server/wire"
)

// Reasons for the end of a session or a socket, as the other engine has them;
// most are socket.io's on Node. The library adds "ping timeout" and
// "transport error".
const (
	reasonClient    = "client namespace disconnect"
	reasonServer    = "server namespace disconnect"
	reasonTransport = "transport close"
	reasonParse     = "parse error"
	reasonConnect   = "connect timeout"
	reasonRefused   = "refused"
	reasonShutdown  = "server shutting down"
	reasonOverRate  = "over the message rate"
)

// A session is one client's connection.
type session struct {
	// static after construction
	engine    *engine
	gate      *gate
	conn      eio.Socket
	transport *transport
	websocket *websocket.Conn
	tap       *tap
	heartbeat *heartbeat
	opened    time.Time
	ended     chan struct{} // closed when the library has ended the session

	// recv is held while something that arrived is handled, and while Receivers
	// are told of the end, so that Receivers hear of one thing at a time.
	recv     sync.Mutex
	joining  *joining      // a CONNECT packet that is being answered
	awaiting *binaryPacket // a packet whose attachments are yet to come

	// mu is held while packets are queued, for their order. Nothing that a
	// Receiver or the library waits for happens under it.
	mu      sync.Mutex
	closing bool               // nothing is handled or sent any more
	joiner  *member            // accepted, but the library has not answered yet
	members map[string]*member // by namespace; changed while recv is held
	timer   *time.Timer        // ends a session without members; may be nil
}

// newSession makes conn a session. It is called before the gate opens: nothing
// has been read or written yet.
func newSession(e *engine, conn eio.Socket) *session {
	s := &session{
		engine:    e,
		gate:      conn.Request().Response().(*gate),
		conn:      conn,
		transport: conn.Transport().(*transport),
		websocket: conn.Request().Websocket.Conn,
		opened:    time.Now(),
		ended:     make(chan struct{}),
		members:   make(map[string]*member),
	}
	s.recv.Lock() // the timer waits for the rest
	defer s.recv.Unlock()
	s.gate.session = s
	if timeout := e.opts.ConnectTimeout; timeout > 0 {
		s.timer = time.AfterFunc(timeout, s.expire)
	}
	// Before the library's own listeners, so that whoever finds a socket of a
	// session that has ended finds ended closed.
	_ = conn.Once("close", s.onClose)
	_ = conn.On("data", s.onData)
	s.watchPackets()
	s.transport.overRate = s.overRate
	s.websocket.SetPingHandler(s.onPing)
	s.websocket.SetPongHandler(func(string) error { // nobody asked for it
		s.transport.budget.Packet(time.Now())
		return nil
	})
	answer := s.websocket.CloseHandler()
	s.websocket.SetCloseHandler(func(code int, text string) error {
		s.transport.refuse()
		return answer(code, text)
	})
	s.tap = &tap{Socket: conn, session: s}
	sio.NewClient(e.client, s.tap)
	return s
}

// expire is called by the timer.
func (s *session) expire() {
	s.recv.Lock() // a CONNECT that is being handled comes first
	defer s.recv.Unlock()
	if len(s.members) == 0 {
		s.close(wire.CloseNormal, reasonConnect)
	}
}

// close ends the session: what is queued is written, then a Close frame, and
// the client has engine.closeTimeout to answer it.
func (s *session) close(code uint16, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, reason)
}

func (s *session) closeLocked(code uint16, reason string) {
	if s.closing {
		return
	}
	s.closing = true
	go s.end(code, reason) // engine.sessions waits for it
}

// overRate ends a session that has overdrawn its budget for too long.
func (s *session) overRate() {
	s.take(func() error {
		for _, m := range s.members {
			m.receiver.OverRate()
		}
		s.close(wire.ClosePolicyViolation, reasonOverRate)
		return nil
	})
}

// Cut ends the session at once, because the server stops.
func (s *session) Cut() {
	s.close(wire.CloseNormal, reasonShutdown)
	s.gate.conn.abort()
}

// Dismiss ends the session because the server stops.
func (s *session) Dismiss() { s.close(wire.CloseGoingAway, reasonShutdown) }

func (s *session) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// onClose is called by the library, at times by two goroutines at once, when it
// has given the session up.
func (s *session) onClose(args ...any) {
	reason, _ := args[0].(string)
	close(s.ended)
	s.close(wire.CloseNormal, reason)
}

// end runs once, from the first reason to end the session to its very end.
func (s *session) end(code uint16, reason string) {
	defer s.engine.release(s.gate)
	defer s.engine.sessions.Leave(s)

	s.recv.Lock()
	for _, m := range s.members {
		s.engine.guard(func() { m.receiver.Closed(reason) })
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.recv.Unlock()

	s.sayGoodbye(code)
	<-s.ended
	s.heartbeat.stop()
	s.gate.conn.finish(s.engine.closeTimeout)
	s.transport.finish()
}

// sayGoodbye waits for what is queued to be written, sends a Close frame, and
// waits for the client to answer and the library to notice. When the time is
// up it cuts the connection.
func (s *session) sayGoodbye(code uint16) {
	timer := time.NewTimer(s.engine.closeTimeout)
	defer timer.Stop()
	for s.transport.waiting() > 0 {
		select {
		case <-s.transport.idle:
		case <-s.ended:
			return
		case <-timer.C:
			s.gate.conn.abort()
			return
		}
	}
	select {
	case <-s.ended:
		return
	default:
	}
	s.transport.refuse()
	deadline := time.Now().Add(s.engine.closeTimeout)
	_ = s.websocket.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(int(code), ""), deadline)
	select {
	case <-s.ended:
	case <-timer.C:
		s.gate.conn.abort()
	}
}
