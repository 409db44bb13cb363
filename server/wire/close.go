package wire

import (
	"errors"
	"fmt"
)

// Close codes of RFC 6455, section 7.4.1, that this server sends.
const (
	CloseNormal          uint16 = 1000
	CloseGoingAway       uint16 = 1001
	CloseProtocolError   uint16 = 1002
	CloseUnsupportedData uint16 = 1003
	CloseInvalidPayload  uint16 = 1007
	ClosePolicyViolation uint16 = 1008
	CloseTooBig          uint16 = 1009
	CloseInternalError   uint16 = 1011
	CloseTryAgainLater   uint16 = 1013 // IANA WebSocket Close Code Number Registry
)

// CloseNoStatus stands for a Close frame without a body; it is never sent.
const CloseNoStatus uint16 = 1005

var (
	// ErrClosed says that the connection is closed or closing.
	ErrClosed = errors.New("connection closed")
	// ErrSlow says that the peer took nothing for too long, or that what the server
	// has to tell it does not fit in the outbox; the connection has been cut.
	ErrSlow = errors.New("client takes nothing")
	// ErrFull says that a relay did not fit in the outbox; the connection goes on.
	ErrFull = errors.New("outbox full")
)

// A CloseError is the end of a connection by a Close frame, of either side.
type CloseError struct {
	Code   uint16
	Reason string
	// Remote tells that the peer sent its Close frame first.
	Remote bool

	framing bool // what follows on the connection cannot be read as frames
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.Remote {
		who = "closed by peer"
	}
	if e.Reason == "" {
		return fmt.Sprintf("%s: %d", who, e.Code)
	}
	return fmt.Sprintf("%s: %d %s", who, e.Code, e.Reason)
}

// errOverRate ends a connection that stays over its budget.
var errOverRate = &CloseError{Code: ClosePolicyViolation, Reason: "over the message rate"}

// protocolError is a violation of the framing by the peer.
func protocolError(code uint16, reason string) error {
	return &CloseError{Code: code, Reason: reason, framing: true}
}

// handlerError is the end of the connection that follows from an error of a Handler.
func handlerError(err error) error {
	var end *CloseError
	if errors.As(err, &end) {
		return end
	}
	return &CloseError{Code: CloseProtocolError}
}
