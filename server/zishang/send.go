//go:build zishang

package zishang

import (
	"bytes"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// Packets are encoded by us and go to the transport as they are. The Socket.IO
// layer would encode the JSON again, and what it broadcasts drops all that waits
// behind it; the Engine.IO layer tells nobody for sure what was written.

// send queues a packet, which like its attachments is the caller's again on
// return.
func (s *session) send(p []byte, attachments [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(p, attachments, false)
}

// send is session.send while the member has not left.
func (m *member) send(t socketio.PacketType, id int64, data []byte, attachments [][]byte, relay bool) error {
	room := wire.Borrow(len(data) + len(m.namespace) + packetHead)
	defer room.Free()
	p := socketio.AppendPacket(room.B, t, len(attachments), m.namespace, id, data)

	s := m.session
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case m.left || s.closing:
		return socketio.ErrClosed
	case m.reply != nil:
		kept := make([][]byte, len(attachments))
		for i, a := range attachments {
			kept[i] = bytes.Clone(a)
		}
		m.waiting = append(m.waiting, held{bytes.Clone(p), kept})
		return nil
	}
	return s.sendLocked(p, attachments, relay)
}

// packetHead is more than AppendPacket adds to the namespace and the data.
const packetHead = 48

// sendLocked is send with mu held. A relay that does not fit is refused.
func (s *session) sendLocked(p []byte, attachments [][]byte, relay bool) error {
	if s.closing {
		return socketio.ErrClosed
	}
	messages := socketio.Messages(messagePrefix, p, attachments)
	size := 0
	for i := range messages {
		size += messages[i].FrameSize()
	}
	if most := s.engine.opts.MaxOutbox; relay {
		// A quarter is for what the server itself has to say.
		if waiting := s.transport.waiting(); waiting > 0 && (waiting+size > most-most/4 || s.engine.opts.Account.Full()) {
			return socketio.ErrFull
		}
	} else if err := s.admit(size); err != nil {
		return err
	}
	s.transport.put(messages...)
	return nil
}

// admit makes sure that the outbox takes size more bytes. mu is held.
func (s *session) admit(size int) error {
	if s.transport.waiting()+size <= s.engine.opts.MaxOutbox {
		return nil
	}
	s.engine.slow.Add(1)
	s.closeLocked(wire.CloseNormal, reasonTransport)
	s.gate.conn.reset()
	return socketio.ErrSlow
}

var messagePrefix = []byte(socketio.MessagePrefix)

// onPing is called for each ping of the WebSocket's. A client that pings without
// reading the answers meets the outbox bound.
func (s *session) onPing(payload string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || !s.transport.budget.Packet(time.Now()) {
		return nil
	}
	pong := []byte(payload)
	if err := s.admit((&wire.Message{Payload: pong}).FrameSize()); err != nil {
		return err
	}
	s.transport.pong(pong)
	return nil
}
