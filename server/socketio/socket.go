package socketio

import (
	"bytes"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// socket is a client in one namespace. See Socket.
type socket struct {
	client    *client
	id        string
	namespace string
	receiver  Receiver
	closed    atomic.Bool
}

func (s *socket) ID() string        { return s.id }
func (s *socket) Info() any         { return s.client.session.Admission().Info }
func (s *socket) Opened() time.Time { return s.client.session.Opened() }

func (s *socket) Budget() *wire.Budget { return s.client.session.Budget() }

func (s *socket) Emit(args []byte, attachments [][]byte, batch *wire.Batch) error {
	t := PacketEvent
	if len(attachments) > 0 {
		t = PacketBinaryEvent
	}
	return s.send(batch, wire.Receipt{}, t, NoAck, args, attachments)
}

func (s *socket) Relay(args []byte, attachments [][]byte, receipt wire.Receipt, batch *wire.Batch) error {
	t := PacketEvent
	if len(attachments) > 0 {
		t = PacketBinaryEvent
	}
	return s.send(batch, receipt, t, NoAck, args, attachments)
}

func (s *socket) Ack(id int64, args []byte, attachments [][]byte, batch *wire.Batch) error {
	t := PacketAck
	if len(attachments) > 0 {
		t = PacketBinaryAck
	}
	return s.send(batch, wire.Receipt{}, t, id, args, attachments)
}

// send queues one packet.
func (s *socket) send(batch *wire.Batch, receipt wire.Receipt, t PacketType, id int64, data []byte, attachments [][]byte) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if len(attachments) == 0 {
		var space [64]byte // stays on the stack, unlike what goes into a slice of messages
		head := appendPacketHead(append(space[:0], MessagePrefix...), t, 0, s.namespace, id)
		return s.client.session.send(batch, receipt, wire.Message{Prefix: head, Payload: data})
	}
	head := appendPacketHead([]byte(MessagePrefix), t, len(attachments), s.namespace, id)
	return s.client.session.send(batch, receipt, Messages(head, data, attachments)...)
}

// Messages are what a packet is sent as: a text message of head and data, and a
// binary one for each attachment. Nothing may come between them.
func Messages(head, data []byte, attachments [][]byte) []wire.Message {
	messages := make([]wire.Message, 1, 1+len(attachments))
	messages[0] = wire.Message{Prefix: head, Payload: data}
	for _, a := range attachments {
		messages = append(messages, wire.Message{Binary: true, Payload: a})
	}
	return messages
}

func (s *socket) Disconnect() {
	if s.closed.Swap(true) {
		return
	}
	head := appendPacketHead([]byte(MessagePrefix), PacketDisconnect, 0, s.namespace, NoAck)
	_ = s.client.session.Send(nil, wire.Message{Prefix: head})
	s.client.session.Close(ReasonServer)
}

func (s *socket) Unacknowledged(f func(receipt wire.Receipt, args []byte, attachments [][]byte)) {
	s.client.session.unacknowledged(func(receipt wire.Receipt, messages []wire.Message) {
		if len(messages) == 0 || len(messages[0].Payload) == 0 {
			return
		}
		p, err := DecodePacket(messages[0].Payload[len(MessagePrefix):])
		if err != nil {
			return // not what Relay has sent
		}
		var attachments [][]byte
		for _, m := range messages[1:] {
			if !m.Binary { // in base64
				m.Payload = DecodeBase64(m.Payload[1:])
			}
			attachments = append(attachments, m.Payload)
		}
		f(receipt, p.Data, attachments)
	})
}

func (s *socket) DisconnectAsking(verdict func(there bool)) {
	if s.closed.Swap(true) {
		verdict(false)
		return
	}
	head := appendPacketHead([]byte(MessagePrefix), PacketDisconnect, 0, s.namespace, NoAck)
	s.client.session.closeAsking(ReasonServer, wire.Message{Prefix: head}, verdict)
}

func (s *socket) Close(reason string) { s.client.session.Close(reason) }

func (s *socket) Waiting() int { return s.client.session.transport().waiting() }

// event hands an event over.
func (s *socket) event(p *Packet, attachments [][]byte, batch *wire.Batch) (wire.Hold, error) {
	return s.withEvent(p, attachments, batch, s.receiver.Event)
}

// limited hands over an event that came with an empty budget.
func (s *socket) limited(p *Packet, batch *wire.Batch) error {
	_, err := s.withEvent(p, nil, batch, func(e *Event) (wire.Hold, error) {
		s.receiver.Limited(e)
		return nil, nil
	})
	return err
}

func (s *socket) withEvent(p *Packet, attachments [][]byte, batch *wire.Batch, handle func(*Event) (wire.Hold, error)) (wire.Hold, error) {
	if s.closed.Load() || len(p.Data) == 0 {
		return nil, nil
	}
	name, rest, err := p.EventName()
	if err != nil {
		return nil, err
	}
	e := eventPool.Get().(*Event)
	e.Name, e.Args, e.Rest = name, p.Data, rest
	e.Attachments, e.Ack, e.Batch = attachments, p.ID, batch
	hold, err := handle(e)
	*e = Event{} // not deferred: what a panic leaves behind is left to the collector
	eventPool.Put(e)
	return hold, err
}

var eventPool = sync.Pool{New: func() any { return new(Event) }}

// payload is the data of the CONNECT_ERROR packet.
func (e *ConnectError) payload() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(struct {
		Message string `json:"message"`
	}{e.Message})
	return bytes.TrimSpace(b.Bytes())
}
