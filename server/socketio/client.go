package socketio

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// client is one session's Socket.IO side: its sockets, by namespace.
type client struct {
	server  *Server
	session *Session

	timeout wire.Deadline // for being in no namespace

	// owned by the goroutine that calls the MessageHandler
	sockets []*socket // one for each namespace, of which there are few
	pending *pendingPacket
}

// pendingPacket is a binary packet some of whose attachments have not arrived.
type pendingPacket struct {
	packet      Packet
	data        []byte // owns what packet points to; without, the packet is to be dropped
	attachments [][]byte
	size        int
}

var (
	errTooLarge     = &wire.CloseError{Code: wire.CloseTooBig, Reason: "message too large"}
	errNotConnected = fmt.Errorf("%w: not connected to namespace", ErrMalformed)
)

// Message handles one Socket.IO packet, or one attachment.
func (c *client) Message(payload []byte, binary bool, batch *wire.Batch) (wire.Hold, error) {
	if binary {
		return c.attachment(payload, batch)
	}
	if c.pending != nil {
		return nil, fmt.Errorf("%w: packet instead of attachment", ErrMalformed)
	}
	within := c.session.budget.Packet(batch.Begun())
	p, err := DecodePacket(payload)
	if err != nil {
		return nil, err
	}
	if !within {
		return nil, c.drop(&p, batch)
	}
	if p.Attachments > 0 {
		if c.socket(p.Namespace) == nil {
			return nil, errNotConnected
		}
		data := append([]byte(nil), payload...)
		if p, err = DecodePacket(data); err != nil {
			return nil, err
		}
		c.pending = &pendingPacket{packet: p, data: data}
		return nil, nil
	}
	return c.packet(&p, nil, batch)
}

// socket is the one in a namespace, or nil.
func (c *client) socket(namespace []byte) *socket {
	for _, s := range c.sockets {
		if s.namespace == string(namespace) {
			return s
		}
	}
	return nil
}

// drop answers a packet that came with an empty budget, where it is an event. Its
// attachments are yet to come.
func (c *client) drop(p *Packet, batch *wire.Batch) error {
	if s := c.socket(p.Namespace); s != nil && (p.Type == PacketEvent || p.Type == PacketBinaryEvent) {
		if err := s.limited(p, batch); err != nil {
			return err
		}
	}
	if p.Attachments > 0 {
		c.pending = &pendingPacket{packet: Packet{Attachments: p.Attachments}}
	}
	return nil
}

func (c *client) attachment(payload []byte, batch *wire.Batch) (wire.Hold, error) {
	w := c.pending
	if w == nil {
		return nil, fmt.Errorf("%w: attachment without packet", ErrMalformed)
	}
	if w.size += len(payload); w.size > c.server.opts.MaxPayload {
		return nil, errTooLarge
	}
	if w.data != nil {
		payload = append([]byte{}, payload...)
	} else {
		payload = nil
	}
	w.attachments = append(w.attachments, payload)
	if len(w.attachments) < w.packet.Attachments {
		return nil, nil
	}
	c.pending = nil
	if w.data == nil {
		return nil, nil
	}
	return c.packet(&w.packet, w.attachments, batch)
}

// packet handles a complete packet (Socket.IO protocol 5, "Exchange protocol").
func (c *client) packet(p *Packet, attachments [][]byte, batch *wire.Batch) (wire.Hold, error) {
	s := c.socket(p.Namespace)
	if s == nil {
		if p.Type != PacketConnect {
			return nil, errNotConnected
		}
		return c.connect(p, batch)
	}
	switch p.Type {
	case PacketEvent, PacketBinaryEvent:
		return s.event(p, attachments, batch)
	case PacketAck, PacketBinaryAck: // we ask for none
		if len(p.Data) > 0 && !rawjson.Valid(p.Data) {
			return nil, fmt.Errorf("%w: acknowledgement", ErrMalformed)
		}
		return nil, nil
	case PacketDisconnect:
		c.leave(s, ReasonClient)
		return nil, nil
	}
	return nil, fmt.Errorf("%w: packet type", ErrMalformed)
}

// connect answers a CONNECT packet.
func (c *client) connect(p *Packet, batch *wire.Batch) (wire.Hold, error) {
	name := string(p.Namespace)
	namespace := c.server.opts.Namespaces[name]
	if namespace == nil {
		c.refuse(name, &ConnectError{Message: "Invalid namespace"}, batch)
		return nil, nil
	}
	s := &socket{client: c, id: NewID(), namespace: name}
	during := batch
	hold := namespace.Connect(s, p.Data, func(receiver Receiver, err error) { c.connected(s, receiver, err, during) })
	during = nil // what is answered later is written at once
	return hold, nil
}

// connected answers the CONNECT packet of s, as its namespace decided.
func (c *client) connected(s *socket, receiver Receiver, err error, batch *wire.Batch) {
	if err != nil {
		c.refuse(s.namespace, err, batch)
		return
	}
	s.receiver = receiver
	c.sockets = append(c.sockets, s)
	c.session.engine.deadlines.Stop(&c.timeout)
	// If the session is ending, the receiver is opened nevertheless: its end is on the
	// way, and what came with the CONNECT packet may come before it.
	_ = s.send(batch, wire.Receipt{}, PacketConnect, NoAck, []byte(`{"sid":"`+s.id+`"}`), nil)
	s.receiver.Opened()
}

// refuse answers with a CONNECT_ERROR packet, or ends the session.
func (c *client) refuse(namespace string, err error, batch *wire.Batch) {
	if errors.Is(err, ErrClosed) {
		c.session.Close("unavailable")
		return
	}
	var refusal *ConnectError
	if !errors.As(err, &refusal) {
		refusal = &ConnectError{Message: err.Error()}
	}
	head := appendPacketHead([]byte(MessagePrefix), PacketConnectError, 0, namespace, NoAck)
	_ = c.session.Send(batch, wire.Message{Prefix: head, Payload: refusal.payload()})
	if refusal.Close {
		c.session.Close("refused")
	}
}

// leave ends a socket whose client goes on.
func (c *client) leave(s *socket, reason string) {
	c.sockets = slices.DeleteFunc(c.sockets, func(other *socket) bool { return other == s })
	s.closed.Store(true)
	s.receiver.Closed(reason)
	if len(c.sockets) == 0 {
		c.await(time.Now())
	}
}

// await starts the time for which the client may be in no namespace.
func (c *client) await(from time.Time) {
	if timeout := c.server.opts.ConnectTimeout; timeout > 0 {
		c.session.engine.deadlines.Set(&c.timeout, from.Add(timeout), c)
	}
}

// Expired closes the session of a client that is in no namespace.
func (c *client) Expired(time.Time) { c.session.Close("connect timeout") }

func (c *client) TooLarge() {
	for _, s := range c.sockets {
		s.receiver.TooLarge()
	}
}

func (c *client) OverRate() {
	for _, s := range c.sockets {
		s.receiver.OverRate()
	}
}

// Closed ends all sockets.
func (c *client) Closed(reason string) {
	c.session.engine.deadlines.Stop(&c.timeout)
	for _, s := range c.sockets {
		s.closed.Store(true)
		c.session.guard(func() { s.receiver.Closed(reason) })
	}
	c.sockets = nil
}
