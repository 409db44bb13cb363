// Command scale measures what connections and users cost one instance: memory
// and heartbeats of idle connections, and a join and a leave by how many users
// are there. It starts everything itself. Settings of its environment go to
// the server:
//
//	go run ./bench/scale                       everything: make scale
//	go run ./bench/scale -out docs/bench/scale.json
//	GOFLAGS=-tags=zishang ENGINE=zishang go run ./bench/scale
//	go run ./bench/scale -short                whether it works; its figures say little
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

func main() { measure.Main("scale", run) }

// A report is everything that was measured.
type report struct {
	Machines  map[string]*measure.Machine `json:"machines"` // by part: idle, join, watch or live
	FileLimit uint64                      `json:"fileLimit"`
	Idle      []idleCost                  `json:"idle"`
	Joins     []joinCost                  `json:"joins"`
	Watched   []watchedCost               `json:"watched"`
	Live      *liveCost                   `json:"live"`
}

// former is what a file holds already, of which only one part is measured anew.
func former(file string) (r report, err error) {
	r.Machines = make(map[string]*measure.Machine)
	b, err := os.ReadFile(file)
	if file == "" || errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// bound ends everything that takes longer than it may.
const bound = 8 * time.Minute

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("scale", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := flags.String("only", "", "idle, join, watch or live; empty is all")
	short := flags.Bool("short", false, "few connections for a short time; the figures say little")
	out := flags.String("out", "", "file for all figures, as JSON; with -only the other part of it stays")
	if err := flags.Parse(args); err != nil {
		return err
	}
	idle, beats := []int{1000, 5000, 20000}, 50*time.Second
	users, joiners := []int{100, 500, 1000, 2000, 5000}, 50
	watched, watchers := []int{100, 5000}, []int{0, 10, 100, 1000}
	live, liveJoins, liveTime := 19000, 200, time.Minute
	if *short {
		idle, beats = []int{100, 300}, time.Second
		users, joiners = []int{20, 50}, 5
		watched, watchers = []int{20, 50}, []int{0, 5}
		live, liveJoins, liveTime = 200, 10, time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	r, err := former(*out)
	if err != nil {
		return err
	}
	if r.FileLimit, err = raiseFileLimit(uint64(idle[len(idle)-1]) + spareFiles); err != nil {
		return err
	}
	_, bin, err := measure.Build(ctx, "./cmd/signald", "./cmd/sigload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)

	if *only == "" || *only == "idle" {
		r.Machines["idle"] = measure.ThisMachine(ctx)
		if r.Idle, err = measureIdle(ctx, bin, within(idle, r.FileLimit, stderr), beats, stderr); err != nil {
			return fmt.Errorf("idle connections: %w", err)
		}
		r.Machines["idle"].End()
	}
	if *only == "" || *only == "join" {
		r.Joins, r.Machines["join"] = nil, measure.ThisMachine(ctx)
		for _, presence := range []string{"all", "none"} {
			joins, err := measureJoins(ctx, bin, presence, users, joiners, stderr)
			if err != nil {
				return fmt.Errorf("joins with PRESENCE=%s: %w", presence, err)
			}
			r.Joins = append(r.Joins, joins...)
		}
		r.Machines["join"].End()
	}
	if *only == "" || *only == "watch" {
		r.Machines["watch"] = measure.ThisMachine(ctx)
		if r.Watched, err = measureWatched(ctx, bin, watched, watchers, joiners, stderr); err != nil {
			return fmt.Errorf("joins with PRESENCE=watched: %w", err)
		}
		r.Machines["watch"].End()
	}
	if *only == "" || *only == "live" {
		r.Machines["live"] = measure.ThisMachine(ctx)
		c, err := measureLive(ctx, bin, within([]int{live + liveJoins}, r.FileLimit, stderr)[0]-liveJoins, liveJoins, liveTime, stderr)
		if err != nil {
			return fmt.Errorf("clients that watch: %w", err)
		}
		r.Live = &c
		r.Machines["live"].End()
	}
	if err := r.print(stdout); err != nil {
		return err
	}
	if *out != "" {
		return measure.Save(*out, &r)
	}
	return nil
}

// spareFiles is how many files a process needs besides its connections.
const spareFiles = 64

// within bounds numbers of connections by how many files a process may open.
func within(connections []int, limit uint64, stderr io.Writer) []int {
	most := int(limit-spareFiles) / 100 * 100
	for i, n := range connections {
		if n > most {
			fmt.Fprintf(stderr, "%d connections instead of %d: no process may open more than %d files (ulimit -Hn)\n", most, n, limit)
			return append(connections[:i:i], most)
		}
	}
	return connections
}

// startServer starts the server with settings besides those that every run has.
func startServer(ctx context.Context, bin string, stderr io.Writer, settings ...string) (*measure.Process, error) {
	p, err := measure.Start(ctx, measure.Program{
		Name: "signald",
		Args: []string{filepath.Join(bin, "signald")},
		Settings: append([]string{
			"HOST=127.0.0.1", "NODE_ENV=production", "LOG_LEVEL=error",
			"RATE_LIMIT=0", "MESSAGE_RATE=0", "REGISTER_TIMEOUT=1h", "MAX_CONNECTIONS=0",
		}, settings...),
	}, stderr)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

func (r *report) print(w io.Writer) error {
	var b strings.Builder
	if len(r.Idle) > 0 {
		b.WriteString("| idle connections | resident memory | for each | for each of the last | CPU to open one | heartbeat CPU for 1,000 a minute |\n|---|---|---|---|---|---|\n")
		for _, c := range r.Idle {
			fmt.Fprintf(&b, "| %d | %.1f MB | %.2f KB | %.2f KB | %.0f µs | %.1f ms |\n",
				c.Connections, float64(c.Bytes)/1e6, c.BytesEach/1e3, c.BytesEachOfLast/1e3, c.OpenCPU, c.HeartbeatCPU)
		}
	}
	if len(r.Joins) > 0 {
		b.WriteString("\n| PRESENCE | users there | CPU of a join | bytes of a join | CPU of a leave | bytes of a leave | CPU of a join among many at once | bytes |\n|---|---|---|---|---|---|---|---|\n")
		for _, c := range r.Joins {
			fmt.Fprintf(&b, "| %s | %d | %.0f µs | %.0f | %.0f µs | %.0f | %.0f µs | %.0f |\n", c.Presence, c.Users,
				c.Join.CPU, c.Join.Bytes, c.Leave.CPU, c.Leave.Bytes, c.Together.CPU, c.Together.Bytes)
		}
	}
	if len(r.Watched) > 0 {
		b.WriteString("\n| PRESENCE=watched: users there | watchers | CPU of a join | bytes of a join | CPU of a leave | bytes of a leave | CPU of a join among many at once | bytes |\n|---|---|---|---|---|---|---|---|\n")
		for _, c := range r.Watched {
			fmt.Fprintf(&b, "| %d | %d | %.0f µs | %.0f | %.0f µs | %.0f | %.0f µs | %.0f |\n", c.Users, c.Watchers,
				c.Join.CPU, c.Join.Bytes, c.Leave.CPU, c.Leave.Bytes, c.Together.CPU, c.Together.Bytes)
		}
	}
	if c := r.Live; c != nil {
		fmt.Fprintf(&b, "\n%d clients, each of which watches %d users; %d of these join and %d leave a second, for %.0f s: %.2f cores, %.2f MB a second to clients, %.0f MB resident. %d relays: p50 %.2f ms, p99 %.2f ms, max %.1f ms.\n",
			c.Clients, c.Watching, c.Joins, c.Joins, c.Seconds, c.Cores, c.Bytes/1e6, float64(c.Memory)/1e6, c.Relays, c.P50, c.P99, c.Max)
	}
	for _, part := range slices.Sorted(maps.Keys(r.Machines)) {
		fmt.Fprintf(&b, "\n%s: other processes took %.0f %% of the machine's CPU time meanwhile.\n", part, 100*r.Machines[part].Others)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
