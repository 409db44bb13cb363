package main

import (
	"io"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

func TestFit(t *testing.T) {
	for _, test := range []struct {
		name       string
		x, y       []float64
		base, each float64
	}{
		{"exact", []float64{1, 2, 4}, []float64{5, 7, 11}, 3, 2},
		{"between", []float64{0, 1, 0, 1}, []float64{0, 2, 2, 4}, 1, 2},
		{"one place", []float64{3, 3}, []float64{1, 2}, 1.5, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, each := (&line{test.x, test.y}).fit()
			if math.Abs(base-test.base) > 1e-9 || math.Abs(each-test.each) > 1e-9 {
				t.Errorf("%g + %g x", base, each)
			}
		})
	}
}

// Two users on two instances, with round figures: what is counted, and where.
func TestLoad(t *testing.T) {
	c := &constants{
		AnnounceBytes: 40, ListBytes: 20, AnnounceCPU: 1e-3, TogetherCPU: 1e-4, WatcherCPU: 2e-3, WatcherTogetherCPU: 2e-4, JoinCPU: 1e-2,
		Memory: 5000, HeartbeatCPU: 1e-6, RelayCPU: 1e-2, RelayRedisCPU: 1e-3, RelayBytes: 500,
		ToldCPU: 1e-5, LeaseCPU: 1e-6,
		Told: store{Bytes: 200, BytesEach: 100, CPU: 1e-3, CPUEach: 1e-4, Commands: 7},
		None: store{Bytes: 300, CPU: 1e-3, Commands: 6},
	}
	d := demand{Session: 10, Calls: 3600, Relays: 2, Contacts: 5}
	const users, instances = 100, 2
	for _, test := range []struct {
		presence string
		want     map[string]float64
	}{
		{"all", map[string]float64{
			"changes": 20, "relays": 200, "client": 20, "announcements": 20 * 50, "list": 2000,
			"bytes":     1000*40 + 5*2000 + 100*260, // all changes to all of its clients, five lists, its relays
			"messages":  1000 + 100,
			"cores":     50*1e-6 + 10*1e-2 + 100*1e-2 + 1000*1e-4 + 10*1e-5,
			"alone":     50*1e-6 + 10*1e-2 + 100*1e-2 + 1000*1e-3 + 10*1e-5,
			"directory": 50 * directoryEach, "watch": 0,
			"redis": 100*500 + 20*(200+2*100), "commands": 100*2 + 20*7, "redisCores": 100*1e-3 + 20*(1e-3+2*1e-4) + 4*1e-6,
		}},
		{"watched", map[string]float64{
			"changes": 20, "relays": 200, "client": 1, "announcements": 50, "list": 100,
			"bytes":     50*40 + 5*100 + 100*260, // its clients' contacts, five lists, its relays
			"messages":  50 + 100,
			"cores":     50*1e-6 + 10*1e-2 + 100*1e-2 + 50*2e-4 + 10*1e-5,
			"alone":     50*1e-6 + 10*1e-2 + 100*1e-2 + 50*2e-3 + 10*1e-5,
			"directory": 50 * directoryEach, "watch": 50 * 5 * watchedEach,
			"redis": 100*500 + 20*(200+2*100), "commands": 100*2 + 20*7, "redisCores": 100*1e-3 + 20*(1e-3+2*1e-4) + 4*1e-6,
		}},
		{"none", map[string]float64{
			"changes": 20, "relays": 200, "client": 0, "announcements": 0, "list": 0, "bytes": 100 * 260, "messages": 100,
			"cores": 50*1e-6 + 10*1e-2 + 100*1e-2, "alone": 50*1e-6 + 10*1e-2 + 100*1e-2,
			"directory": 0, "watch": 0,
			"redis": 100*500 + 20*300, "commands": 100*2 + 20*6, "redisCores": 100*1e-3 + 20*1e-3 + 4*1e-6,
		}},
	} {
		l := c.load(users, instances, test.presence, d)
		got := map[string]float64{
			"changes": l.Changes, "relays": l.Relays, "client": l.ClientEvents, "announcements": l.Announcements, "list": l.ListBytes,
			"bytes": l.Bytes, "messages": l.Messages, "cores": l.Cores, "alone": l.CoresAlone,
			"directory": l.Directory, "watch": l.WatchMemory,
			"redis": l.RedisBytes, "commands": l.RedisCommands, "redisCores": l.RedisCores,
		}
		for name, want := range test.want {
			if math.Abs(got[name]-want) > 1e-9*max(1, want) {
				t.Errorf("presence %s: %s is %g, not %g", test.presence, name, got[name], want)
			}
		}
	}
}

func TestFigure(t *testing.T) {
	for _, test := range []struct {
		v    float64
		unit []string
		want string
	}{
		{0, nil, "0"}, {0.123, nil, "0.12"}, {7.84, nil, "7.8"}, {278, nil, "278"}, {11667, nil, "12 k"},
		{1.5e6, []string{"B"}, "1.5 MB"}, {0, []string{"B"}, "0 B"}, {1e9, []string{"bit/s"}, "1 Gbit/s"},
	} {
		if got := figure(test.v, test.unit...); got != test.want {
			t.Errorf("%g is written as %q", test.v, got)
		}
	}
}

func TestMost(t *testing.T) {
	if n := most(func(users float64) bool { return users > 12345 }); math.Abs(n-12345) > 20 {
		t.Errorf("%g", n)
	}
	if n := most(func(float64) bool { return false }); n != 0 {
		t.Errorf("%g where there is no limit", n)
	}
}

// The committed simulation is that of the committed figures.
func TestSimulationIsCurrent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "simulate.json")
	if err := run([]string{"-data", "../../docs/bench", "-out", file}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := read("../../docs/bench", "simulate.json", &got); err != nil {
		t.Fatal(err)
	}
	if err := read(filepath.Dir(file), "simulate.json", &want); err != nil {
		t.Fatal(err)
	}
	if !same(got, want) {
		t.Error("docs/bench/simulate.json is not what its data say: run go run ./bench/simulate -out docs/bench/simulate.json")
	}
}

// same compares JSON values; numbers may differ as much as rounding may do.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		for k := range a {
			ok = ok && same(a[k], b[k])
		}
		return ok && len(a) == len(b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 1e-6*math.Abs(a)
	}
	return a == b
}
