//go:build zishang

package zishang

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"time"

	sio "github.com/zishang520/socket.io/v2/socket"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A member is a session in a namespace. It implements socketio.Socket.
type member struct {
	session   *session
	namespace string
	id        string
	receiver  socketio.Receiver

	// guarded by session.mu
	left    bool
	reply   []byte // the answer to its CONNECT, while it is held back
	waiting []held // what is to follow the answer

	entered  chan struct{} // closed when the library has answered its CONNECT
	gone     chan struct{} // closed when the library has let it go
	goneOnce sync.Once
}

// A held packet waits to be sent.
type held struct {
	data        []byte
	attachments [][]byte
}

// A joining is a CONNECT packet while the library answers it.
type joining struct {
	auth   []byte
	member *member // set if the namespace took it
}

// serve makes the library ask ns about the sockets of the namespace name.
func (e *engine) serve(name string, ns socketio.Namespace) {
	nsp := e.client.Of(name, nil)
	nsp.Use(func(socket *sio.Socket, next func(*sio.ExtendedError)) {
		socket.Conn().(*tap).session.enter(ns, name, socket, next)
	})
	_ = nsp.On("connection", func(args ...any) {
		socket := args[0].(*sio.Socket)
		socket.Data().(*member).onEntered(socket)
	})
}

// connect handles a CONNECT packet. The library answers one on a goroutine of
// its own; connect waits for it, so that what the client sent behind the packet
// finds it joined.
func (s *session) connect(namespace string, auth []byte) {
	if len(auth) == 0 {
		auth = nil
	}
	s.joining = &joining{auth: auth}
	s.tap.give(socketio.PacketConnect, namespace)
	m := s.joining.member
	s.joining = nil
	if m == nil {
		return // refused
	}
	select {
	case <-m.entered:
	case <-s.ended:
	}
	s.mu.Lock()
	s.admitLocked() // where the library saw the end first, it did not answer
	s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	m.receiver.Opened()
	s.mu.Lock()
	m.answerLocked()
	s.mu.Unlock()
}

// answerLocked sends the answer to the member's CONNECT. It is held back until
// the Receiver knows of the member: a client that has its answer misses nothing
// of what happens from then on.
func (m *member) answerLocked() {
	if m.reply == nil {
		return
	}
	reply, waiting := m.reply, m.waiting
	m.reply, m.waiting = nil, nil
	_ = m.session.sendLocked(reply, nil, false) // an error is the session's end
	for _, p := range waiting {
		_ = m.session.sendLocked(p.data, p.attachments, false)
	}
}

// enter is the library's middleware: it is called from within connect. Without
// a call of next, the library forgets the socket.
func (s *session) enter(ns socketio.Namespace, name string, socket *sio.Socket, next func(*sio.ExtendedError)) {
	m := &member{
		session:   s,
		namespace: name,
		id:        string(socket.Id()),
		entered:   make(chan struct{}),
		gone:      make(chan struct{}),
	}
	var receiver socketio.Receiver
	var err error
	hold := ns.Connect(m, s.joining.auth, func(r socketio.Receiver, e error) { receiver, err = r, e })
	hold.Wait() // on the goroutine that reads the connection
	if err != nil {
		s.refuse(name, err)
		return
	}
	m.receiver = receiver
	socket.SetData(m)
	// The library fires it twice when a DISCONNECT meets the connection's end.
	_ = socket.On("disconnect", func(...any) { m.goneOnce.Do(func() { close(m.gone) }) })
	s.joining.member = m
	s.mu.Lock()
	s.joiner = m
	s.mu.Unlock()
	next(nil)
}

// admitLocked makes the joiner, if there is one, a member.
func (s *session) admitLocked() {
	if m := s.joiner; m != nil {
		s.joiner = nil
		s.members[m.namespace] = m
	}
}

// refuse answers a CONNECT packet. The library would add a "data" to it, and
// escape characters that need no escape.
func (s *session) refuse(namespace string, err error) {
	if errors.Is(err, socketio.ErrClosed) {
		s.close(wire.CloseNormal, reasonRefused)
		return
	}
	var refusal *socketio.ConnectError
	if !errors.As(err, &refusal) {
		refusal = &socketio.ConnectError{Message: err.Error()}
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(struct { // cannot fail
		Message string `json:"message"`
	}{refusal.Message})
	data := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	_ = s.send(socketio.AppendPacket(nil, socketio.PacketConnectError, 0, namespace, socketio.NoAck, data), nil)
	if refusal.Close {
		s.close(wire.CloseNormal, reasonRefused)
	}
}

// onEntered is called by the library, on a goroutine of its own, when it has
// answered the CONNECT packet and keeps the socket.
func (m *member) onEntered(socket *sio.Socket) {
	close(m.entered)
	select {
	case <-m.session.ended:
		// The library let go of the sockets it had before it kept this one.
		socket.Disconnect(false)
	default:
	}
}

// leave handles a DISCONNECT packet of the client's. It waits for the library
// as connect does: a CONNECT to the same namespace may follow.
func (s *session) leave(m *member) {
	s.mu.Lock()
	m.left = true
	delete(s.members, m.namespace)
	s.mu.Unlock()
	s.tap.give(socketio.PacketDisconnect, m.namespace)
	select {
	case <-m.gone:
	case <-s.ended:
	}
	if s.timer != nil && len(s.members) == 0 {
		s.timer.Reset(s.engine.opts.ConnectTimeout)
	}
	m.receiver.Closed(reasonClient)
}

// ID is the id that the library gave the socket.
func (m *member) ID() string { return m.id }

// Info implements socketio.Socket.
func (m *member) Info() any { return m.session.gate.admission.Info }

// Opened implements socketio.Socket.
func (m *member) Opened() time.Time { return m.session.opened }

// Budget implements socketio.Socket.
func (m *member) Budget() *wire.Budget { return &m.session.transport.budget }

// Emit implements socketio.Socket. The packet goes out at once whatever the
// batch: the library writes when it wants to.
func (m *member) Emit(args []byte, attachments [][]byte, _ *wire.Batch) error {
	t := socketio.PacketEvent
	if len(attachments) > 0 {
		t = socketio.PacketBinaryEvent
	}
	return m.send(t, socketio.NoAck, args, attachments, false)
}

// Relay implements socketio.Socket.
func (m *member) Relay(args []byte, attachments [][]byte, _ wire.Receipt, _ *wire.Batch) error {
	t := socketio.PacketEvent
	if len(attachments) > 0 {
		t = socketio.PacketBinaryEvent
	}
	return m.send(t, socketio.NoAck, args, attachments, true)
}

// Ack implements socketio.Socket.
func (m *member) Ack(id int64, args []byte, attachments [][]byte, _ *wire.Batch) error {
	t := socketio.PacketAck
	if len(attachments) > 0 {
		t = socketio.PacketBinaryAck
	}
	return m.send(t, id, args, attachments, false)
}

// Disconnect implements socketio.Socket.
func (m *member) Disconnect() {
	s := m.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || m.left {
		return
	}
	m.answerLocked()
	p := socketio.AppendPacket(nil, socketio.PacketDisconnect, 0, m.namespace, socketio.NoAck, nil)
	s.transport.put(wire.Message{Prefix: messagePrefix, Payload: p})
	s.closeLocked(wire.CloseNormal, reasonServer)
}

// Unacknowledged implements socketio.Socket. The library's transport keeps nothing.
func (m *member) Unacknowledged(func(wire.Receipt, []byte, [][]byte)) {}

// DisconnectAsking implements socketio.Socket. The library's transport does not
// ask: there are two devices, as far as anybody knows.
func (m *member) DisconnectAsking(verdict func(there bool)) {
	m.Disconnect()
	verdict(true)
}

// Waiting implements socketio.Socket.
func (m *member) Waiting() int { return m.session.transport.waiting() }

// Close implements socketio.Socket.
func (m *member) Close(reason string) {
	s := m.session
	s.mu.Lock()
	defer s.mu.Unlock()
	m.answerLocked()
	s.closeLocked(wire.CloseNormal, reason)
}
