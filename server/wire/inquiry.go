package wire

import (
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// inquiryPayload tells the Pong that answers an inquiry from all others.
const inquiryPayload = "still there?"

// An inquiry is the question whether the peer of a connection that is being closed
// is still there. Its end has the verdict, once.
type inquiry struct {
	timeout time.Duration
	once    sync.Once
	verdict func(there bool)
}

// CloseAsking is Close, with a Ping and then last before the Close frame. verdict
// is called once, without waiting: with true when the peer answers the Ping, and
// with false when the connection has ended without. The peer has timeout to take
// what it is sent and to answer; it is cut only then.
func (c *Conn) CloseAsking(code uint16, reason string, timeout time.Duration, verdict func(there bool), last ...Message) {
	q := &inquiry{timeout: timeout, verdict: verdict}
	c.inquiry.Store(q)
	err := c.heartbeat(ws.OpPing, []byte(inquiryPayload))
	if err == nil && len(last) > 0 {
		err = c.Send(nil, last...)
	}
	c.Close(code, reason)
	if err != nil {
		q.settle(false)
	}
}

// inquired settles the inquiry, if there is one.
func (c *Conn) inquired(there bool) {
	if q := c.inquiry.Load(); q != nil {
		q.settle(there)
	}
}

func (q *inquiry) settle(there bool) { q.once.Do(func() { q.verdict(there) }) }

// lingerTime bounds how long a closed connection may take to end.
func (c *Conn) lingerTime() time.Duration {
	if q := c.inquiry.Load(); q != nil {
		return max(q.timeout, c.cfg.closeTimeout())
	}
	return c.cfg.closeTimeout()
}
