package socketio

import "time"

// A transport carries a session: a WebSocket, or polls. What it queues for the
// client goes past this interface; see Session.send.
type transport interface {
	// ping asks the client whether it is there.
	ping()

	// answered takes note of a pong, and reports whether it answers a ping that has
	// left. Session.mu is held.
	answered() bool

	// pongDue is when the pong that was due at the given time is overdue. paused is
	// for how long the session has not been read since. Session.mu is held.
	pongDue(at time.Time, paused time.Duration) time.Time

	// waiting is how many bytes wait to be written, or fetched.
	waiting() int

	// close ends the transport of a session that is over for its handler.
	close(code uint16, how farewell)
}

// A farewell is what a transport that is closed does with what is queued.
type farewell uint8

const (
	flushed farewell = iota // it still leaves, and the client is told of the end
	dropped                 // only what the client is fetching leaves
	replied                 // the client has closed the session, and is not told
)

// transport is the session's at the moment.
func (s *Session) transport() transport {
	if s.conn.Load() != nil {
		return (*webSocket)(s)
	}
	return s.polling
}
