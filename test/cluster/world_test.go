package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/oodaa/signaling/test/rig"
)

// A world is three instances on one Redis, each with a network of its own to
// it, and users of both families who talk to each other all the time.
type world struct {
	t     *testing.T
	env   []string
	redis *rig.Redis
	nodes []*node

	stop    chan struct{}
	running sync.WaitGroup

	mu        sync.Mutex // guards what follows, and all that users know
	users     []*user
	relays    []*relay     // by their number, from first on
	first     int          // not 0, which is no candidate
	late      map[int]bool // those before first that may still come, once
	paused    bool
	strange   []string // what must not be, and was seen at once
	expectAll bool     // no relay may be refused
	totals    totals
}

// totals are figures of a whole test.
type totals struct {
	sent, delivered, refused, doubtful, excused int
	slowest                                     time.Duration
}

func (f totals) String() string {
	return fmt.Sprintf("%d relays, %d delivered, %d refused, %d refused and delivered, %d ended with a connection; slowest answer %v",
		f.sent, f.delivered, f.refused, f.doubtful, f.excused, f.slowest.Round(time.Millisecond))
}

// A node is one instance, and its network to Redis.
type node struct {
	name  string
	url   string // REDIS_URL
	proxy *toxiproxy.Proxy

	// guarded by world.mu
	server *rig.Server // nil while it is down
	frozen bool
	thawed time.Time // when it ceased to be frozen, last
}

const instances = 3

// newWorld starts a world, with settings for all instances.
func newWorld(t *testing.T, env ...string) *world {
	t.Helper()
	redis := rig.StartRedis(t)
	library := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	var nodes []*node
	for i := range instances {
		n := &node{name: fmt.Sprintf("n%d", i)}
		n.proxy = toxiproxy.NewProxy(library, n.name, "127.0.0.1:0", redis.Addr)
		if err := n.proxy.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(n.proxy.Stop)
		n.url = "redis://" + n.proxy.Listen
		nodes = append(nodes, n)
	}
	w := newWorldOf(t, nodes, env...)
	w.redis = redis
	return w
}

// newWorldAt starts a world whose instances have one REDIS_URL, and no proxies.
func newWorldAt(t *testing.T, url string, env ...string) *world {
	t.Helper()
	var nodes []*node
	for i := range instances {
		nodes = append(nodes, &node{name: fmt.Sprintf("n%d", i), url: url})
	}
	return newWorldOf(t, nodes, env...)
}

func newWorldOf(t *testing.T, nodes []*node, env ...string) *world {
	t.Helper()
	w := &world{t: t, env: env, nodes: nodes, stop: make(chan struct{}), first: 1, late: make(map[int]bool)}
	for _, n := range w.nodes {
		w.start(n)
	}
	for _, n := range w.nodes {
		rig.AwaitReady(t, n.server)
	}
	t.Cleanup(w.end)
	return w
}

// watched reports whether users are told of whom they watch only.
func (w *world) watched() bool { return slices.Contains(w.env, "PRESENCE=watched") }

// names are those that users may have, whether they have been added yet or not.
func (w *world) names() (names []string) {
	for i := range crowd {
		for _, n := range w.nodes {
			names = append(names, userName(n, i))
		}
	}
	for i := range wanderers {
		names = append(names, wandererName(i))
	}
	return names
}

// end ends the users, and looks at the logs.
func (w *world) end() {
	close(w.stop)
	w.mu.Lock()
	for _, u := range w.users {
		for _, l := range u.links {
			_ = l.client.Conn().Close()
		}
	}
	w.mu.Unlock()
	w.running.Wait()
	w.t.Log(w.totals)
}

// start starts a node that is down.
func (w *world) start(n *node) {
	w.t.Helper()
	s := rig.Start(w.t, append([]string{"REDIS_URL=" + n.url, "NODE_ID=" + n.name, "LOG_LEVEL=info", "RECONNECT_GRACE=0"}, w.env...)...)
	w.mu.Lock()
	n.server = s
	w.mu.Unlock()
}

// kill ends a node as kill -9 does, and stopNode as an operator does.
func (w *world) kill(n *node)     { w.take(n).Kill() }
func (w *world) stopNode(n *node) { w.take(n).Stop() }

func (w *world) take(n *node) *rig.Server {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := n.server
	n.server = nil
	return s
}

// freeze stops a node's process, and thaw has it go on.
func (w *world) freeze(n *node) {
	w.mu.Lock()
	n.frozen = true
	w.mu.Unlock()
	n.server.Signal(rig.Freeze)
}

func (w *world) thaw(n *node) {
	n.server.Signal(rig.Thaw)
	w.mu.Lock()
	n.frozen = false
	n.thawed = time.Now()
	w.mu.Unlock()
}

// flee has all users of a node connect anew elsewhere, and leave their
// connections as they are.
func (w *world) flee(n *node) {
	for _, u := range w.users {
		w.mu.Lock()
		there := u.now != nil && u.now.node == n
		w.mu.Unlock()
		if there {
			u.flee()
		}
	}
}

// spoil adds a fault of the library's to a node's network, in both directions.
// mend removes all.
func (w *world) spoil(n *node, kind, attributes string) {
	w.t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		_, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(
			`{"name":%q,"type":%q,"stream":%q,"toxicity":1,"attributes":%s}`, kind+stream, kind, stream, attributes)))
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) blackhole(n *node) { w.spoil(n, "timeout", `{"timeout":0}`) }
func (w *world) reset(n *node)     { w.spoil(n, "reset_peer", `{"timeout":0}`) }
func (w *world) slow(n *node, d time.Duration) {
	// Both directions add up to d.
	w.spoil(n, "latency", fmt.Sprintf(`{"latency":%d}`, d.Milliseconds()/2))
}
func (w *world) mend(n *node) { n.proxy.Toxics.ResetToxics(w.t.Context()) }

// disconnect has a node's Redis refuse connections, and connect ends that.
func (w *world) disconnect(n *node) { n.proxy.Stop() }
func (w *world) connect(n *node) {
	w.t.Helper()
	if err := n.proxy.Start(); err != nil {
		w.t.Fatal(err)
	}
}

// pick returns a node that users can connect to; nil if there is none. w.mu is
// held.
func (w *world) pick() *node {
	for _, i := range rand.Perm(len(w.nodes)) {
		if n := w.nodes[i]; n.server != nil && !n.frozen {
			return n
		}
	}
	return nil
}

// wait waits, or less if the world ends.
func (w *world) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.stop:
	}
}

// during lets time pass while a fault lasts, or before one begins.
func (w *world) during(d time.Duration) { w.wait(d) }
