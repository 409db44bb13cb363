package cluster

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a connection that takes note of what it gets.
type client struct {
	hub.Member

	mu       sync.Mutex
	got      []string // bodies of relays
	receipts []wire.Receipt
	answers  []hub.Reply
	replaced bool
	refuse   hub.Outcome        // what Relay answers, if it is not OK
	told     []string           // presence
	deaf     bool               // it does not answer the question whether it is there
	written  func()             // called for whatever the connection would write; may be nil
	moves    func() []*hub.Held // as Replaced; may be nil
}

// write is where a real connection would write to the network.
func (c *client) write() {
	if c.written != nil {
		c.written()
	}
}

func (c *client) Relay(r *hub.Relay) hub.Outcome {
	c.write()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse == hub.OK {
		c.got = append(c.got, string(r.Payload))
		c.receipts = append(c.receipts, r.Receipt())
	}
	return c.refuse
}

func (c *client) Replaced(q *hub.Question) []*hub.Held {
	if c.moves != nil {
		return c.moves()
	}
	c.write()
	c.mu.Lock()
	c.replaced = true
	there := !c.deaf
	c.mu.Unlock()
	if q != nil && there {
		q.Answer(true)
	}
	return nil
}

func (c *client) Over() bool { return false }
func (c *client) Busy() bool { return false }

func (c *client) Spell(*hub.Roster, *hub.User) []byte { return nil }
func (c *client) SpellWatched(*hub.Roster) []byte     { return nil }
func (c *client) Tell([]byte, *wire.Batch) bool       { return true }

func (c *client) Announce(change *hub.Change, _ *wire.Batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sign := "-"
	if change.Online {
		sign = "+"
	}
	c.told = append(c.told, sign+change.User.ID)
	return true
}

// presence is what the client was told of others.
func (c *client) presence() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.told, " ")
}

func (c *client) ID() string { return "client" }

func (c *client) Replied(o *hub.Reply) {
	c.write()
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := *o
	answer.To = bytes.Clone(o.To) // o is used again
	c.answers = append(c.answers, answer)
}

func (c *client) bodies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.got...)
}

func (c *client) outcomes() []hub.Reply {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]hub.Reply(nil), c.answers...)
}

func (c *client) isReplaced() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.replaced
}

const us = "us.x.1"

// newCluster returns a cluster that has joined a Redis that does not exist:
// what it would send stays where it is.
func newCluster(t testing.TB) *Cluster {
	t.Helper()
	return newClusterWith(t, hub.Options{Presence: true})
}

// newClusterWith is newCluster with a hub of its own kind.
func newClusterWith(t testing.TB, opts hub.Options) *Cluster {
	t.Helper()
	c := &Cluster{Options: Options{Name: "us", Presence: true, Grace: opts.Grace, Log: slog.New(slog.DiscardHandler)}, started: time.Now()}
	opts.Cluster = c
	c.Hub = hub.New(opts)
	t.Cleanup(c.Hub.Close)
	c.changes.claims = make(map[uint64]*claim)
	c.relays.lanes = make(map[string]*lane)
	c.relays.open = make(map[uint64]*relay)
	c.relays.out = make(map[string][][]byte)
	c.relays.instances = make(map[string]string)
	c.relays.dead = make(map[string]bool)
	c.relays.fences = make(map[fence]refusal)
	c.process = "us.x"
	c.session = &session{c: c, instance: us, stream: streamAll, failed: make(chan error, 1), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	c.serveUntil(time.Now().Add(time.Hour))
	return c
}

// join makes a client one of the cluster's hub, with the name.
func (c *Cluster) testUser(t testing.TB, name string) *client {
	t.Helper()
	p := new(client)
	c.Hub.Join(&p.Member, p, false)
	t.Cleanup(func() { c.Hub.Leave(&p.Member, hub.Goodbye, nil) })
	if name != "" {
		if code := c.Hub.Bind(&p.Member, hub.Claim{ID: name, Turn: hub.Turn{Epoch: c.epochs.Add(1)}}, nil); code != hub.OK {
			t.Fatal(code)
		}
	}
	return p
}

// other has an instance have a name.
func (c *Cluster) testOther(name, instance string) {
	h := holder{instance: instance, epoch: 1}
	c.relays.note(&h)
	c.Hub.BindRemote(c.user(name, h), true)
}

// send sends a relay as the client would.
func (c *Cluster) testSend(from *client, to, body string) hub.Outcome {
	return c.Hub.Relay(&hub.Relay{Kind: hub.Candidate, From: from.User(), To: []byte(to), Payload: []byte(body), Sender: from})
}

// busy is how many lanes something is on its way in.
func (rs *relays) busy() (n int) {
	for _, l := range rs.lanes {
		if !l.idle() {
			n++
		}
	}
	return n
}

func encodeRelay(r *hub.Relay) []byte {
	encoded, _ := appendRelay(nil, r)
	return encoded
}

// message is what Redis delivers on a channel.
func message(channel string, payload []byte) *redis.Message {
	return &redis.Message{Channel: channel, Payload: string(payload)}
}
