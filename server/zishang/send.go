package zishang

import (
	"bytes"

	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io/v2/types"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// Packets are encoded by us and handed to the Engine.IO layer as they are. The
// Socket.IO layer would encode the JSON again, and what it broadcasts drops all
// that waits behind it.

// noCompression: a client's compressed messages would get around the read
// limit, so compression is offered to nobody.
var noCompression = &packet.Options{Compress: false}

// send queues an encoded packet, which is the library's then, and its
// attachments, which are copied.
func (s *session) send(p []byte, attachments [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sendLocked(p, attachments)
}

// send is session.send while the member has not left.
func (m *member) send(p []byte, attachments [][]byte) error {
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
		m.waiting = append(m.waiting, held{p, kept})
		return nil
	}
	return s.sendLocked(p, attachments)
}

func (s *session) sendLocked(p []byte, attachments [][]byte) error {
	if s.closing {
		return socketio.ErrClosed
	}
	size := messageSize(p, attachments)
	if s.queued.Load()+size > int64(s.engine.opts.MaxOutbox) {
		s.engine.slow.Add(1)
		s.closeLocked(wire.CloseNormal, reasonTransport)
		s.gate.conn.reset()
		return socketio.ErrSlow
	}
	s.queue(p, attachments)
	return nil
}

// queue hands a packet to the library. mu is held: no other packet comes
// between this one and its attachments, except for a ping of the library's,
// which is no Socket.IO packet.
func (s *session) queue(p []byte, attachments [][]byte) {
	s.queued.Add(messageSize(p, attachments))
	s.conn.Send(types.NewStringBuffer(p), noCompression, nil)
	for _, a := range attachments {
		s.conn.Send(types.NewBytesBuffer(bytes.Clone(a)), noCompression, nil)
	}
}

// messageSize is what the messages for a packet count in the outbox.
func messageSize(p []byte, attachments [][]byte) int64 {
	n := 1 + len(p) // the Engine.IO packet type
	for _, a := range attachments {
		n += len(a)
	}
	return int64(n)
}

// watchWrites keeps count of what is written. The library's callback for each
// message will not do: it queues the message first and its callback then, and
// where another of its goroutines comes for the message in between, the
// callback is called with whatever is sent next, which may be never. So the
// messages of each batch are counted when the transport gets it, and have been
// written when the transport is drained; it writes one batch at a time.
func (s *session) watchWrites() {
	_ = s.conn.On("flush", func(args ...any) { // under a lock of the library's
		var size int64
		batch, _ := args[0].([]*packet.Packet)
		for _, p := range batch {
			if p.Type != packet.MESSAGE {
				continue
			}
			switch data := p.Data.(type) {
			case *types.StringBuffer:
				size += 1 + int64(data.Len())
			case *types.BytesBuffer:
				size += int64(data.Len())
			}
		}
		s.batch.Store(size)
	})
	_ = s.transport.On("drain", func(...any) {
		if s.queued.Add(-s.batch.Swap(0)) == 0 {
			select {
			case s.idle <- struct{}{}:
			default:
			}
		}
	})
}
