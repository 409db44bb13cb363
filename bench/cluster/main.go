// Command cluster measures what several instances on one Redis cost: two of
// this server beside two of stock socket.io with its Redis adapter, and what
// presence costs Redis. It starts all of them itself, redis-server included.
//
//	go run ./bench/cluster                         everything: make bench-cluster
//	go run ./bench/cluster -out docs/bench/cluster.json
//	go run ./bench/cluster -short                  whether it works; its times say nothing
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

func main() { measure.Main("cluster", run) }

// A report is everything that was measured.
type report struct {
	Machine  *measure.Machine `json:"machine"`
	Rounds   int              `json:"rounds"`
	Pairs    int              `json:"pairs"`
	Relays   []relayResult    `json:"relays"`
	Table    []row            `json:"table"`
	Presence []presenceCost   `json:"presence"`
	Changes  []changesCost    `json:"changes"`
}

// A relayResult is one run of relays.
type relayResult struct {
	Server string `json:"server"` // ours or node
	Window int    `json:"window"`
	Bytes  int    `json:"bytes"`
	Round  int    `json:"round"`
	relayCost
}

// bound ends everything that takes longer than it may.
const bound = 15 * time.Minute

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 5, "rounds of relays")
	pairs := flags.Int("pairs", 50, "pairs of clients")
	only := flags.String("only", "", "relay, presence or changes; empty is all")
	short := flags.Bool("short", false, "one short round; its times say nothing")
	out := flags.String("out", "", "file for all figures, as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	relays := relayRun{pairs: *pairs, size: 200, warmup: time.Second, duration: 3 * time.Second, warm: 20000}
	users, joiners, quiet, most := []int{100, 500, 1000, 2000}, 20, 3*time.Second, 4
	changes, crowds := changesRun{perSecond: 550, duration: 15 * time.Second}, []int{10, 30, 50}
	if *short {
		*rounds, relays.pairs = 1, 5
		relays.warmup, relays.duration, relays.warm = 200*time.Millisecond, 500*time.Millisecond, 0
		users, joiners, quiet, most = []int{20}, 3, time.Second, 2
		changes, crowds = changesRun{perSecond: 20, duration: 2 * time.Second}, []int{3}
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r := report{Machine: measure.ThisMachine(ctx), Rounds: *rounds, Pairs: relays.pairs}
	r.Machine.Versions(ctx)
	root, bin, err := measure.Build(ctx, "./cmd/signald", "./cmd/sigload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	p := programs{root, bin}
	if *only == "" || *only == "relay" {
		if err := measure.InstallPackages(ctx, filepath.Join(root, "bench", "node"), stderr); err != nil {
			return err
		}
		if err := p.relays(ctx, *rounds, relays, &r, stderr); err != nil {
			return err
		}
	}
	if *only == "" || *only == "presence" {
		for _, presence := range []string{"all", "watched", "none"} {
			for n := 1; n <= most; n++ {
				err := p.presence(ctx, n, presence, users, joiners, quiet, func(c presenceCost) {
					r.Presence = append(r.Presence, c)
					fmt.Fprintf(stderr, "PRESENCE=%s, %d instances, %d users: a join is %.1f commands and %.0f bytes at Redis\n",
						presence, n, c.Users, c.Join.total(), c.Join.Bytes)
				}, stderr)
				if err != nil {
					return fmt.Errorf("PRESENCE=%s, %d instances: %w", presence, n, err)
				}
			}
		}
	}
	if *only == "" || *only == "changes" {
		for _, presence := range []string{"watched", "none"} {
			for _, n := range crowds {
				c, err := p.changes(ctx, n, presence, changes, stderr)
				if err != nil {
					return fmt.Errorf("PRESENCE=%s, %d instances: %w", presence, n, err)
				}
				r.Changes = append(r.Changes, c)
				fmt.Fprintf(stderr, "PRESENCE=%s, %d instances, %.0f joins and leaves a second: each is %.0f µs of Redis and %.0f µs of all instances\n",
					presence, n, c.PerSecond, c.RedisCPU, c.CPU)
			}
		}
	}
	r.Machine.End()
	if err := r.print(stdout); err != nil {
		return err
	}
	if *out != "" {
		if err := measure.Save(*out, &r); err != nil {
			return err
		}
	}
	for _, relay := range r.Relays {
		if relay.Faults > 0 {
			return fmt.Errorf("%s, window %d: %d messages were lost, reordered or altered", relay.Server, relay.Window, relay.Faults)
		}
	}
	return nil
}

// relays runs all rounds. The servers take turns in who is first.
func (p programs) relays(ctx context.Context, rounds int, run relayRun, r *report, stderr io.Writer) error {
	for round := range rounds {
		for _, window := range windows {
			run.window = window
			for i := range servers {
				server := servers[(i+round)%len(servers)]
				var s *system
				var err error
				if server == "ours" {
					s, err = p.ours(ctx, 2, "all", stderr)
				} else {
					s, err = p.node(ctx, 2, stderr)
				}
				if err != nil {
					return err
				}
				c, err := s.relay(ctx, run)
				s.stop()
				if err != nil {
					return fmt.Errorf("%s, window %d: %w", server, window, err)
				}
				r.Relays = append(r.Relays, relayResult{server, window, run.size, round + 1, c})
				fmt.Fprintf(stderr, "round %d  window %d  %-4s  %.1f µs, Redis %.1f µs, %.2f commands, %.0f relays/s\n",
					round+1, window, server, c.CPU, c.RedisCPU, c.Commands, c.PerSecond)
			}
		}
	}
	r.Table = table(r.Relays)
	return nil
}

var (
	servers = []string{"ours", "node"}
	windows = []int{1, 8}
)
