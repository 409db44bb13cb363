package events

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
}

// A Peer is one client's connection as the others see it. Its methods do not
// block, and may be called from any goroutine.
type Peer interface {
	// Relay puts r on the connection. OK says that it was queued there behind
	// all that was before it; NotFound that the connection is over or has no
	// form for r; TooLarge that it is over the limit of one message.
	Relay(r *Relay) Code

	// Replaced disconnects the client, whose name another connection took.
	Replaced()
}

// A Directory knows who is online.
type Directory interface {
	// Find returns who holds the name, or nil.
	Find(id []byte) *User
}

// Handlers give the events their meaning.
type Handlers struct {
	Directory Directory
	Counts    Counts
}

// Relay hands r, which sender sent, to its target. from is the raw JSON string
// that the message gave as its sender.
func (h *Handlers) Relay(r *Relay, from []byte) Code {
	if r.From == nil || r.From.Gone() {
		return NotRegistered
	}
	if !r.From.named(from) {
		return SenderMismatch
	}
	target := h.Directory.Find(r.To)
	if target == nil {
		return NotFound
	}
	code := target.Peer.Relay(r)
	for code == NotFound && target.Gone() {
		// The name may have changed hands since it was looked up.
		next := h.Directory.Find(r.To)
		if next == nil || next == target {
			break
		}
		target = next
		code = target.Peer.Relay(r)
	}
	if code == OK {
		h.Counts.relays[r.Kind].Add(1)
	}
	return code
}
