package turn

import (
	"encoding/binary"
	"net"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// A wish is what an Allocate request says about the port of its relay (RFC 8656,
// section 7.2, steps 7 and 8).
type wish struct {
	token   string // of a reservation; empty: any port
	even    bool
	reserve bool // the next port too
}

// wishes takes EVEN-PORT and RESERVATION-TOKEN out of an Allocate request, signs
// it again, and notes in e.wish what they asked for. The library reserves a port
// for the connection that asked only, and clients over TCP use it on another one.
// Requests that must fail pass unchanged.
func (e *entrance) wishes(p []byte) []byte {
	e.wish = wish{}
	if len(p) < stunHeader || binary.BigEndian.Uint16(p) != allocateRequest {
		return p
	}
	m := stun.Message{Raw: p}
	if m.Decode() != nil {
		return p
	}
	even, evenErr := m.Get(stun.AttrEvenPort)
	token, tokenErr := m.Get(stun.AttrReservationToken)
	if (evenErr == nil) == (tokenErr == nil) || evenErr == nil && len(even) == 0 {
		return p
	}
	key, ok := e.s.key(&m)
	if !ok || key.Check(&m) != nil {
		return p
	}
	if tokenErr == nil {
		if !e.s.isReserved(string(token)) || m.Contains(stun.AttrRequestedAddressFamily) {
			return p
		}
		e.wish = wish{token: string(token)}
	} else {
		e.wish = wish{even: true, reserve: even[0]&0x80 != 0}
	}
	plain := stun.Message{Type: m.Type, TransactionID: m.TransactionID}
	plain.WriteHeader()
	for _, a := range m.Attributes {
		if a.Type == stun.AttrMessageIntegrity {
			break
		}
		if a.Type != stun.AttrEvenPort && a.Type != stun.AttrReservationToken {
			plain.Add(a.Type, a.Value)
		}
	}
	if key.AddTo(&plain) != nil {
		return p
	}
	return plain.Raw
}

// key is what the sender of a request should have signed it with.
func (s *Server) key(m *stun.Message) (stun.MessageIntegrity, bool) {
	var username stun.Username
	if username.GetFrom(m) != nil {
		return nil, false
	}
	return s.keyOf(username.String()), true
}

func (s *Server) keyOf(username string) stun.MessageIntegrity {
	return turn.GenerateAuthKey(username, s.realm, password(s.secret, username))
}

// amend corrects an answer of the library to a client: errors for which RFC 8656
// has another code, and the token of a reservation that the library does not know.
func (e *entrance) amend(p []byte, client net.Addr) []byte {
	m := stun.Message{Raw: p}
	if m.Decode() != nil {
		return p
	}
	var code stun.ErrorCodeAttribute
	failed := code.GetFrom(&m) == nil
	switch {
	case m.Type.Method == stun.MethodAllocate && !failed:
		if r := e.relayOf(client); r != nil && r.next != nil {
			return sign(&m, e.key, reservationToken(r.next.token))
		}
	case m.Type.Method == stun.MethodAllocate && code.Code == stun.CodeInsufficientCapacity:
		if e.failure != 0 {
			e.s.count.unsupported.Add(1)
			return sign(&m, e.key, e.failure)
		}
		e.s.count.capacity.Add(1)
	case m.Type.Method == stun.MethodChannelBind && code.Code == stun.CodeUnauthorized && !m.Contains(stun.AttrNonce):
		return sign(&m, e.key, stun.CodeForbidden) // a peer that may not be relayed to
	}
	return p
}

// sign returns the message with one attribute added or replaced.
func sign(m *stun.Message, key stun.MessageIntegrity, changed stun.Setter) []byte {
	out := stun.Message{Type: m.Type, TransactionID: m.TransactionID}
	out.WriteHeader()
	if changed.AddTo(&out) != nil {
		return m.Raw
	}
	for _, a := range m.Attributes {
		if a.Type != stun.AttrMessageIntegrity && !out.Contains(a.Type) {
			out.Add(a.Type, a.Value)
		}
	}
	if key.AddTo(&out) != nil {
		return m.Raw
	}
	return out.Raw
}

// isAnswer reports whether p is a STUN response, which only the reading goroutine
// sends.
func isAnswer(p []byte) bool {
	return len(p) >= stunHeader && p[0]>>6 == 0 && p[0]&1 != 0
}

type reservationToken string

func (t reservationToken) AddTo(m *stun.Message) error {
	m.Add(stun.AttrReservationToken, []byte(t))
	return nil
}
