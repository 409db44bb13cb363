package events

import "github.com/oodaa/signaling/server/rawjson"

// A Relay is one offer, answer, candidate or custom message on its way. All it
// points to is valid only while it is handled.
type Relay struct {
	Kind Kind
	// From is the sender's registration.
	From *User
	// To is the target's name.
	To []byte
	// Body is raw JSON, to be passed on byte for byte.
	Body []byte
	// Attachments are the binary values that placeholders in Body stand for,
	// by their number there.
	Attachments [][]byte
	// Message is the whole message as a Volli client sent it, else nil.
	Message []byte
	// Batch is the reader's, for the target's gateway, if they know each other.
	Batch any
	// Sender is told what became of the relay, with Ack, if it is Pending.
	Sender Sender
	Ack    int64
}

// A Sender gets the answers to relays that were Pending.
type Sender interface {
	// Answered does not block, keeps nothing of o, and may be called from any
	// goroutine.
	Answered(o *Outcome)
	// ID is the connection's, for logs.
	ID() string
}

// An Outcome is what became of a relay that was Pending.
type Outcome struct {
	Kind Kind
	To   []byte
	Ack  int64 // of the Relay
	Code Code
	// Batch is as in Relay.
	Batch any
}

// A Peer is one client's connection as the others see it. Its methods do not
// block, and may be called from any goroutine.
type Peer interface {
	// Relay puts r on the connection. OK says that it was queued there behind
	// all that was before it; NotFound that the connection is over or has no
	// form for r; TooLarge that it is over the limit of one message; Pending
	// that r.Sender will be told.
	Relay(r *Relay) Code

	// Replaced disconnects the client, whose name another connection took.
	Replaced()
}

// A Directory knows who is online.
type Directory interface {
	// Find returns who holds the name, or nil.
	Find(id []byte) *User
}

// A Remote reaches the users that a Directory does not know of.
type Remote interface {
	// Relay hands r on. Its answer is Pending, or that of an error.
	Relay(r *Relay) Code
}

// Handlers give the events their meaning.
type Handlers struct {
	Directory Directory
	Remote    Remote // nil: there are no others
	Counts    Counts
}

// Relay hands r, which sender sent, to its target. from is the raw JSON string
// that the message gave as its sender.
func (h *Handlers) Relay(r *Relay, from []byte) Code {
	code := h.relay(r, from)
	if code != Pending {
		h.Counts.Relay(r.Kind, code)
	}
	return code
}

func (h *Handlers) relay(r *Relay, from []byte) Code {
	if r.From == nil || r.From.Gone() {
		return NotRegistered
	}
	if !r.From.named(from) {
		return SenderMismatch
	}
	target := h.Directory.Find(r.To)
	if target == nil {
		return h.elsewhere(r)
	}
	code := target.Peer.Relay(r)
	for code == NotFound && target.Gone() {
		// The name may have changed hands since it was looked up.
		next := h.Directory.Find(r.To)
		if next == nil || next == target {
			return h.elsewhere(r)
		}
		target = next
		code = target.Peer.Relay(r)
	}
	return code
}

func (h *Handlers) elsewhere(r *Relay) Code {
	if h.Remote == nil {
		return NotFound
	}
	return h.Remote.Relay(r)
}

// VolliBody returns the body in the message of a Volli client, or nil if there
// is none.
func VolliBody(kind Kind, message []byte) []byte {
	var values [1][]byte
	if _, ok := rawjson.ScanObject(message, []string{kind.Body()}, values[:]); !ok {
		return nil
	}
	return values[0]
}
