package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxFrameHeader is the longest frame header a client sends: two bytes, eight
// of length, four of mask (RFC 6455, section 5.2).
const maxFrameHeader = 14

// parseHeader reads the frame header at the start of p. It returns its length,
// or 0 if p holds only a part of it.
func parseHeader(p []byte) (h ws.Header, n int, err error) {
	if len(p) < 2 {
		return h, 0, nil
	}
	h.Fin = p[0]&0x80 != 0
	h.Rsv = p[0] >> 4 & 0x7
	h.OpCode = ws.OpCode(p[0] & 0xf)
	h.Masked = p[1]&0x80 != 0
	n = 2
	switch l := p[1] & 0x7f; l {
	case 126:
		if len(p) < 4 {
			return h, 0, nil
		}
		h.Length = int64(binary.BigEndian.Uint16(p[2:]))
		n = 4
	case 127:
		if len(p) < 10 {
			return h, 0, nil
		}
		l64 := binary.BigEndian.Uint64(p[2:])
		if l64>>63 != 0 {
			return h, 0, protocolError(CloseProtocolError, "invalid frame length")
		}
		h.Length = int64(l64)
		n = 10
	default:
		h.Length = int64(l)
	}
	if h.Masked {
		if len(p) < n+4 {
			return h, 0, nil
		}
		copy(h.Mask[:], p[n:])
		n += 4
	}
	return h, n, nil
}

// appendHeader appends the header of an unmasked, unfragmented frame.
func appendHeader(dst []byte, op ws.OpCode, length int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case length < 126:
		return append(dst, byte(length))
	case length <= 0xffff:
		return append(dst, 126, byte(length>>8), byte(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 127), uint64(length))
	}
}

// frameSize is the size of the frame that appendHeader begins.
func frameSize(length int) int {
	switch {
	case length < 126:
		return 2 + length
	case length <= 0xffff:
		return 4 + length
	default:
		return 10 + length
	}
}

// frames handles the complete frames at the start of p, unmasking them in
// place, and returns how many bytes they had. need is the size of the frame
// that is incomplete behind them, where it is known. It stops behind a message that
// holds.
func (r *reader) frames(p []byte, h Handler) (consumed, need int, hold Hold, err error) {
	for {
		rest := p[consumed:]
		header, n, err := parseHeader(rest)
		if err != nil {
			return consumed, 0, nil, err
		}
		if n == 0 {
			return consumed, 0, nil, nil
		}
		state := ws.StateServerSide
		if r.fragmented {
			state = state.Set(ws.StateFragmented)
		}
		if err := ws.CheckHeader(header, state); err != nil {
			return consumed, 0, nil, protocolError(CloseProtocolError, err.Error())
		}
		if !header.OpCode.IsControl() && header.Length > int64(r.conn.cfg.MaxMessage-r.message.len()) {
			return consumed, 0, nil, protocolError(CloseTooBig, "message too large")
		}
		size := n + int(header.Length)
		if len(rest) < size {
			return consumed, size, nil, nil
		}
		payload := rest[n:size:size]
		ws.Cipher(payload, header.Mask, 0)
		consumed += size
		if hold, err := r.frame(header, payload, h); hold != nil || err != nil {
			return consumed, 0, hold, err
		}
	}
}

// frame handles one frame.
func (r *reader) frame(header ws.Header, payload []byte, h Handler) (Hold, error) {
	switch header.OpCode {
	case ws.OpPing:
		if !r.conn.budget.Packet(r.batch.Begun()) {
			return nil, nil
		}
		// A peer that pings without reading the answers meets the outbox bound.
		if err := r.conn.Send(r.batch, Message{Payload: payload, control: ws.OpPong}); err != ErrClosed {
			return nil, err
		}
		return nil, nil
	case ws.OpPong:
		if string(payload) == inquiryPayload {
			r.conn.inquired(true)
		}
		heartbeat, asked := r.conn.writer.pong(payload)
		if heartbeat {
			h.Pong()
		} else if !asked {
			r.conn.budget.Packet(r.batch.Begun())
		}
		return nil, nil
	case ws.OpClose:
		return nil, closeReceived(payload)
	}
	if !header.Fin || header.OpCode == ws.OpContinuation {
		if header.OpCode != ws.OpContinuation {
			r.fragmented, r.binary = true, header.OpCode == ws.OpBinary
		}
		if r.message == nil {
			r.message = Borrow(len(payload))
		}
		r.message.grow(len(payload))
		r.message.B = append(r.message.B, payload...)
		if !header.Fin {
			if len(payload) == 0 {
				r.conn.budget.Packet(r.batch.Begun())
			}
			return nil, nil
		}
		whole := r.message
		defer whole.Free()
		payload = whole.B[:len(whole.B):len(whole.B)]
		r.fragmented, r.message = false, nil
	} else {
		r.binary = header.OpCode == ws.OpBinary
	}
	if !r.binary && !utf8.Valid(payload) {
		return nil, protocolError(CloseInvalidPayload, "invalid UTF-8")
	}
	hold, err := h.Message(payload, r.binary)
	if err != nil {
		return nil, handlerError(err)
	}
	return hold, nil
}

// closeReceived checks the body of a Close frame (RFC 6455, section 5.5.1) and
// returns the end of the connection that it means.
func closeReceived(body []byte) error {
	if len(body) == 0 {
		return &CloseError{Code: CloseNoStatus, Remote: true}
	}
	if len(body) == 1 {
		return protocolError(CloseProtocolError, "truncated close frame")
	}
	code, reason := ws.StatusCode(binary.BigEndian.Uint16(body)), string(body[2:])
	checked := code
	if code >= 1012 && code <= 1014 { // defined since (IANA's registry), which the library does not know
		checked = ws.StatusGoingAway
	}
	if err := ws.CheckCloseFrameData(checked, reason); err != nil {
		return protocolError(CloseProtocolError, err.Error())
	}
	if code > 4999 { // no code at all (RFC 6455, section 7.4.2)
		return protocolError(CloseProtocolError, "invalid close code")
	}
	return &CloseError{Code: uint16(code), Reason: reason, Remote: true}
}
