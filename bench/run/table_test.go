package main

import (
	"encoding/json"
	"testing"

	"github.com/oodaa/signaling/bench/scale/measure"
)

func TestTable(t *testing.T) {
	var results []result
	add := func(scenario, server string, round int, report string) {
		r := result{Scenario: scenario, Server: server, Round: round}
		if err := json.Unmarshal([]byte(report), &r.report); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	// The machine is twice as slow in the second round, whose ratio is that of
	// the others.
	add("relay 200 B, window 1", "ours", 1, `{"server":{"cpuPerMessage":5}}`)
	add("relay 200 B, window 1", "node", 1, `{"server":{"cpuPerMessage":20}}`)
	add("relay 200 B, window 1", "bare", 1, `{"server":{"cpuPerMessage":4}}`)
	add("relay 200 B, window 1", "node", 2, `{"server":{"cpuPerMessage":40},"lost":2,"errors":{"a":3}}`)
	add("relay 200 B, window 1", "bare", 2, `{"server":{"cpuPerMessage":5}}`)
	add("relay 200 B, window 1", "ours", 2, `{"server":{"cpuPerMessage":10}}`)
	add("relay 200 B, window 1", "bare", 3, `{"server":{"cpuPerMessage":4}}`)
	add("relay 200 B, window 1", "ours", 3, `{"server":{"cpuPerMessage":6}}`)
	add("relay 200 B, window 1", "node", 3, `{"server":{"cpuPerMessage":20}}`)
	add("join storm, 800 users", "ours", 1, `{"server":{"cpuPerUser":200}}`)
	add("join storm, 800 users", "node", 1, `{"server":{"cpuPerUser":1000}}`)
	add("5,000 messages/s offered, p99", "ours", 1, `{"latencies":[{"of":"late","p99":9},{"of":"relay","p99":0.5}]}`)

	add("TLS handshakes, one at a time", "ours", 1, `{"handshake":500}`)
	add("TLS handshakes, one at a time", "nginx", 1, `{"handshake":390}`)
	add("start", "ours", 1, `{"start":51}`)
	add("binary", "ours", 1, `{"binary":16e6}`)

	got := newTable(results, []measure.Program{{Name: "ours"}, {Name: "node"}, {Name: "bun"}, {Name: "bare"}, {Name: "nginx"}}).markdown()
	want := `| scenario | figure | ours | Node | bare relay | nginx | ours / Node | ours / bare relay | ours / nginx |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
| relay 200 B, window 1 | server CPU per message | 6.00 µs | 20.0 µs | 4.00 µs | – | 0.25 (0.25–0.30), ≤ 0.35 | **1.50 (1.25–2.00), not ≤ 1.25** | – |
| 5,000 messages/s offered, p99 | latency from when it was due | 0.50 ms | – | – | – | – | – | – |
| join storm, 800 users | server CPU per user | 200 µs | 1000 µs | – | – | **0.20 (0.20–0.20), not ≤ 0.1** | – | – |
| TLS handshakes, one at a time | server CPU per handshake | 500 µs | – | – | 390 µs | – | – | **1.28 (1.28–1.28), not ≤ 1.25** |
| start | until /health is answered | **51.0 ms, not ≤ 50** | – | – | – | – | – | – |
| binary | size | 16.0 MB, ≤ 19 | – | – | – | – | – | – |
| all of them | lost, reordered, duplicated, altered, errors | 0 | 5 | 0 | 0 | – | – | – |
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if n := faults(results); n != 5 {
		t.Errorf("%d faults", n)
	}
}

func TestHeartbeats(t *testing.T) {
	r := report{Connections: 2000, Seconds: 30}
	r.Server.CPUSeconds = 0.05
	if got := heartbeats(&r); got != 50 {
		t.Error(got)
	}
}

func TestScenariosAreComplete(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range scenarios {
		if s.figure == nil || s.figureName == "" || s.unit == "" || s.most == 0 && s.targets == nil || (s.load == "") == (s.method == nil) || s.load == "" && s.short != "" || seen[s.name] {
			t.Errorf("%+v", s)
		}
		seen[s.name] = true
	}
}
