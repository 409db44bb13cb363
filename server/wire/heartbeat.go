package wire

import (
	"encoding/binary"
	"time"

	"github.com/gobwas/ws"
)

// A heartbeat is the frame that asks the peer whether it is there. It does not
// queue behind data: it is written where the next frame ends, or the next packet
// of several frames.
//
//	none ── Ping ──► waits ── taken to be written ──► leaves ──► left ── answer ──► none
type heartbeat struct {
	state   pingState
	op      ws.OpCode
	inquiry bool // its payload is an inquiry's, and stays as it is
	size    uint8
	frame   [maxHeartbeat]byte
	// position is that of the stream before it: what the answer acknowledges. What
	// it overtook, it does not.
	position int64
	left     Instant // when it was handed to the kernel, for the last time

	paused time.Duration // of the connection's budget, by then
}

const maxHeartbeat = 16

type pingState uint8

const (
	noPing pingState = iota
	pingWaits
	pingLeaves
	pingLeft
)

// Ping writes a Ping frame (RFC 6455, section 5.5.2), before what waits.
func (c *Conn) Ping() error { return c.heartbeat(ws.OpPing, nil) }

// PingText is Ping with a short text message, where that is what the peer's
// protocol asks with.
func (c *Conn) PingText(text string) error { return c.heartbeat(ws.OpText, []byte(text)) }

func (c *Conn) heartbeat(op ws.OpCode, payload []byte) error {
	w := &c.writer
	w.mu.Lock()
	if w.state != open {
		w.mu.Unlock()
		return ErrClosed
	}
	w.ping.ask(op, payload)
	w.mu.Unlock()
	w.flush()
	return nil
}

// Answered takes note of the answer to PingText, and reports whether it is one:
// an answer to a ping that has not left is not a sign of life. Ping's is told to
// Handler.Pong.
func (c *Conn) Answered() bool {
	w := &c.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	answers := w.ping.answer(ws.OpText)
	if answers {
		w.acknowledge(w.ping.position)
	}
	return answers
}

// PongDue is when the answer to the last ping is overdue: timeout after the ping
// left, or after the peer last took some of what waited for it; while the budget
// pauses the reading, the time stands still. While the ping waits to leave, it is
// timeout from now: until then the connection ends only if the peer takes
// nothing; see Config.StallTimeout.
func (c *Conn) PongDue(timeout time.Duration) time.Time {
	w := &c.writer
	unacked, known := w.unacked()
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ping.state == pingWaits || w.ping.state == pingLeaves {
		return now.Add(timeout)
	}
	if known && 0 < unacked && unacked < w.stall.unacked {
		w.stall.unacked, w.stall.progress = unacked, InstantOf(now)
	}
	return max(w.stall.progress, w.ping.left).Time().Add(timeout + c.budget.Paused() - w.ping.paused)
}

// ask has a ping written. One without a payload is not, where one waits already.
func (h *heartbeat) ask(op ws.OpCode, payload []byte) {
	if h.state == pingWaits && len(payload) == 0 {
		return
	}
	h.size = uint8(copy(h.frame[:], append(appendHeader(h.frame[:0], op, len(payload)), payload...)))
	h.state, h.op, h.inquiry = pingWaits, op, op == ws.OpPing && len(payload) > 0
}

// before returns what to write before, or with, the first chunk of q: a ping
// that waits, and what is left of the packet that it must not tear apart.
func (h *heartbeat) before(q *Queue, position int64, keeps bool) *Buffer {
	if h.state != pingWaits {
		return nil
	}
	part := q.popPart()
	if part == nil {
		return nil
	}
	h.state = pingLeaves
	h.position = position + int64(len(part.B))
	if keeps && h.op == ws.OpPing && !h.inquiry { // its pong says so itself
		frame := appendHeader(h.frame[:0], ws.OpPing, positionSize)
		h.size = uint8(len(binary.BigEndian.AppendUint64(frame, uint64(h.position))))
	}
	part.B = append(part.B, h.frame[:h.size]...)
	return part
}

// leave takes note that what was taken has been written.
func (h *heartbeat) leave(paused time.Duration) bool {
	if h.state != pingLeaves {
		return false
	}
	h.state, h.left, h.paused = pingLeft, InstantOf(time.Now()), paused
	return true
}

func (h *heartbeat) answer(op ws.OpCode) bool {
	// The answer may come before the write is known to be over.
	if h.state < pingLeaves || h.op != op {
		return false
	}
	h.state = noPing
	return true
}
