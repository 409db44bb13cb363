package events

import "time"

// HandleICEServers sends the client the ICE servers. Before their credentials expire, a
// client that is registered then gets new ones.
func (c *Client) HandleICEServers(ask Ask) {
	h, now := c.handlers, time.Now()
	c.family.ICEServers(ask, c.iceServers(now))
	if at := h.ICE.RenewAt(now); !at.IsZero() {
		c.renewal = h.Deadlines.Repeat(c.renewal, at, c.renewICEServers)
	}
}

func (c *Client) renewICEServers() (again time.Time) {
	now := time.Now()
	if c.User() != nil {
		c.family.ICEServers(Ask{Ack: NoAck}, c.iceServers(now))
	}
	return c.handlers.ICE.RenewAt(now)
}

func (c *Client) iceServers(now time.Time) []byte {
	id := ""
	if u := c.User(); u != nil {
		id = u.ID
	}
	return c.handlers.ICE.AppendServers(nil, id, now)
}
