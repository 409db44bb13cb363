package cluster

import (
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/hub"
)

// unheard is a sender that looks at no answer.
type unheard struct{ *client }

func (unheard) Replied(*hub.Reply) {}

// One relay to a user of another instance, as ten leave together: taken over,
// encoded, published, answered. Redis and the other instance are not in it.
func BenchmarkRelayAcross(b *testing.B) {
	const together = 10
	c := newCluster(b)
	a := c.testUser(b, "a")
	c.testOther("x", "n.1")
	body := []byte(`"` + strings.Repeat("x", 200) + `"`)
	var r hub.Relay
	var answers []byte
	var payload string
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r = hub.Relay{Kind: hub.Candidate, From: a.User(), To: []byte("x"), Payload: body, Sender: unheard{a}}
		if code := c.Hub.Relay(&r); code != hub.Pending {
			b.Fatal(code)
		}
		if i%together < together-1 {
			continue
		}
		out, _ := c.relays.take()
		answers = appendText(answers[:0], "n.1")
		for id := c.relays.last - together + 1; id <= c.relays.last; id++ {
			answers = appendAnswer(answers, id, hub.OK)
		}
		payload = string(answers)
		c.receive(c.session, payload)
		c.relays.sent(out)
	}
	if c.relays.size > together*(relaySize+1024) {
		b.Errorf("%d bytes without an answer", c.relays.size)
	}
}
