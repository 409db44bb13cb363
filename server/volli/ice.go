package volli

import (
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/wire"
)

// sendICEServers answers get-ice-servers. Before the credentials expire, a
// client that is registered then gets new ones.
func (p *peer) sendICEServers() {
	g, now := p.gateway, time.Now()
	p.send(p.iceServers(now))
	at := g.ICE.RenewAt(now)
	switch {
	case at.IsZero():
	case p.renewal != nil:
		p.renewal.Move(at)
	default:
		p.renewal = g.Deadlines.Repeat(at, func() time.Time {
			now := time.Now()
			if p.User() != nil {
				_ = p.conn.Send(nil, wire.Message{Payload: p.iceServers(now)}) // as in send
			}
			return g.ICE.RenewAt(now)
		})
	}
}

// iceServers is the message with them: their object, and its type.
func (p *peer) iceServers(now time.Time) []byte {
	id := ""
	if u := p.User(); u != nil {
		id = u.ID
	}
	servers := p.gateway.ICE.AppendServers(nil, id, now)
	return append([]byte(`{"type":"`+events.ICEServers+`",`), servers[1:]...)
}
