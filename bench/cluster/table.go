package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/oodaa/signaling/bench/scale/measure"
)

// target is the most that our CPU time may be of Node's.
const target = 0.35

// A row is one window: medians over the rounds, and ratios between runs of the
// same round. CPU times are in microseconds for each relay.
type row struct {
	Window   int                `json:"window"`
	CPU      map[string]float64 `json:"cpu"`      // of both instances, by server
	Redis    map[string]float64 `json:"redisCPU"` // of the redis-server, by server
	Commands map[string]float64 `json:"redisCommands"`
	Bytes    map[string]float64 `json:"redisBytes"`
	Ratio    float64            `json:"ratio"` // of CPU, ours to Node's
	Lowest   float64            `json:"lowest"`
	Highest  float64            `json:"highest"`
	Target   float64            `json:"target"`
}

func table(results []relayResult) (rows []row) {
	for _, window := range windows {
		figures := func(server string, of func(*relayResult) float64) (all []float64) {
			for i := range results {
				if results[i].Server == server && results[i].Window == window {
					all = append(all, of(&results[i]))
				}
			}
			return all
		}
		medians := func(of func(*relayResult) float64) map[string]float64 {
			m := make(map[string]float64)
			for _, server := range servers {
				m[server] = measure.Median(figures(server, of))
			}
			return m
		}
		cpu := func(r *relayResult) float64 { return r.CPU }
		ours, node := figures("ours", cpu), figures("node", cpu)
		if len(ours) == 0 || len(ours) != len(node) {
			continue
		}
		ratios := make([]float64, len(ours))
		for i := range ours {
			ratios[i] = ours[i] / node[i]
		}
		rows = append(rows, row{
			Window: window, CPU: medians(cpu),
			Redis:    medians(func(r *relayResult) float64 { return r.RedisCPU }),
			Commands: medians(func(r *relayResult) float64 { return r.Commands }),
			Bytes:    medians(func(r *relayResult) float64 { return r.Redis.Bytes }),
			Ratio:    measure.Median(ratios), Lowest: slices.Min(ratios), Highest: slices.Max(ratios), Target: target,
		})
	}
	return rows
}

func (r *report) print(w io.Writer) error {
	var b strings.Builder
	if len(r.Table) > 0 {
		fmt.Fprintf(&b, "One relay of 200 bytes from one instance to the other, %d pairs, %d rounds; medians.\n\n", r.Pairs, r.Rounds)
		b.WriteString("| | CPU, ours | CPU, Node | ours / Node | target | Redis CPU, ours | Redis CPU, Node | Redis commands, ours | Redis commands, Node | Redis bytes, ours | Redis bytes, Node |\n")
		b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
		for _, row := range r.Table {
			verdict := "met"
			if row.Ratio > row.Target {
				verdict = "**not met**"
			}
			fmt.Fprintf(&b, "| window %d | %.1f µs | %.1f µs | %.2f (%.2f–%.2f) | ≤ %.2f %s | %.1f µs | %.1f µs | %.2f | %.2f | %.0f | %.0f |\n",
				row.Window, row.CPU["ours"], row.CPU["node"], row.Ratio, row.Lowest, row.Highest, row.Target, verdict,
				row.Redis["ours"], row.Redis["node"], row.Commands["ours"], row.Commands["node"], row.Bytes["ours"], row.Bytes["node"])
		}
	}
	if len(r.Presence) > 0 {
		b.WriteString("\nWhat one join and one leave are at Redis, one at a time, beside users that are spread evenly.\n\n")
		b.WriteString("| PRESENCE | instances | users | join: commands | bytes | leave: commands | bytes |\n|---|---|---|---|---|---|---|\n")
		for _, c := range r.Presence {
			fmt.Fprintf(&b, "| %s | %d | %d | %.1f | %.0f | %.1f | %.0f |\n", c.Presence, c.Instances, c.Users,
				c.Join.total(), c.Join.Bytes, c.Leave.total(), c.Leave.Bytes)
		}
	}
	if len(r.Changes) > 0 {
		b.WriteString("\nWhat one join or leave costs while many come, spread over all instances. Leases are what Redis does without any.\n\n")
		b.WriteString("| PRESENCE | instances | per second | Redis CPU | CPU of all instances | commands | bytes | Redis: cores busy | of these, leases |\n|---|---|---|---|---|---|---|---|---|\n")
		for _, c := range r.Changes {
			fmt.Fprintf(&b, "| %s | %d | %.0f | %.0f µs | %.0f µs | %.1f | %.0f | %.3f | %.3f |\n", c.Presence, c.Instances, c.PerSecond,
				c.RedisCPU, c.CPU, c.Redis.total(), c.Redis.Bytes, c.Lease+c.PerSecond*c.RedisCPU/1e6, c.Lease)
		}
	}
	fmt.Fprintf(&b, "\nOther processes took %.0f %% of the machine's CPU time meanwhile.\n", 100*r.Machine.Others)
	_, err := io.WriteString(w, b.String())
	return err
}
