package cluster

import (
	"bytes"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

func TestMessageRoundTrip(t *testing.T) {
	for name, r := range map[string]*hub.Relay{
		"body":        {Kind: hub.Offer, To: []byte("b"), Payload: []byte(` {"a" : 1.0e2}`)},
		"attachments": {Kind: hub.Custom, To: []byte("é"), Payload: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{{0, 255}, {}}},
		"whole":       {Kind: hub.Candidate, To: []byte("b"), Payload: []byte(`[1]`), Message: []byte(`{"type":"ice-candidate","candidate":[1],"more":2}`)},
	} {
		t.Run(name, func(t *testing.T) {
			r.From = hub.NewUser("a \u2028", "", nil)
			encoded, to := appendRelay(nil, r)
			if string(to) != string(r.To) {
				t.Errorf("to %q", to)
			}
			in := reader{p: append(bytes.Clone(encoded), "rest"...)}
			got := in.relay()
			if got == nil || string(in.p) != "rest" {
				t.Fatalf("%v, rest %q", got, in.p)
			}
			if got.Kind != r.Kind || got.From.ID != r.From.ID || !bytes.Equal(got.To, r.To) || !bytes.Equal(got.Payload, r.Payload) ||
				!bytes.Equal(got.Message, r.Message) || len(got.Attachments) != len(r.Attachments) {
				t.Errorf("%+v became %+v", r, got)
			}
			for i := range r.Attachments {
				if !bytes.Equal(got.Attachments[i], r.Attachments[i]) {
					t.Errorf("attachment %d: %q", i, got.Attachments[i])
				}
			}
			for i := range encoded {
				in := reader{p: encoded[:i:i]}
				if in.relay() != nil || !in.failed {
					t.Errorf("the first %d bytes of %d are taken for all", i, len(encoded))
				}
			}
		})
	}
}

// Whatever an instance publishes, it is read to its end, and answered at most
// once for each relay.
func FuzzMessage(f *testing.F) {
	r := &hub.Relay{Kind: hub.Custom, From: hub.NewUser("a", "", nil), To: []byte("x"), Payload: []byte(`1`), Attachments: [][]byte{{1}}}
	header := appendText(nil, "n.1")
	f.Add(append(append(bytes.Clone(header), itemRelay, 1), encodeRelay(r)...))
	f.Add(appendAnswer(bytes.Clone(header), 1, codeMoved))
	f.Add(append(bytes.Clone(header), itemRelay, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newCluster(t)
		x := c.testUser(t, "x")
		c.testOther("y", "n.1")
		if code := c.testSend(x, "y", `1`); code != hub.Pending {
			t.Fatal(code)
		}
		c.receive(c.session, string(payload))
		if n := len(x.outcomes()); n > 1 {
			t.Errorf("%d outcomes of one relay", n)
		}
		c.serveUntil(c.started) // for nothing to be tried anew
		c.relays.drop(c)
		c.carryOut(c.relays.expire(c, c.started.Add(1e12)), nil)
		if n := len(x.outcomes()); n != 1 || c.relays.size != 0 || c.relays.busy() != 0 {
			t.Errorf("%d outcomes, %d bytes, %d lanes are left", n, c.relays.size, c.relays.busy())
		}
	})
}
