// Package socketio is a small, general Socket.IO server engine: Engine.IO 4
// over WebSocket and long-polling with upgrade, and on it Socket.IO protocol 5
// with text and binary events, acknowledgements and namespaces. A session is one
// client, on one transport at a time; a socket is that client in one namespace.
//
// Events are handed over as the bytes that arrived and sent as the bytes they
// are given; the engine re-encodes nothing.
package socketio

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// An Engine serves Socket.IO clients on the path it is mounted at.
type Engine interface {
	http.Handler

	// Established reports whether r is one of the requests that a long-polling
	// client makes after its handshake: a poll, a post, or its first probe of a
	// WebSocket.
	Established(r *http.Request) bool

	// Connections counts the live sessions by transport.
	Connections() (websocket, polling int)

	// SlowConsumers counts the clients that were cut because they did not take
	// what they were sent.
	SlowConsumers() uint64

	// Waiting is how many bytes wait for clients that do not take them.
	Waiting() int64

	// Dismiss refuses new sessions, and ends those that there are in good
	// order, as Shutdown does, but one after another over the given time, or
	// when ctx ends. It does not wait for their ends.
	Dismiss(ctx context.Context, over time.Duration)

	// Shutdown refuses new sessions, flushes what is queued and closes every
	// session's transport (WebSocket code 1001; Engine.IO close packet while
	// polling). It sends no DISCONNECT packet, after which stock clients would
	// not reconnect. It returns when the last session has ended. When ctx ends
	// first, the remaining connections are cut, and ctx's error is returned.
	Shutdown(ctx context.Context) error
}

// A Gate decides which sessions are opened. Its methods are called from many
// goroutines.
type Gate interface {
	// Admit is asked before a session is opened, and before a WebSocket is
	// accepted that may take a long-polling session over. r must not be kept. A
	// nil refusal admits it; what was admitted is released once.
	Admit(r *http.Request) (Admission, *Refusal)

	// Release is called once when an admitted session has ended, or a WebSocket
	// that was to take one over has done so or not.
	Release(Admission)
}

// An Admission is what a Gate knows of an admitted session.
type Admission struct {
	// Info is the gate's own; Socket.Info returns it.
	Info any
}

// A Refusal is the HTTP answer to a request that opens no session.
type Refusal struct {
	Status  int
	Header  http.Header // added to the answer; may be nil
	Code    string      // of errcode
	Message string
}

// A Namespace gives the sockets of one namespace their meaning.
type Namespace interface {
	// Connect is called for a CONNECT packet, before it is answered. auth is
	// its payload, a JSON object, or nil; it is valid during the call only. answer
	// must be called once: before Connect returns or, where it has to wait, by the
	// Hold. An error is answered with CONNECT_ERROR, after which stock clients do
	// not reconnect: a *ConnectError as it says, any other with its text. ErrClosed
	// closes the session without an answer, and stock clients try again.
	Connect(s Socket, auth []byte, answer func(Receiver, error)) wire.Hold
}

// A Receiver takes what one socket sends. The engine calls it from one
// goroutine at a time, in the order of arrival, and never again after Closed.
type Receiver interface {
	// Opened is called first, once the CONNECT reply is queued.
	Opened()

	// Event is called for each EVENT and BINARY_EVENT packet. e and all it
	// points to are valid during the call only. ErrMalformed closes the
	// session; a Hold delays what comes next.
	Event(e *Event) (wire.Hold, error)

	// Limited is called instead of Event where the client's budget was empty: e is
	// to be answered with an error only.
	Limited(e *Event)

	// TooLarge is called when a message over Options.MaxPayload arrived; the
	// session is closed after it.
	TooLarge()

	// OverRate is called when the client has overdrawn its budget for ten seconds
	// on end; the session is closed after it.
	OverRate()

	// Closed is called once, last, when the socket has left its namespace or
	// its session has ended, whichever side ended it. The reason is one of those
	// below, or any other for a connection that broke or was closed.
	Closed(reason string)
}

// Reasons of Receiver.Closed.
const (
	ReasonClient    = "client namespace disconnect" // the client sent a DISCONNECT packet
	ReasonServer    = "server namespace disconnect" // Socket.Disconnect
	ReasonPageGone  = "page gone"                   // a browser closed the WebSocket with its page
	reasonTransport = "transport close"
)

// An Event is one EVENT or BINARY_EVENT packet.
type Event struct {
	// Name is the event's name with its escapes resolved, or nil where the
	// first element of Args is a number.
	Name []byte
	// Args is the packet's JSON array as it was sent, name included: `["offer",{}]`.
	// Only its beginning up to the name has been looked at: a Receiver must
	// check that all of it is JSON, and return ErrMalformed if not.
	Args []byte
	// Rest is the part of Args behind the name: `,{}]`.
	Rest []byte
	// Attachments are the binary values that Args' placeholders stand for.
	Attachments [][]byte
	// Ack is the acknowledgement id that was asked for, or NoAck; see Packet.ID.
	Ack int64
	// Batch may be passed to Emit and Ack while the event is handled.
	Batch *wire.Batch
}

// NoAck is the Event.Ack of an event that wants no acknowledgement.
const NoAck int64 = -1

// A Socket is one client in one namespace. Its methods may be called from any
// goroutine, and do not block.
type Socket interface {
	// ID is the socket's id, known to its client. It is not the session id.
	ID() string

	// Info is Admission.Info of the socket's session.
	Info() any

	// Opened is when the session was opened (its handshake).
	Opened() time.Time

	// Budget is what the session may send. The engine charges each packet.
	Budget() *wire.Budget

	// Emit queues an EVENT packet, or a BINARY_EVENT packet if there are
	// attachments, atomically: no other packet comes between it and them. args
	// is a JSON array, `["name",…]`; args and attachments are the caller's
	// again on return. With a nil batch it is written at once, else when the
	// batch is flushed. It returns nil if the packet is queued on the client's
	// connection, else ErrClosed or ErrSlow.
	Emit(args []byte, attachments [][]byte, batch *wire.Batch) error

	// Relay is Emit for what another client sends. Where the client does not take
	// what it is sent, it returns ErrFull, and the client goes on: receipt says
	// whose it is.
	Relay(args []byte, attachments [][]byte, receipt wire.Receipt, batch *wire.Batch) error

	// Unacknowledged calls f with each relay that the client has not acknowledged,
	// oldest first, and forgets them. It is for when the socket loses its name, and for
	// Receiver.Closed. There are none without Options.Proxied.
	Unacknowledged(f func(receipt wire.Receipt, args []byte, attachments [][]byte))

	// Ack queues an ACK or BINARY_ACK packet with the JSON array args. See Emit.
	Ack(id int64, args []byte, attachments [][]byte, batch *wire.Batch) error

	// Disconnect sends a DISCONNECT packet and closes the session once all
	// that was queued has been written. A stock client does not reconnect.
	Disconnect()

	// DisconnectAsking is Disconnect with a question before the packet: verdict is
	// called once, with true when the client answers a ping, and with false when
	// its connection has ended without. Where the transport cannot ask, verdict is
	// called with false.
	DisconnectAsking(verdict func(there bool))

	// Close closes the session's transport once all that was queued has been
	// written. A stock client reconnects by itself.
	Close(reason string)

	// Waiting is how many bytes wait to be written to the client.
	Waiting() int
}

var (
	// ErrMalformed is returned by a Receiver for a packet that is not JSON.
	ErrMalformed = errors.New("malformed packet")
	// ErrClosed says that the connection has ended or is ending.
	ErrClosed = errors.New("connection closed")
	// ErrFull says that a relay did not fit in the client's outbox.
	ErrFull = errors.New("outbox full")
	// ErrSlow says that the packet did not fit in the client's outbox. The
	// client is being disconnected.
	ErrSlow = errors.New("client too slow")
)

// A ConnectError is a Namespace's refusal of a socket.
type ConnectError struct {
	Message string
	// Close also closes the session.
	Close bool
}

func (e *ConnectError) Error() string { return e.Message }

// Options configure an Engine.
type Options struct {
	// PingInterval and PingTimeout are the heartbeat; both must be positive.
	PingInterval, PingTimeout time.Duration
	// ConnectTimeout closes a session that is in no namespace for so long,
	// counted from its handshake or from when it left its last one; 0 never.
	ConnectTimeout time.Duration
	// MaxPayload is the most bytes that one message, or all attachments of one
	// packet together, may have.
	MaxPayload int
	// MaxOutbox is the most bytes that may wait for one client.
	MaxOutbox int
	// WebSocket and Polling say which transports are offered.
	WebSocket, Polling bool
	// Namespaces by name, "/" among them.
	Namespaces map[string]Namespace
	// Gate may be nil: all clients are admitted.
	Gate Gate
	// Limits are what each session may send. May be nil: no limit.
	Limits *wire.Limits
	// Account is of all that is held for and from clients. May be nil.
	Account *wire.Account
	// Proxied, where not nil, has relays kept until the client has acknowledged them,
	// and tells whether a request came by a proxy; see wire.Conn.Keep.
	Proxied func(r *http.Request) bool
	// Loops read the WebSockets; see wire.Config. May be nil.
	Loops *wire.Loops
	// Latency is told how long what Batch.CountRelay counted took. May be nil.
	Latency *wire.Histogram
	// Panicked, where not nil, is told of a panic in a Receiver, with its
	// stack; the session it happened in is closed.
	Panicked func(v any, stack []byte)
}

// MaxAttachments is the most attachments that a packet may announce.
const MaxAttachments = 10
