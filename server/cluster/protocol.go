package cluster

import "github.com/oodaa/signaling/server/hub"

// The messages that instances publish to each other, version 1:
//
//	message = sender item...                              to the channel of one instance
//	item    = 'R' id kind from to form body attachments   a relay
//	        | 'A' id outcome                              the answer to the item with that id
//	        | 'H' 0 content                               all that the sender had for a name is
//	                                                      handed over: epoch name
//	        | 'E' 0 content                               a relay whose answer was OK is not
//	                                                      delivered after all: kind outcome
//	                                                      from to
//	        | letter id content                           what a later release adds
//
// The letter, kind, form and outcome are one byte each; id is a varint. Texts have
// their length in front of them, attachments their number and then their lengths.
//
// Instances of neighbouring releases run side by side during an upgrade, so
// nothing here may change: no letter, no number, no field. testdata/messages.txt
// holds the bytes.
//
// An item of an unknown letter, or a relay of an unknown kind or form, is skipped
// and answered with Unavailable. That is why a new item begins with an id and has
// the length of its content in front. An answer that nobody waits for is ignored.
//
// A layout that this does not allow is another version, with channels of another
// name: Redis says how many got a message, so that a sender learns at once that an
// instance does not read that version.
const (
	itemRelay  = 'R'
	itemAnswer = 'A'
	itemReport = 'H'
	itemFailed = 'E'
)

// The forms of a relay.
const (
	formBody  = 0 // its body
	formWhole = 1 // the message of a Volli client
)

// codeMoved answers a relay whose target is not on this instance.
const codeMoved = hub.Moved

// kindNumbers are the kinds of relays in messages.
var kindNumbers = []struct {
	kind   hub.Kind
	number byte
}{
	{hub.Offer, 0},
	{hub.Answer, 1},
	{hub.Candidate, 2},
	{hub.Custom, 3},
}

// outcomeNumbers are the outcomes in answers. A relay can have few of them; the
// others have numbers too, so that none is taken twice.
var outcomeNumbers = []struct {
	code   hub.Outcome
	number byte
}{
	{hub.OK, 0},
	{hub.InvalidUserID, 1},
	{hub.InvalidData, 2},
	{hub.NotFound, 3},
	{hub.NotRegistered, 4},
	{hub.SenderMismatch, 5},
	{hub.TooLarge, 6},
	{hub.RateLimited, 7},
	{hub.UserNotAllowed, 8},
	{hub.Unauthorized, 9},
	{hub.Unavailable, 10},
	{hub.InvalidFormat, 11},
	{hub.UnknownType, 12},
	{hub.MissingFields, 13},
	{hub.InvalidProof, 14},
	// 15 was never sent.
	{codeMoved, 16},
	{hub.NotResponding, 17},
	{hub.Away, 18}, // the sender's instance holds the relay
	{hub.InvalidList, 19},
}

// noNumber is sent for a kind or outcome without a number: every instance takes it
// for one that it does not know.
const noNumber = 255

func kindNumber(kind hub.Kind) byte {
	for _, k := range kindNumbers {
		if k.kind == kind {
			return k.number
		}
	}
	return noNumber
}

func kindOf(number byte) (kind hub.Kind, known bool) {
	for _, k := range kindNumbers {
		if k.number == number {
			return k.kind, true
		}
	}
	return 0, false
}

func outcomeNumber(code hub.Outcome) byte {
	for _, o := range outcomeNumbers {
		if o.code == code {
			return o.number
		}
	}
	return noNumber
}

// outcomeOf is Unavailable for a number of a later release: what became of the
// relay is not known here, and its sender must not take it for delivered.
func outcomeOf(number byte) hub.Outcome {
	for _, o := range outcomeNumbers {
		if o.number == number {
			return o.code
		}
	}
	return hub.Unavailable
}
