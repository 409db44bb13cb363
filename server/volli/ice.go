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
	if at := g.ICE.RenewAt(now); !at.IsZero() {
		p.renewal = g.Deadlines.Repeat(p.renewal, at, p.renewICEServers)
	}
}

func (p *peer) renewICEServers() (again time.Time) {
	now := time.Now()
	if p.User() != nil {
		_ = p.conn.Send(nil, wire.Message{Payload: p.iceServers(now)}) // as in send
	}
	return p.gateway.ICE.RenewAt(now)
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
