//go:build zishang

package zishang

import (
	"sync"
	"time"

	"github.com/zishang520/engine.io-go-parser/packet"

	"github.com/oodaa/signaling/server/wire"
)

// A heartbeat holds a client's pong back until the library is ready for it. The
// library sends its ping first, and starts the timer for the pong to it then: a
// pong that is quicker stops nothing, and when that timer fires, a session that
// is alive is closed for a ping timeout. On the same machine, that is one ping
// in some thousands.
//
// Pongs that nobody asked for are dropped. So each ping is followed by one
// pong, and each of these by one ping, and the library's timers see one thing
// at a time.
type heartbeat struct {
	// static after construction
	delay   time.Duration // from the ping
	deliver func()

	mu     sync.Mutex
	pinged time.Time // when the pong that is yet to come was asked for
	timer  *time.Timer
}

func newHeartbeat(timeout time.Duration, deliver func()) *heartbeat {
	return &heartbeat{delay: min(timeout/4, time.Second), deliver: deliver}
}

// ping is called before a ping is queued.
func (h *heartbeat) ping() {
	h.mu.Lock()
	h.pinged = time.Now()
	h.mu.Unlock()
}

// pong is called for each pong that arrives, and reports whether it answers a ping.
func (h *heartbeat) pong() bool {
	h.mu.Lock()
	if h.pinged.IsZero() {
		h.mu.Unlock()
		return false
	}
	wait := h.delay - time.Since(h.pinged)
	h.pinged = time.Time{}
	switch {
	case wait <= 0:
		h.mu.Unlock()
		h.deliver()
		return true
	case h.timer == nil:
		h.timer = time.AfterFunc(wait, h.deliver)
	default:
		h.timer.Reset(wait)
	}
	h.mu.Unlock()
	return true
}

// stop delivers nothing more.
func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pinged = time.Time{}
	if h.timer != nil {
		h.timer.Stop()
	}
}

// watchPackets steps between the transport and the library's Engine.IO layer,
// which gets what arrives from here.
func (s *session) watchPackets() {
	listeners := s.transport.Listeners("packet")
	s.transport.RemoveAllListeners("packet")
	forward := func(p *packet.Packet) {
		for _, listener := range listeners {
			listener(p)
		}
	}
	s.heartbeat = newHeartbeat(s.engine.opts.PingTimeout, func() { forward(&packet.Packet{Type: packet.PONG}) })

	_ = s.transport.On("packet", func(args ...any) {
		p, _ := args[0].(*packet.Packet)
		if p.Type != packet.MESSAGE && !s.fits(p) {
			return
		}
		switch p.Type {
		case packet.PONG:
			if !s.heartbeat.pong() {
				s.transport.budget.Packet(time.Now())
			}
		case packet.CLOSE:
			s.close(wire.CloseNormal, reasonTransport)
		default: // the library ignores what is not a client's to send
			if p.Type != packet.MESSAGE { // which text charges
				s.transport.budget.Packet(time.Now())
			}
			forward(p)
		}
	})
	_ = s.conn.On("packetCreate", func(args ...any) {
		if p, _ := args[0].(*packet.Packet); p.Type == packet.PING {
			s.heartbeat.ping()
		}
	})
}
