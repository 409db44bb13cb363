package main

import (
	"context"
	"io"
	"math"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

func TestTable(t *testing.T) {
	add := func(all []relayResult, server string, window, round int, cpu float64) []relayResult {
		return append(all, relayResult{server, window, 200, round, relayCost{CPU: cpu, Commands: 1}})
	}
	var all []relayResult
	// The machine is twice as slow in the second round: its ratio is that of
	// the others.
	for round, slow := range []float64{1, 2, 1} {
		all = add(all, "node", 1, round+1, 40*slow)
		all = add(all, "ours", 1, round+1, 10*slow)
	}
	all = add(all, "ours", 8, 1, 5) // Node is missing: no row
	rows := table(all)
	if len(rows) != 1 {
		t.Fatalf("%+v", rows)
	}
	if r := rows[0]; r.Window != 1 || r.CPU["ours"] != 10 || r.CPU["node"] != 40 || r.Ratio != 0.25 || r.Lowest != 0.25 || r.Highest != 0.25 {
		t.Errorf("%+v", r)
	}
}

// Redis counts what is done, and not the questions of this program.
func TestTraffic(t *testing.T) {
	rig.Require(t, "redis-server")
	ctx := context.Background()
	s, err := startStore(ctx, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	// The connection's own beginning, and all that asking adds, comes first.
	var before traffic
	for range 2 {
		if before, err = s.traffic(ctx); err != nil {
			t.Fatal(err)
		}
	}
	const times, value = 10, 1000
	for range times {
		if err := s.client.Set(ctx, "key", make([]byte, value), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := s.traffic(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done := after.since(before)
	if done.Commands["set"] != times || done.total() != times {
		t.Errorf("commands: %v", done.Commands)
	}
	// SET and OK have 44 bytes besides the value.
	if want := times * (value + 44.0); math.Abs(done.Bytes-want) > 200 {
		t.Errorf("%g bytes, not about %g", done.Bytes, want)
	}
	each := done.less(traffic{Commands: map[string]float64{"set": 1}, Bytes: 10}, 2).each(2)
	if each.Commands["set"] != 4 || each.Bytes != (done.Bytes-20)/2 {
		t.Errorf("%+v", each)
	}
}
