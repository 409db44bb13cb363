package hub

// A Kind is one of the events that are relayed to another user.
type Kind uint8

const (
	Offer Kind = iota
	Answer
	Candidate
	Custom
	Kinds // how many there are
)

var kinds = [Kinds]struct{ event, payload string }{
	Offer:     {"offer", "offer"},
	Answer:    {"answer", "answer"},
	Candidate: {"ice-candidate", "candidate"},
	Custom:    {"custom-message", "message"},
}

// Event is the name of the event.
func (k Kind) Event() string { return kinds[k].event }

// Payload is the key of the event's opaque payload.
func (k Kind) Payload() string { return kinds[k].payload }

// KindOf returns the relayed event of that name.
func KindOf(event []byte) (Kind, bool) {
	for k := range kinds {
		if string(event) == kinds[k].event {
			return Kind(k), true
		}
	}
	return 0, false
}
