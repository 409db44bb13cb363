package hub

import (
	"github.com/oodaa/signaling/server/wire"
)

// Receipt is what a connection keeps of r, so that Unacknowledged can make a Held
// of it again.
func (r *Relay) Receipt() wire.Receipt {
	return wire.Receipt{
		From:     r.From,
		Kind:     uint8(r.Kind),
		Accepted: wire.InstantOf(r.Batch.Begun()),
		Urgent:   r.Kind == Offer || r.Kind == Answer,
	}
}

// Unacknowledged is a relay to u that was put on its connection, and that the
// device has not acknowledged. The sender has been told that it was delivered.
// payload, attachments and message are as in Relay.
func (h *Hub) Unacknowledged(u *User, receipt wire.Receipt, payload []byte, attachments [][]byte, message []byte) *Held {
	from, _ := receipt.From.(*User)
	sender, ours := from.Peer.(Sender)
	if !ours && h.cluster != nil {
		sender = &remoteSender{h.cluster, from}
	}
	return &Held{
		Relay: Relay{
			Kind:        Kind(receipt.Kind),
			From:        from,
			To:          []byte(u.ID),
			Payload:     payload,
			Attachments: attachments,
			Message:     message,
			Sender:      sender,
			Ack:         NoAck,
		},
		Accepted:     receipt.Accepted.Time(),
		Acknowledged: true,
	}
}

// A remoteSender is a user of another instance as the sender of a relay that was
// acknowledged to it.
type remoteSender struct {
	cluster Cluster
	user    *User
}

// ID is for logs.
func (s *remoteSender) ID() string { return s.user.Instance }

// Replied has the user told that the relay was not delivered after all.
func (s *remoteSender) Replied(r *Reply) {
	if r.Outcome != OK {
		s.cluster.Failed(s.user, r)
	}
}

// Registration is the member's last one, even if it has ended; nil: there was none.
func (m *Member) Registration() *User { return m.user.Load() }
