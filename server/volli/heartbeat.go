package volli

import (
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// heartbeat finds out whether a client is still there.
type heartbeat struct {
	client   *client
	opened   time.Time
	deadline wire.Deadline
	heard    atomic.Int64  // nanoseconds after opened of the last frame
	pinged   time.Duration // after opened, the last time; owned by the deadline
}

func (h *heartbeat) start(c *client) {
	h.client, h.opened = c, time.Now()
	c.gateway.Handlers.Deadlines.SetHeartbeat(&h.deadline, h.opened, c.gateway.PingInterval, h)
}

func (h *heartbeat) stop() { h.client.gateway.Handlers.Deadlines.Stop(&h.deadline) }

// Expired pings a silent client, and closes one that stays silent though it has
// got the ping.
func (h *heartbeat) Expired(time.Time) {
	g := h.client.gateway
	now, heard := time.Since(h.opened), time.Duration(h.heard.Load())
	if now < heard+g.PingInterval-g.PingInterval/wire.HeartbeatEarly {
		g.Handlers.Deadlines.SetHeartbeat(&h.deadline, h.opened.Add(heard), g.PingInterval, h)
		return
	}
	ping, due := h.pinged <= heard, now+g.PingTimeout
	if ping {
		h.pinged = now
	} else if due = h.client.conn.PongDue(g.PingTimeout).Sub(h.opened); now >= due {
		h.client.conn.Close(wire.CloseInternalError, "ping timeout")
		return
	}
	// Set before the ping is sent, whose answer sets it again.
	g.Handlers.Deadlines.Set(&h.deadline, h.opened.Add(due), h)
	if ping && h.client.conn.Ping() != nil {
		h.stop()
	}
}

func (h *heartbeat) hear(now time.Time) { h.heard.Store(int64(now.Sub(h.opened))) }

// Pong takes note that the client is there.
func (c *client) Pong() {
	now := time.Now()
	c.hear(now)
	c.gateway.Handlers.Deadlines.SetHeartbeat(&c.heartbeat.deadline, now, c.gateway.PingInterval, &c.heartbeat)
}
