//go:build zishang

package zishang

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/zishang520/engine.io-go-parser/packet"
	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/events"
	"github.com/zishang520/engine.io/v2/types"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A tap is the connection as the library's Socket.IO layer sees it. That layer
// starts a goroutine for each packet, which loses their order, makes values of
// the JSON, which changes its bytes, and dies of an EVENT without payload. So
// it gets to see CONNECT and DISCONNECT packets only, written by us, and its
// own packets take the way that all others take.
type tap struct {
	eio.Socket
	session *session
	decode  events.Listener // the library's listener for messages
}

// On keeps the library's listener for messages to itself.
func (t *tap) On(name events.EventName, listeners ...events.Listener) error {
	if name == "data" && len(listeners) == 1 {
		t.decode = listeners[0]
		return nil
	}
	return t.Socket.On(name, listeners...)
}

// Write takes a packet of the library's: the answer to a CONNECT packet. Where
// that makes a member of the session, it is one from here on, so that whoever
// is told that it has joined is told when it has to go.
func (t *tap) Write(data io.Reader, _ *packet.Options, _ eio.SendCallback) eio.Socket {
	b, err := io.ReadAll(data)
	if err != nil {
		return t // it cannot fail
	}
	s := t.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.joiner; m != nil {
		m.reply = b
	} else {
		_ = s.sendLocked(b, nil, false)
	}
	s.admitLocked()
	return t
}

// Send is Write by another name.
func (t *tap) Send(data io.Reader, opts *packet.Options, sent eio.SendCallback) eio.Socket {
	return t.Write(data, opts, sent)
}

// Close is called where the library finds the client's packets out of order.
func (t *tap) Close(bool) { t.session.close(wire.CloseNormal, reasonParse) }

// give gives the library's Socket.IO layer a packet without a payload.
func (t *tap) give(p socketio.PacketType, namespace string) {
	t.decode(types.NewStringBuffer(socketio.AppendPacket(nil, p, 0, namespace, socketio.NoAck, nil)))
}

// A binaryPacket is a BINARY_EVENT or BINARY_ACK packet whose attachments have
// not all arrived.
type binaryPacket struct {
	socketio.Packet
	attachments [][]byte
	size        int
	dropped     bool // only its attachments matter, which are yet to come
}

// onData is called by the library for each message, on the goroutine that reads
// the connection.
func (s *session) onData(args ...any) {
	s.take(func() error {
		switch m := args[0].(type) {
		case *types.StringBuffer:
			return s.text(m.Bytes())
		case *types.BytesBuffer:
			return s.binary(m.Bytes())
		}
		return nil
	})
}

// take handles something that arrived, unless the session is closing; an error
// or a panic ends the session.
func (s *session) take(handle func() error) {
	s.recv.Lock()
	defer s.recv.Unlock()
	if s.isClosing() {
		return
	}
	ok := s.engine.guard(func() {
		if err := handle(); err != nil {
			s.fail(err)
		}
	})
	if !ok {
		s.close(wire.CloseInternalError, reasonTransport)
	}
}

// fail ends the session for something that arrived.
func (s *session) fail(err error) {
	switch {
	case errors.Is(err, errTooLarge):
		s.tooLarge()
	case errors.Is(err, errUTF8):
		s.close(wire.CloseInvalidPayload, reasonParse)
	default:
		s.close(wire.CloseNormal, reasonParse)
	}
}

// fits checks a packet that is not a message, and ends the session if it is
// none that may come.
func (s *session) fits(p *packet.Packet) bool {
	content, ok := p.Data.(*types.StringBuffer)
	if !ok {
		return true
	}
	err := s.check(content.Bytes())
	if err != nil {
		s.take(func() error { return err })
	}
	return err == nil
}

// check checks the content of a packet of text.
func (s *session) check(b []byte) error {
	if len(b)+1 > s.engine.opts.MaxPayload { // and its type
		return errTooLarge
	}
	// gorilla/websocket does not check (RFC 6455, section 8.1), but the browser
	// that gets these bytes in the end does, and would close its connection.
	if !utf8.Valid(b) {
		return errUTF8
	}
	return nil
}

var (
	errTooLarge = errors.New("message too large")
	errUTF8     = errors.New("text is not UTF-8")
	errSequence = errors.New("packet out of sequence")
)

// tooLarge ends the session. Nothing has been sent yet, so that its sockets may
// still say why.
func (s *session) tooLarge() {
	for _, m := range s.members {
		m.receiver.TooLarge()
	}
	s.close(wire.CloseTooBig, reasonTransport)
}

// text handles a message of text: a packet, whole or up to its attachments.
func (s *session) text(b []byte) error {
	if err := s.check(b); err != nil {
		return err
	}
	if s.awaiting != nil {
		return errSequence
	}
	within := s.transport.budget.Packet(time.Now())
	p, err := socketio.DecodePacket(b)
	if err != nil {
		return err
	}
	if !within {
		return s.drop(&p)
	}
	if p.Attachments > 0 {
		if s.members[string(p.Namespace)] == nil {
			return errSequence
		}
		kept, err := socketio.DecodePacket(bytes.Clone(b))
		s.awaiting = &binaryPacket{Packet: kept}
		return err
	}
	return s.packet(&p, nil)
}

// drop answers a packet that came with an empty budget, where it is an event. Its
// attachments are yet to come.
func (s *session) drop(p *socketio.Packet) error {
	m := s.members[string(p.Namespace)]
	if m != nil && len(p.Data) > 0 && (p.Type == socketio.PacketEvent || p.Type == socketio.PacketBinaryEvent) {
		name, rest, err := p.EventName()
		if err != nil {
			return err
		}
		m.receiver.Limited(&socketio.Event{Name: name, Args: p.Data, Rest: rest, Ack: p.ID})
	}
	if p.Attachments > 0 {
		s.awaiting = &binaryPacket{Packet: socketio.Packet{Attachments: p.Attachments}, dropped: true}
	}
	return nil
}

// binary handles a binary message: an attachment.
func (s *session) binary(b []byte) error {
	if len(b) > s.engine.opts.MaxPayload {
		return errTooLarge
	}
	p := s.awaiting
	if p == nil {
		return errSequence
	}
	if p.size += len(b); p.size > s.engine.opts.MaxPayload {
		return errTooLarge
	}
	if p.attachments = append(p.attachments, bytes.Clone(b)); len(p.attachments) < p.Attachments {
		return nil
	}
	s.awaiting = nil
	if p.dropped {
		return nil
	}
	return s.packet(&p.Packet, p.attachments)
}

// packet handles a packet with all its attachments.
func (s *session) packet(p *socketio.Packet, attachments [][]byte) error {
	m := s.members[string(p.Namespace)]
	switch {
	case p.Type == socketio.PacketConnect && m == nil:
		s.connect(string(p.Namespace), p.Data)
		return nil
	case p.Type == socketio.PacketConnect, p.Type == socketio.PacketConnectError, m == nil:
		return errSequence
	case p.Type == socketio.PacketDisconnect:
		s.leave(m)
		return nil
	case len(p.Data) == 0: // as Node's does: an event without a name has no listener
		return nil
	case p.Type == socketio.PacketAck, p.Type == socketio.PacketBinaryAck:
		// Nothing of ours asks for one.
		if !json.Valid(p.Data) {
			return socketio.ErrMalformed
		}
		return nil
	}
	name, rest, err := p.EventName()
	if err != nil {
		return err
	}
	hold, err := m.receiver.Event(&socketio.Event{
		Name:        name,
		Args:        p.Data,
		Rest:        rest,
		Attachments: attachments,
		Ack:         p.ID,
	})
	hold.Wait()
	return err
}
