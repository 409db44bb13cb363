package oodaa

import (
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/socketio"
)

// sendICEServers answers get-ice-servers: the acknowledgement where one is
// wanted, else an event. Before the credentials expire, a client that is
// registered then gets new ones.
func (p *peer) sendICEServers(e *socketio.Event) {
	g, now := p.gateway, time.Now()
	if e.Ack != socketio.NoAck {
		_ = p.socket.Ack(e.Ack, append(p.appendICEServers([]byte("["), now), ']'), nil, e.Batch)
	} else {
		p.emit(p.iceServers(now), e.Batch)
	}
	if at := g.ICE.RenewAt(now); !at.IsZero() {
		p.renewal = g.Deadlines.Repeat(p.renewal, at, p.renewICEServers)
	}
}

func (p *peer) renewICEServers() (again time.Time) {
	now := time.Now()
	if p.User() != nil {
		p.emit(p.iceServers(now), nil)
	}
	return p.gateway.ICE.RenewAt(now)
}

// iceServers is the event `["ice-servers",{…}]`.
func (p *peer) iceServers(now time.Time) []byte {
	return append(p.appendICEServers([]byte(`["`+events.ICEServers+`",`), now), ']')
}

func (p *peer) appendICEServers(dst []byte, now time.Time) []byte {
	id := ""
	if u := p.User(); u != nil {
		id = u.ID
	}
	return p.gateway.ICE.AppendServers(dst, id, now)
}
