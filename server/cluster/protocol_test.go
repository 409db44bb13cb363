package cluster

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

// version1 is every message that version 1 knows, by its name in
// testdata/messages.txt: an instance's name and one item.
func version1() map[string]item {
	from := hub.NewUser("ann", "", nil)
	all := make(map[string]item)
	for kind, name := range map[hub.Kind]string{
		hub.Offer: "offer", hub.Answer: "answer", hub.Candidate: "ice-candidate", hub.Custom: "custom-message",
	} {
		all[name] = item{relay: &hub.Relay{Kind: kind, From: from, To: []byte("böb"), Payload: []byte(`{"a": 1.0}`)}}
		all[name+" as a whole message"] = item{relay: &hub.Relay{Kind: kind, From: from, To: []byte("bob"),
			Payload: []byte(`[1]`), Message: fmt.Appendf(nil, `{"type":%q,%q:[1]}`, name, kind.Payload())}}
	}
	all["attachments"] = item{relay: &hub.Relay{Kind: hub.Custom, From: from, To: []byte("bob"),
		Payload: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{0, 255}, {}}}}
	for code, name := range map[hub.Outcome]string{
		hub.OK: "ok", hub.InvalidUserID: "invalid user id", hub.InvalidData: "invalid data", hub.NotFound: "not found",
		hub.NotRegistered: "not registered", hub.SenderMismatch: "sender mismatch", hub.TooLarge: "too large",
		hub.RateLimited: "rate limited", hub.UserNotAllowed: "user not allowed", hub.Unauthorized: "unauthorized",
		hub.Unavailable: "unavailable", hub.InvalidFormat: "invalid format", hub.UnknownType: "unknown type",
		hub.MissingFields: "missing fields", hub.InvalidProof: "invalid proof", codeMoved: "moved", hub.NotResponding: "not responding", hub.Away: "away",
		hub.InvalidList: "invalid list",
	} {
		all["answered "+name] = item{answer: code}
	}
	return all
}

// An item is a relay or an answer, with the id 300.
type item struct {
	relay  *hub.Relay // nil: an answer
	answer hub.Outcome
}

const sender = "us.ABCDEFGH.IJKLMNOP"

func (i item) encode() []byte {
	message := appendText(nil, sender)
	if i.relay == nil {
		return appendAnswer(message, 300, i.answer)
	}
	return append(append(message, itemRelay, 0xac, 0x02), encodeRelay(i.relay)...)
}

// decoded is what an instance reads in a message of one item.
func decoded(t *testing.T, message []byte) (i item) {
	t.Helper()
	in := reader{p: message}
	from := string(in.text())
	letter, id := in.byte(), in.number()
	if letter == itemRelay {
		i.relay = in.relay()
	} else {
		i.answer = in.code()
	}
	if from != sender || id != 300 || in.failed || len(in.p) > 0 {
		t.Fatalf("%q: from %q, id %d, malformed %v, rest %q", message, from, id, in.failed, in.p)
	}
	return i
}

// So do those of a report, which names a registration.
func TestGoldenReport(t *testing.T) {
	c := newCluster(t)
	c.relays.report(c, &fed{name: "b\u00f6b", holder: holder{instance: "n.1", epoch: 300}})
	const golden = "\x06us.x.1H\x00\x06\xac\x02b\u00f6b"
	if got := string(c.relays.out["n.1"][0]); got != golden {
		t.Errorf("written as %q, not %q", got, golden)
	}
}

// So do those of a late error.
func TestGoldenFailed(t *testing.T) {
	c := newCluster(t)
	c.relays.heardOf("n.1")
	from := hub.NewUser("al", "", nil)
	from.Instance = "n"
	c.Failed(from, &hub.Reply{Kind: hub.Custom, To: []byte("b\u00f6b"), Outcome: hub.NotFound})
	const golden = "\x06us.x.1E\x00\x0a\x03\x03\x02al\x04b\u00f6b"
	if got := string(c.relays.out["n.1"][0]); got != golden {
		t.Errorf("written as %q, not %q", got, golden)
	}
}

// What one release writes, every other one reads: the bytes stay as they are.
func TestGoldenMessages(t *testing.T) {
	file, err := os.ReadFile("testdata/messages.txt")
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	if at, feed := c.channelOf("n.1"), c.session.feedChannel(); at != "to:n.1" || feed != "feed:all" {
		t.Errorf("version 1 has the channels to:n.1 and feed:all, not %s and %s", at, feed)
	}
	messages := version1()
	for line := range strings.Lines(string(file)) {
		name, quoted, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		golden, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		want, known := messages[name]
		if !known {
			t.Errorf("%s: nobody writes it", name)
			continue
		}
		delete(messages, name)
		if got := want.encode(); string(got) != golden {
			t.Errorf("%s is written as\n%q, not\n%q", name, got, golden)
		}
		got := decoded(t, []byte(golden))
		if (got.relay == nil) != (want.relay == nil) || got.answer != want.answer {
			t.Errorf("%s is read as %+v", name, got)
		} else if want.relay != nil && !sameRelay(got.relay, want.relay) {
			t.Errorf("%s is read as %+v", name, got.relay)
		}
	}
	for name := range messages {
		t.Errorf("%s has no line in testdata/messages.txt", name)
	}
}

func sameRelay(a, b *hub.Relay) bool {
	if a.Kind != b.Kind || a.From.ID != b.From.ID || !bytes.Equal(a.To, b.To) || !bytes.Equal(a.Payload, b.Payload) ||
		!bytes.Equal(a.Message, b.Message) || len(a.Attachments) != len(b.Attachments) {
		return false
	}
	for i := range a.Attachments {
		if !bytes.Equal(a.Attachments[i], b.Attachments[i]) {
			return false
		}
	}
	return true
}

// A code or kind that events adds needs a number here, and one of its own.
func TestEveryOutcomeAndKindHasItsNumber(t *testing.T) {
	outcomes, kinds := make(map[byte]hub.Outcome), make(map[byte]hub.Kind)
	note := func(code hub.Outcome) {
		n := outcomeNumber(code)
		if n == noNumber {
			t.Errorf("outcome %d has no number: add one to outcomeNumbers, and its bytes to testdata/messages.txt", code)
		} else if other, taken := outcomes[n]; taken {
			t.Errorf("outcomes %d and %d have the number %d", other, code, n)
		}
		outcomes[n] = code
	}
	const last = hub.Pending - 2 // the codes end before Pending with their number
	for code := range last + 1 {
		note(code)
	}
	note(codeMoved)
	note(hub.Away)
	for kind := range hub.Kinds {
		n := kindNumber(kind)
		if n == noNumber {
			t.Errorf("%s has no number: add one to kindNumbers, and its bytes to testdata/messages.txt", kind.Event())
		} else if other, taken := kinds[n]; taken {
			t.Errorf("%s and %s have the number %d", other.Event(), kind.Event(), n)
		}
		kinds[n] = kind
	}
	if len(outcomes) < 16 || len(kinds) < 4 {
		t.Errorf("%d outcomes, %d kinds", len(outcomes), len(kinds))
	}
	for n := range 256 {
		want, known := outcomes[byte(n)]
		if got := outcomeOf(byte(n)); known && got != want || !known && got != hub.Unavailable {
			t.Errorf("outcome number %d is %d", n, got)
		}
		kind, known := kindOf(byte(n))
		if want, found := kinds[byte(n)]; known != found || kind != want {
			t.Errorf("kind number %d is %d, %v", n, kind, known)
		}
	}
}

// What a later release may send is answered, and what follows it is handled.
func TestUnknownItemsAreAnswered(t *testing.T) {
	relay := encodeRelay(&hub.Relay{Kind: hub.Offer, From: hub.NewUser("b", "", nil), To: []byte("x"), Payload: []byte(`1`)})
	changed := func(at int, b byte) []byte {
		other := bytes.Clone(relay)
		other[at] = b
		return append([]byte{itemRelay, 7}, other...)
	}
	form := 1 + len("\x01b") + len("\x01x")
	for name, unknown := range map[string][]byte{
		"kind of relay": changed(0, 200),
		"form of relay": changed(form, 2),
		"whole message": changed(form, formWhole), // that is none
		"letter":        {'Z', 7, 3, 'R', 'A', 'R'},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			x := c.testUser(t, "x")
			message := append(appendText(nil, "n.1"), unknown...)
			message = append(append(message, itemRelay, 8), relay...)
			c.receive(c.session, string(message))
			if got := x.bodies(); len(got) != 1 || got[0] != `1` {
				t.Errorf("the relay behind it: got %v", got)
			}
			out, _ := c.relays.take()
			want := appendAnswer(appendAnswer(appendText(nil, us), 7, hub.Unavailable), 8, hub.OK)
			if len(out) != 1 || out[0].instance != "n.1" || !bytes.Equal(out[0].message, want) {
				t.Errorf("answered with %q, not %q", out, want)
			}
		})
	}
}

// A sender gets an error for an outcome that only a later release knows: its relay was not
// delivered for sure.
func TestUnknownOutcomeIsAnError(t *testing.T) {
	c, a, ids := threeToX(t)
	message := append(appendText(nil, "n.1"), itemAnswer, byte(ids[0]), 99)
	c.receive(c.session, string(message))
	if got := codes(a); len(got) != 1 || got[0] != hub.Unavailable {
		t.Errorf("answers %v", got)
	}
}
