package cluster

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
)

// published takes what is to be published: the bodies of relays by instance.
func (c *Cluster) testPublished() (bodies map[string][]string, ids map[string][]uint64) {
	out, _ := c.relays.take()
	bodies, ids = make(map[string][]string), make(map[string][]uint64)
	for _, p := range out {
		in := reader{p: p.message}
		in.text()
		for len(in.p) > 0 {
			switch in.byte() {
			case itemRelay:
				id := in.number()
				if r := in.relay(); r != nil {
					bodies[p.instance] = append(bodies[p.instance], string(r.Payload))
					ids[p.instance] = append(ids[p.instance], id)
				}
			case itemAnswer:
				in.number()
				in.byte()
			}
		}
	}
	return bodies, ids
}

func (c *Cluster) testAnswer(code hub.Outcome, ids ...uint64) {
	for _, id := range ids {
		var left work
		c.relays.answered(c, id, code, &left)
		c.carryOut(left, nil)
	}
}

// lookups takes the names that the directory is to be asked for.
func (c *Cluster) testLookups() []string {
	c.relays.mu.Lock()
	defer c.relays.mu.Unlock()
	names := c.relays.lookup
	c.relays.lookup = nil
	return names
}

func (c *Cluster) testEmpty(t *testing.T) {
	t.Helper()
	c.relays.expire(c, time.Now())
	rs := &c.relays
	if rs.busy() != 0 || len(rs.open) != 0 || len(rs.byAge) != 0 || rs.size != 0 {
		t.Errorf("%d lanes, %d without an answer, %d by age, %d bytes are left", rs.busy(), len(rs.open), len(rs.byAge), rs.size)
	}
}

// send sends three relays to x, which is on n.1.
func threeToX(t *testing.T) (c *Cluster, a *client, ids []uint64) {
	t.Helper()
	c = newCluster(t)
	a = c.testUser(t, "a")
	c.testOther("x", "n.1")
	for _, body := range []string{"1", "2", "3"} {
		if code := c.testSend(a, "x", body); code != hub.Pending {
			t.Fatal(code)
		}
	}
	out, sent := c.testPublished()
	if !slices.Equal(out["n.1"], []string{"1", "2", "3"}) || len(out) != 1 {
		t.Fatalf("published: %v", out)
	}
	return c, a, sent["n.1"]
}

func codes(c *client) (list []hub.Outcome) {
	for _, o := range c.outcomes() {
		list = append(list, o.Outcome)
	}
	return list
}

func TestRelaysAreAnswered(t *testing.T) {
	c, a, ids := threeToX(t)
	c.testAnswer(hub.OK, ids[0])
	c.testAnswer(hub.TooLarge, ids[1])
	c.testAnswer(hub.NotFound, ids[2])
	c.testAnswer(hub.OK, ids...) // again, and too late
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.OK, hub.TooLarge, hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}

// An answer that comes twice counts once, and names whom the relay was to.
func TestRelaysThatComeBackTwice(t *testing.T) {
	c, a, ids := threeToX(t)
	c.testAnswer(codeMoved, ids[1], ids[1], ids[0], ids[1], ids[2], ids[0])
	c.testLookups()
	c.found(c.session, "x", &holder{instance: "m.1", epoch: 1}, "")
	out, sent := c.testPublished()
	if !slices.Equal(out["m.1"], []string{"1", "2", "3"}) || len(out) != 1 {
		t.Errorf("published: %v", out)
	}
	c.testAnswer(hub.OK, sent["m.1"]...)
	c.testAnswer(codeMoved, ids...)
	for _, o := range a.outcomes() {
		if o.Outcome != hub.OK || string(o.To) != "x" {
			t.Errorf("answer %v to %q", o.Outcome, o.To)
		}
	}
	if n := len(a.outcomes()); n != 3 {
		t.Errorf("%d answers", n)
	}
	c.testEmpty(t)
}

// Relays that come back, in whatever order, go on in theirs, before what was
// sent later.
func TestOrderWhenRelaysComeBack(t *testing.T) {
	c, _, ids := threeToX(t)
	c.testAnswer(codeMoved, ids[1])
	c.testOther("x", "m.1")
	c.testSend(c.testUser(t, "b"), "x", "4")
	c.testAnswer(codeMoved, ids[2])
	if out, _ := c.testPublished(); len(out) != 0 {
		t.Errorf("%v is sent while an earlier one is on its way", out)
	}
	c.testAnswer(codeMoved, ids[0])
	if names := c.testLookups(); !slices.Equal(names, []string{"x"}) {
		t.Fatalf("asks for %v", names)
	}
	c.testSend(c.testUser(t, "c"), "x", "5")
	c.found(c.session, "x", &holder{instance: "m.1", epoch: 1}, "")
	out, sent := c.testPublished()
	if !slices.Equal(out["m.1"], []string{"1", "2", "3", "4", "5"}) || len(out) != 1 {
		t.Errorf("published: %v", out)
	}
	c.testAnswer(hub.OK, sent["m.1"]...)
	c.testEmpty(t)
}

// What is sent to where a name is now waits for what was sent to where it was,
// but not for long.
func TestNothingOvertakesWhatIsElsewhere(t *testing.T) {
	c, a, _ := threeToX(t)
	c.testOther("x", "m.1")
	b := c.testUser(t, "b")
	c.testSend(b, "x", "4")
	if out, _ := c.testPublished(); len(out) != 0 {
		t.Errorf("%v is sent while earlier ones are on their way elsewhere", out)
	}
	c.carryOut(c.relays.expire(c, time.Now().Add(grace/2)), nil)
	if out, _ := c.testPublished(); len(out) != 0 {
		t.Errorf("%v is sent too early", out)
	}
	c.carryOut(c.relays.expire(c, time.Now().Add(grace+time.Millisecond)), nil)
	out, sent := c.testPublished()
	if !slices.Equal(out["m.1"], []string{"4"}) {
		t.Errorf("published: %v", out)
	}
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.NotFound, hub.NotFound, hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	c.testAnswer(hub.OK, sent["m.1"]...)
	c.testEmpty(t)
}

// A relay that came back does not arrive behind one that was sent after it.
func TestTooLateForWhatWasOvertaken(t *testing.T) {
	c, a, ids := threeToX(t)
	c.testAnswer(codeMoved, ids[0])
	c.testAnswer(codeMoved, ids[1])
	c.testAnswer(hub.OK, ids[2])
	if out, _ := c.testPublished(); len(out) != 0 || len(c.testLookups()) != 0 {
		t.Errorf("%v is sent again", out)
	}
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.NotFound, hub.NotFound, hub.OK}) {
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}

// A user who came over to this instance gets what was on its way first.
func TestOrderWhenTheTargetComesHere(t *testing.T) {
	c, a, ids := threeToX(t)
	x := c.testUser(t, "x")
	if code := c.testSend(a, "x", "4"); code != hub.Pending {
		t.Errorf("the fourth is handed on with %v before the others", code)
	}
	c.testAnswer(codeMoved, ids[2], ids[0], ids[1])
	if got := x.bodies(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %v", got)
	}
	if code := c.testSend(a, "x", "5"); code != hub.OK {
		t.Errorf("the fifth: %v", code)
	}
	c.testEmpty(t)
}

// A name that moves all the time is given up.
func TestTriesEnd(t *testing.T) {
	c, a, ids := threeToX(t)
	for try := 2; try <= maxTries; try++ {
		c.testAnswer(codeMoved, ids...)
		c.testLookups()
		c.found(c.session, "x", &holder{instance: "n.1", epoch: 1}, "")
		_, sent := c.testPublished()
		if ids = sent["n.1"]; len(ids) != 3 {
			t.Fatalf("%d relays are tried again", len(ids))
		}
	}
	c.testAnswer(codeMoved, ids...)
	c.testLookups()
	c.found(c.session, "x", &holder{instance: "n.1", epoch: 1}, "")
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.NotFound, hub.NotFound, hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}

// The last try at an instance that is gone is not one at the instance that the target
// has come back to.
func TestTriesAreOfOneInstance(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		c, _, ids := threeToX(t)
		c.Grace = grace
		for range maxTries - 1 {
			c.testAnswer(codeMoved, ids...)
			c.testLookups()
			c.found(c.session, "x", &holder{instance: "m.1", epoch: 1}, "")
			out, sent := c.testPublished()
			if ids = sent["m.1"]; len(ids) != 3 || len(out) != 1 {
				t.Fatalf("grace %v: published: %v", grace, out)
			}
		}
		c.testAnswer(codeMoved, ids...)
		c.testLookups()
		c.found(c.session, "x", &holder{instance: "o.1", epoch: 1}, "")
		out, sent := c.testPublished()
		if !slices.Equal(out["o.1"], []string{"1", "2", "3"}) || len(out) != 1 {
			t.Fatalf("grace %v: published: %v", grace, out)
		}
		c.testAnswer(hub.OK, sent["o.1"]...)
		c.testEmpty(t)
	}
}

// While it is not certain who our users are, nothing is handed to them; then
// all is, in its order, without anybody asking.
func TestRelaysWaitForTheLease(t *testing.T) {
	c := newCluster(t)
	a, x := c.testUser(t, "a"), c.testUser(t, "x")
	c.serveUntil(time.Now())
	for _, body := range []string{"1", "2"} {
		if code := c.testSend(a, "x", body); code != hub.Pending {
			t.Fatal(code)
		}
	}
	c.receive(c.session, string(append(appendText(nil, "n.1"), append([]byte{itemRelay, 9},
		encodeRelay(&hub.Relay{Kind: hub.Candidate, From: hub.NewUser("b", "", nil), To: []byte("x"), Payload: []byte("0")})...)...)))
	if got := x.bodies(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	c.serveUntil(time.Now().Add(time.Hour))
	if code := c.testSend(a, "x", "3"); code != hub.Pending {
		t.Errorf("the third is handed on with %v before the others", code)
	}
	c.relays.resume(c)
	if got := x.bodies(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("got %v", got)
	}
	c.testEmpty(t)
}

// An answer counts also while it is not certain who our users are.
func TestAnswersCountWithoutLease(t *testing.T) {
	c, a, ids := threeToX(t)
	c.serveUntil(time.Now())
	payload := appendText(nil, "n.1")
	for _, id := range ids {
		payload = appendAnswer(payload, id, hub.OK)
	}
	c.receive(c.session, string(payload))
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.OK, hub.OK, hub.OK}) {
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}

// What nobody answers is answered here, and what is waiting behind it goes on.
func TestRelaysExpire(t *testing.T) {
	c, a, ids := threeToX(t)
	c.carryOut(c.relays.expire(c, time.Now().Add(patience-time.Second)), nil)
	if got := codes(a); len(got) != 0 {
		t.Errorf("answers %v before their time", got)
	}
	c.carryOut(c.relays.expire(c, time.Now().Add(patience+time.Millisecond)), nil)
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.NotFound, hub.NotFound, hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	c.testAnswer(hub.OK, ids...)
	if got := codes(a); len(got) != 3 {
		t.Errorf("answered twice: %v", got)
	}
	c.testEmpty(t)
}

// What waits is bounded, however small it is; past that senders are told.
func TestRelaysAreBounded(t *testing.T) {
	c := newCluster(t)
	a := c.testUser(t, "a")
	c.serveUntil(time.Now())
	if code := c.testSend(a, "x", "1"); code != hub.Pending || c.relays.size < relaySize {
		t.Errorf("%v, %d bytes", code, c.relays.size)
	}
	body := `"` + strings.Repeat("x", 100_000) + `"`
	sent := 1
	for c.testSend(a, "x", body) == hub.Pending {
		if sent++; sent > maxRelays/len(body) {
			t.Fatalf("%d relays wait", sent)
		}
	}
	if sent < maxRelays/len(body)/2 {
		t.Errorf("only %d relays wait", sent)
	}
	c.carryOut(c.relays.expire(c, time.Now().Add(patience+time.Second)), nil)
	if got := len(a.outcomes()); got != sent {
		t.Errorf("%d answers to %d relays", got, sent)
	}
	c.testEmpty(t)
}

// Messages to an instance are of a size that Redis lets pass, in their order.
func TestPublishedInParts(t *testing.T) {
	c := newCluster(t)
	a := c.testUser(t, "a")
	c.testOther("x", "n.1")
	body := `"` + string(make([]byte, 300_000)) + `"`
	const sent = 40
	for range sent {
		c.testSend(a, "x", body)
	}
	got, steps := 0, 0
	var last uint64
	for {
		out, _ := c.relays.take()
		if len(out) == 0 {
			break
		}
		steps++
		size := 0
		for _, p := range out {
			if len(p.message) > maxPublish+len(body)+100 {
				t.Errorf("a message of %d bytes", len(p.message))
			}
			size += len(p.message)
			in := reader{p: p.message}
			if from := string(in.text()); from != us {
				t.Fatalf("from %q", from)
			}
			for len(in.p) > 0 {
				in.byte()
				id := in.number()
				if r := in.relay(); r == nil || id <= last {
					t.Fatalf("relay %d behind %d, %v", id, last, r)
				}
				last = id
				got++
			}
		}
		if size > maxTaken+2*maxPublish {
			t.Errorf("%d bytes in one step", size)
		}
	}
	if got != sent || steps < 2 {
		t.Errorf("%d relays in %d steps", got, steps)
	}
}

// When a session ends, what was on its way is answered; what waits goes on.
func TestDrop(t *testing.T) {
	c, a, _ := threeToX(t)
	b := c.testUser(t, "b")
	c.testSend(b, "y", "1") // nobody knows y: the directory is to be asked
	s := c.session
	c.session = nil
	c.relays.drop(c)
	if got := codes(a); !slices.Equal(got, []hub.Outcome{hub.NotFound, hub.NotFound, hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	if got := codes(b); len(got) != 0 {
		t.Errorf("answers %v to what only waits", got)
	}
	c.session = s
	c.relays.resume(c)
	if names := c.testLookups(); !slices.Equal(names, []string{"y"}) {
		t.Errorf("asks for %v", names)
	}
	c.found(s, "y", nil, "")
	if got := codes(b); !slices.Equal(got, []hub.Outcome{hub.NotFound}) {
		t.Errorf("answers %v", got)
	}
	c.testEmpty(t)
}
