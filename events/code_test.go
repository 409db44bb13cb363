package events

import (
	"maps"
	"strings"
	"sync"
	"testing"
)

func TestNames(t *testing.T) {
	got := []string{Register, GetUsers, Ping, Pong, UserList, PeerConnected, PeerDisconnected, Error}
	want := []string{"register", "get-users", "ping", "pong", "user-list", "peer-connected", "peer-disconnected", "error"}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

func TestTexts(t *testing.T) {
	invalid := [Kinds]string{
		Offer:     "Invalid offer data",
		Answer:    "Invalid answer data",
		Candidate: "Invalid ICE candidate data",
		Custom:    "Invalid custom message data",
	}
	tests := []struct {
		code         Code
		oodaa, volli string
	}{
		{OK, "", ""},
		{InvalidUserID, "Invalid user ID", "Missing required fields"},
		{NotFound, "User bob <b>&\"é not found", "User bob <b>&\"é is not online"},
		{NotRegistered, "Not registered", "Not registered"},
		{SenderMismatch, "Sender mismatch", "Sender mismatch"},
		{TooLarge, "Message too large", "Message too large"},
		{RateLimited, "Rate limit exceeded", "Rate limit exceeded"},
		{UserNotAllowed, "User ID not allowed", "User ID not allowed"},
		{Unauthorized, "Unauthorized", "Unauthorized"},
		{InvalidFormat, "Invalid message format", "Invalid message format"},
		{UnknownType, "Unknown message type", "Unknown message type"},
		{MissingFields, "Missing required fields", "Missing required fields"},
	}
	for _, tt := range tests {
		for kind := range Kinds {
			if got := tt.code.OodaaText(kind, []byte(`bob <b>&"é`)); got != tt.oodaa {
				t.Errorf("code %d of %s: %q, want %q", tt.code, kind.Event(), got, tt.oodaa)
			}
		}
		if got := tt.code.VolliText([]byte(`bob <b>&"é`)); got != tt.volli {
			t.Errorf("code %d: %q, want %q", tt.code, got, tt.volli)
		}
	}
	for kind, want := range invalid {
		if got := InvalidData.OodaaText(Kind(kind), []byte("bob")); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := InvalidData.VolliText(nil); got != "Missing required fields" {
		t.Errorf("%q", got)
	}
	for code := OK + 1; code < codes; code++ {
		if code.OodaaText(Offer, nil) == "" || code.VolliText(nil) == "" {
			t.Errorf("code %d has no text", code)
		}
	}
}

func TestTextsAreCut(t *testing.T) {
	for to, want := range map[string]string{
		strings.Repeat("x", 256):                 strings.Repeat("x", 256),
		strings.Repeat("x", 257):                 strings.Repeat("x", 256),
		strings.Repeat("x", 255) + "é":           strings.Repeat("x", 255),
		strings.Repeat("😀", 100):                 strings.Repeat("😀", 64),
		strings.Repeat("x", 900_000):             strings.Repeat("x", 256),
		"x" + strings.Repeat("\xed\xa0\x80", 99): "x" + strings.Repeat("\xed\xa0\x80", 85), // lone surrogates
	} {
		if got := NotFound.OodaaText(Offer, []byte(to)); got != "User "+want+" not found" {
			t.Errorf("%.20q…: %q", to, got)
		}
		if got := NotFound.VolliText([]byte(to)); got != "User "+want+" is not online" {
			t.Errorf("%.20q…: %q", to, got)
		}
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	if got := c.Errors(); len(got) != 0 {
		t.Errorf("errors of nothing: %v", got)
	}
	noRelays := map[string]uint64{"offer": 0, "answer": 0, "ice-candidate": 0, "custom-message": 0}
	if got := c.Relays(); !maps.Equal(got, noRelays) {
		t.Errorf("relays of nothing: %v", got)
	}

	const workers = 8
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			c.OodaaError(InvalidData, Offer)
			c.OodaaError(InvalidData, Candidate)
			c.OodaaError(InvalidData, Candidate)
			c.OodaaError(NotFound, Offer)
			c.OodaaError(NotFound, Answer)
			c.OodaaError(RateLimited, 0)
			c.OodaaError(InvalidUserID, 0)
			c.VolliError(NotFound)
			c.VolliError(RateLimited)
			c.VolliError(InvalidData)
			c.VolliError(MissingFields)
			_ = c.Errors()
		})
	}
	wg.Wait()
	want := map[string]uint64{
		"Invalid offer data":         workers,
		"Invalid ICE candidate data": 2 * workers,
		"User <to> not found":        2 * workers,
		"User <to> is not online":    workers,
		"Rate limit exceeded":        2 * workers,
		"Invalid user ID":            workers,
		"Missing required fields":    2 * workers,
	}
	if got := c.Errors(); !maps.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
