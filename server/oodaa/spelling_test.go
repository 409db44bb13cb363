package oodaa

import (
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

func TestTexts(t *testing.T) {
	const to = `bob <b>&"é`
	for outcome, want := range map[hub.Outcome]string{
		hub.OK:             "",
		hub.InvalidUserID:  "Invalid user ID",
		hub.NotFound:       "User " + to + " not found",
		hub.NotRegistered:  "Not registered",
		hub.SenderMismatch: "Sender mismatch",
		hub.TooLarge:       "Message too large",
		hub.RateLimited:    "Rate limit exceeded",
		hub.UserNotAllowed: "User ID not allowed",
		hub.InvalidProof:   "User ID not allowed",
		hub.Unauthorized:   "Unauthorized",
		hub.Unavailable:    "Server unavailable",
	} {
		for kind := range hub.Kinds {
			if got := text(outcome, kind, []byte(to)); got != want {
				t.Errorf("outcome %d of %s: %q, want %q", outcome, kind.Event(), got, want)
			}
		}
	}
	for kind, want := range map[hub.Kind]string{
		hub.Offer:     "Invalid offer data",
		hub.Answer:    "Invalid answer data",
		hub.Candidate: "Invalid ICE candidate data",
		hub.Custom:    "Invalid custom message data",
	} {
		if got := text(hub.InvalidData, kind, []byte("bob")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for outcome := hub.OK + 1; outcome < hub.Outcomes; outcome++ {
		if text(outcome, hub.Offer, nil) == "" {
			t.Errorf("outcome %d has no text", outcome)
		}
	}
}

func TestTextsRepeatWholeCharacters(t *testing.T) {
	for to, want := range map[string]string{
		strings.Repeat("x", 256):                 strings.Repeat("x", 256),
		strings.Repeat("x", 257):                 strings.Repeat("x", 256),
		strings.Repeat("x", 255) + "é":           strings.Repeat("x", 255),
		strings.Repeat("😀", 100):                 strings.Repeat("😀", 64),
		strings.Repeat("x", 900_000):             strings.Repeat("x", 256),
		"x" + strings.Repeat("\xed\xa0\x80", 99): "x" + strings.Repeat("\xed\xa0\x80", 85), // lone surrogates
	} {
		if got := text(hub.NotFound, hub.Offer, []byte(to)); got != "User "+want+" not found" {
			t.Errorf("%.20q…: %q", to, got)
		}
	}
}

func TestErrorsAreCountedByText(t *testing.T) {
	s := newServer(t)
	count := s.gateway.errors.Count
	count(hub.InvalidData, hub.Offer)
	count(hub.InvalidData, hub.Candidate)
	count(hub.InvalidData, hub.Candidate)
	count(hub.NotFound, hub.Offer)
	count(hub.NotFound, hub.Answer)
	count(hub.RateLimited, 0)
	want := map[string]uint64{
		"Invalid offer data": 1, "Invalid ICE candidate data": 2, "User <to> not found": 2, "Rate limit exceeded": 1,
	}
	got := s.errors()
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for text, n := range want {
		if got[text] != n {
			t.Errorf("%s: %d, want %d", text, got[text], n)
		}
	}
}
