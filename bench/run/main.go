// Command run measures the server beside stock socket.io on Node and beside a
// bare relay, with sigload. The servers take turns within each scenario, in an
// order that rotates from round to round, each run on a fresh process; ratios
// are between runs of the same round.
//
//	go run ./bench/run                         everything: make bench
//	go run ./bench/run -only 'window 8'        one scenario
//	go run ./bench/run -before /tmp/signald    another build of the server beside this one
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A result is one run of sigload. Report is what it printed.
type result struct {
	Scenario string          `json:"scenario"`
	Server   string          `json:"server"`
	Round    int             `json:"round"`
	Report   json.RawMessage `json:"report"`

	report report
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 3, "rounds")
	only := flags.String("only", "", "regular expression: scenarios to run, by name")
	which := flags.String("servers", "ours,node,bare", "servers to run, comma-separated")
	before := flags.String("before", "", "path of another build of signald, measured as well")
	short := flags.Bool("short", false, "one short round, to see that nothing is lost; its times say nothing")
	out := flags.String("out", "", "file for all figures, as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	if *short {
		*rounds = 1
	}

	root, err := repository(ctx)
	if err != nil {
		return err
	}
	bin, err := os.MkdirTemp("", "signaling-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	servers, err := prepare(ctx, root, bin, strings.Split(*which, ","), *before, stderr)
	if err != nil {
		return err
	}

	var results []result
	start, busy := time.Now(), measure.Busy()
	for round := range *rounds {
		for _, s := range scenarios {
			if !wanted.MatchString(s.name) {
				continue
			}
			for i := range servers {
				server := servers[(i+round)%len(servers)]
				if server.name == "bare" && s.presence {
					continue
				}
				r, err := runLoad(ctx, bin, server, s, *short, stderr)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, server.name, err)
				}
				r.Round = round + 1
				results = append(results, r)
				figure := s.unit.format(s.figure(&r.report))
				if *short {
					figure = "done"
				}
				fmt.Fprintf(stderr, "%4.0f s  round %d  %-32s %-6s %s\n", time.Since(start).Seconds(), r.Round, s.name, server.name, figure)
			}
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no scenario matches %q", *only)
	}

	if *short {
		if n := faults(results); n > 0 {
			return fmt.Errorf("%d messages were lost, reordered, duplicated, altered or refused", n)
		}
		_, err := fmt.Fprintf(stdout, "%d short runs: nothing was lost, reordered, duplicated, altered or refused\n", len(results))
		return err
	}
	t := newTable(results, servers)
	if _, err := io.WriteString(stdout, t.markdown()); err != nil {
		return err
	}
	others := (measure.Busy() - busy).Seconds() / time.Since(start).Seconds() / float64(runtime.NumCPU())
	if _, err := fmt.Fprintf(stdout, "\n%d rounds; figures are medians, ratios medians (lowest–highest) of the rounds'. Other processes took %.0f %% of the machine's CPU time meanwhile.\n", *rounds, 100*others); err != nil {
		return err
	}
	if *out != "" {
		m := machine(ctx)
		m["othersShareOfCPU"] = others
		if err := write(*out, m, *rounds, t, results); err != nil {
			return err
		}
	}
	if n := faults(results); n > 0 {
		return fmt.Errorf("%d messages were lost, reordered, duplicated, altered or refused: the figures are void", n)
	}
	return nil
}

// faults is how much went wrong in all runs together.
func faults(results []result) (n int64) {
	for i := range results {
		n += results[i].report.faults()
	}
	return n
}

// runLoad runs one scenario on a fresh process of a server.
func runLoad(ctx context.Context, bin string, server server, s scenario, short bool, stderr io.Writer) (result, error) {
	p, err := server.start(ctx, stderr)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	args := strings.Fields(s.load)
	if short {
		args = strings.Fields(s.short)
	}
	args = append(args, "-json", "-quiet", "-url", p.url, "-pid", strconv.Itoa(p.cmd.Process.Pid))
	if server.name == "bare" {
		args = append(args, "-raw")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	load := exec.CommandContext(ctx, filepath.Join(bin, "sigload"), args...)
	load.Cancel = func() error { return load.Process.Signal(os.Interrupt) }
	load.WaitDelay = 5 * time.Second
	var complaint bytes.Buffer
	load.Stderr = &complaint
	text, err := load.Output()
	r := result{Scenario: s.name, Server: server.name, Report: text}
	// With faults sigload reports, and ends with 1: they are in the table.
	if json.Unmarshal(text, &r.report) != nil {
		return r, fmt.Errorf("sigload: %w: %s", err, &complaint)
	}
	if s.figure(&r.report) <= 0 && !short {
		return r, fmt.Errorf("sigload measured nothing: %s %s", text, &complaint)
	}
	return r, ctx.Err()
}

// repository is the directory that holds go.mod.
func repository(ctx context.Context) (string, error) {
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(mod))), nil
}

// machine says where the figures are from.
func machine(ctx context.Context) map[string]any {
	version := func(name string, args ...string) string {
		b, err := exec.CommandContext(ctx, name, args...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	cpu := ""
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, cpu, _ = strings.Cut(string(b), "model name")
		cpu, _, _ = strings.Cut(cpu, "\n")
		cpu = strings.TrimLeft(cpu, "\t :")
	}
	return map[string]any{
		"go": runtime.Version(), "node": version("node", "--version"), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		"kernel": version("uname", "-r"), "cpu": cpu, "cores": runtime.NumCPU(),
		"time": time.Now().UTC().Format(time.RFC3339),
	}
}

func write(file string, machine map[string]any, rounds int, t *table, results []result) error {
	b, err := json.MarshalIndent(map[string]any{
		"machine": machine, "rounds": rounds, "table": t.Rows, "results": results,
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
