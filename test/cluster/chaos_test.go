package cluster

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A fault of an instance, or of Redis, where n is nil.
type fault struct {
	name       string
	begin, end func(w *world, n *node)
}

func nothing(*world, *node) {}

var ofInstances = []fault{
	{"kill", func(w *world, n *node) { w.kill(n) }, func(w *world, n *node) { w.start(n) }},
	{"stop", func(w *world, n *node) { w.stopNode(n) }, func(w *world, n *node) { w.start(n) }},
	{"freeze", (*world).freeze, (*world).thaw},
	{"freeze and flee", (*world).freeze, func(w *world, n *node) {
		w.flee(n)
		w.during(time.Second)
		w.thaw(n)
	}},
	{"flee", func(w *world, n *node) { w.flee(n) }, func(w *world, n *node) { w.flee(n) }},
	{"blackhole", (*world).blackhole, (*world).mend},
	{"reset", (*world).reset, (*world).mend},
	{"refused", (*world).disconnect, (*world).connect},
	{"slow", func(w *world, n *node) { w.slow(n, 300*time.Millisecond) }, (*world).mend},
}

var ofRedis = []fault{
	{"redis killed", func(w *world, _ *node) { w.redis.Kill() }, func(w *world, _ *node) { w.redis.Start() }},
	{"redis frozen", func(w *world, _ *node) { w.redis.Signal(rig.Freeze) }, func(w *world, _ *node) { w.redis.Signal(rig.Thaw) }},
	{"redis flushed", func(w *world, _ *node) { w.redis.Do("FLUSHALL") }, nothing},
	{"redis flushed at last", nothing, func(w *world, _ *node) { w.redis.Do("FLUSHALL") }},
	{"redis clients killed", func(w *world, _ *node) { w.redis.Do("CLIENT", "KILL", "TYPE", "normal") }, func(w *world, _ *node) { w.redis.Do("CLIENT", "KILL", "TYPE", "pubsub") }},
}

// TestChaos makes faults at random, several at a time. The same seed draws the
// same faults.
func TestChaos(t *testing.T) {
	t.Parallel()
	seed := *chaosSeed
	if seed == 0 {
		seed = time.Now().UnixNano()
	}
	t.Logf("to repeat: go test ./test/cluster -run Chaos -chaos %v -seed %d", *chaosTime, seed)
	draw := rand.New(rand.NewPCG(uint64(seed), 0))
	var env []string
	switch draw.IntN(4) {
	case 0:
		env = []string{"PRESENCE=none"}
	case 1:
		env = []string{"PRESENCE=watched"}
	}
	w := newWorld(t, env...)
	w.populate(crowd, pace)
	for i := range wanderers {
		w.add(wandererName(i), rig.Family(i%2), nil, false, pace)
	}
	begun := time.Now()
	for round := 0; round == 0 || time.Since(begun) < *chaosTime; round++ {
		var ends []func()
		for i, target := range draw.Perm(len(w.nodes) + 1)[:1+draw.IntN(3)] {
			list, n, where := ofRedis, (*node)(nil), ""
			if target < len(w.nodes) {
				list, n = ofInstances, w.nodes[target]
				where = n.name
			}
			f := list[draw.IntN(len(list))]
			wait := time.Duration(draw.IntN(1000)) * time.Millisecond
			t.Logf("%v: %s %s", time.Since(begun).Round(time.Millisecond), f.name, where)
			f.begin(w, n)
			w.during(wait)
			at := draw.IntN(i + 1)
			ends = slices.Insert(ends, at, func() { f.end(w, n) })
		}
		w.during(time.Duration(draw.IntN(6000)) * time.Millisecond)
		for _, end := range ends {
			end()
			w.during(time.Duration(draw.IntN(500)) * time.Millisecond)
		}
		t.Logf("%v: quiet", time.Since(begun).Round(time.Millisecond))
		w.quiet()
	}
}
