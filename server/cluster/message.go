package cluster

import (
	"encoding/binary"
	"errors"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
)

// The messages that protocol.go describes, written and read.

func appendText[T ~string | ~[]byte](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// encodedSize is what appendRelay appends, or somewhat more.
func encodedSize(r *hub.Relay) int {
	size := 32 + len(r.From.ID) + len(r.To) + max(len(r.Message), len(r.Payload))
	for _, a := range r.Attachments {
		size += binary.MaxVarintLen64 + len(a)
	}
	return size
}

// appendRelay appends what follows the id of a relay. to is the part of it that
// is the target's name.
func appendRelay(dst []byte, r *hub.Relay) (encoded, to []byte) {
	dst = append(dst, kindNumber(r.Kind))
	dst = appendText(dst, r.From.ID)
	dst = appendText(dst, r.To)
	end := len(dst)
	if r.Message != nil {
		dst = appendText(append(dst, formWhole), r.Message)
	} else {
		dst = appendText(append(dst, formBody), r.Payload)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Attachments)))
	for _, a := range r.Attachments {
		dst = appendText(dst, a)
	}
	return dst, dst[end-len(r.To) : end : end]
}

func appendAnswer(dst []byte, id uint64, code hub.Outcome) []byte {
	return append(binary.AppendUvarint(append(dst, itemAnswer), id), outcomeNumber(code))
}

var errMessage = errors.New("received a malformed message from another instance")

func appendFailed(dst []byte, from string, r *hub.Reply) []byte {
	content := append([]byte{kindNumber(r.Kind), outcomeNumber(r.Outcome)}, appendText(nil, from)...)
	return appendText(binary.AppendUvarint(append(dst, itemFailed), 0), appendText(content, r.To))
}

// A reader reads what the functions above have written.
type reader struct {
	p      []byte
	failed bool
	hub    *hub.Hub // knows most senders; may be nil
	sender string   // the process that sent the message
	last   hub.Relay
}

// find returns who has the name as far as the hub knows, or nil.
func (r *reader) find(name []byte) *hub.User {
	if r.hub == nil {
		return nil
	}
	return r.hub.Find(name)
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.p)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.p = r.p[size:]
	return n
}

func (r *reader) byte() byte {
	if len(r.p) == 0 {
		r.fail()
		return 0
	}
	b := r.p[0]
	r.p = r.p[1:]
	return b
}

// code reads the outcome in an answer.
func (r *reader) code() hub.Outcome { return outcomeOf(r.byte()) }

func (r *reader) text() []byte {
	n := r.number()
	if n > uint64(len(r.p)) {
		r.fail()
		return nil
	}
	text := r.p[:n:n]
	r.p = r.p[n:]
	return text
}

func (r *reader) fail() { r.failed, r.p = true, nil }

// relay reads what appendRelay has written. The result points into what is read,
// and is good until the next one. It is nil where the item is malformed, of which
// r.failed tells, or cannot be understood.
func (r *reader) relay() *hub.Relay {
	relay := &r.last
	*relay = hub.Relay{}
	kind, known := kindOf(r.byte())
	relay.Kind = kind
	from := r.text()
	relay.To = r.text()
	form := r.byte()
	body := r.text()
	attachments := r.number()
	if attachments > uint64(len(r.p)) {
		r.fail()
	}
	for range attachments {
		relay.Attachments = append(relay.Attachments, r.text())
		if r.failed {
			break
		}
	}
	if r.failed || !known || form > formWhole {
		return nil
	}
	relay.Payload = body
	if form == formWhole {
		relay.Message = body
		var payload [1][]byte
		if _, ok := rawjson.ScanObject(body, []string{kind.Payload()}, payload[:]); !ok || payload[0] == nil {
			return nil
		}
		relay.Payload = payload[0]
	}
	if relay.From = r.find(from); relay.From == nil {
		relay.From = hub.NewUser(string(from), "", nil)
		relay.From.Instance = r.sender
	}
	return relay
}
