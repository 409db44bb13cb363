package volli

import (
	"testing"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
)

func TestTexts(t *testing.T) {
	const to = `bob <b>&"é`
	for outcome, want := range map[hub.Outcome]string{
		hub.OK:             "",
		hub.InvalidUserID:  "Missing required fields",
		hub.InvalidData:    "Missing required fields",
		hub.NotFound:       "User " + to + " is not online",
		hub.NotRegistered:  "Not registered",
		hub.SenderMismatch: "Sender mismatch",
		hub.TooLarge:       "Message too large",
		hub.RateLimited:    "Rate limit exceeded",
		hub.UserNotAllowed: "User ID not allowed",
		hub.Unauthorized:   "Unauthorized",
		hub.Unavailable:    "Server unavailable",
		hub.InvalidFormat:  "Invalid message format",
		hub.UnknownType:    "Unknown message type",
		hub.MissingFields:  "Missing required fields",
		hub.InvalidProof:   "Invalid proof",
	} {
		if got := text(outcome, []byte(to)); got != want {
			t.Errorf("outcome %d: %q, want %q", outcome, got, want)
		}
	}
	for outcome := hub.OK + 1; outcome < hub.Outcomes; outcome++ {
		if text(outcome, nil) == "" || events.Code(own(outcome)) == "" {
			t.Errorf("outcome %d has no text or no code", outcome)
		}
	}
}
