// Command run measures the server beside stock socket.io on Node and on Bun, and
// beside a bare relay, with sigload; and its TLS handshakes beside nginx's, with
// openssl. The servers take turns within each scenario, in an order that rotates from
// round to round, each run on a fresh process; ratios are between runs of the same
// round.
//
//	go run ./bench/run                         everything: make bench
//	go run ./bench/run -only 'window 8'        one scenario
//	go run ./bench/run -before /tmp/signald    another build of the server beside this one
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oodaa/signaling/bench/scale/measure"
)

func main() { measure.Main("bench", run) }

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
	which := flags.String("servers", "ours,node,bun,bare,nginx", "servers to run, comma-separated")
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

	root, bin, err := measure.Build(ctx, "./cmd/signald", "./cmd/sigload", "./bench/bare")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	if err := certify(ctx, bin); err != nil {
		return err
	}
	servers, err := prepare(ctx, root, bin, strings.Split(*which, ","), *before, stderr)
	if err != nil {
		return err
	}

	var results []result
	start, m := time.Now(), measure.ThisMachine(ctx)
	for round := range *rounds {
		for _, s := range scenarios {
			if !wanted.MatchString(s.name) || s.once && round > 0 || *short && s.short == "" {
				continue
			}
			for i := range servers {
				server := servers[(i+round)%len(servers)]
				if !s.measures(server.Name) {
					continue
				}
				r, err := measureOne(ctx, bin, server, s, *short, stderr)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", s.name, server.Name, err)
				}
				r.Round = round + 1
				results = append(results, r)
				figure := s.unit.format(s.figure(&r.report))
				if *short {
					figure = "done"
				}
				fmt.Fprintf(stderr, "%4.0f s  round %d  %-32s %-6s %s\n", time.Since(start).Seconds(), r.Round, s.name, server.Name, figure)
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
	m.End()
	t := newTable(results, servers)
	if _, err := io.WriteString(stdout, t.markdown()); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "\n%d rounds; figures are medians, ratios medians (lowest–highest) of the rounds'. Other processes took %.0f %% of the machine's CPU time meanwhile.\n", *rounds, 100*m.Others); err != nil {
		return err
	}
	if *out != "" {
		m.Versions(ctx)
		all := map[string]any{"machine": m, "rounds": *rounds, "table": t.Rows, "results": results}
		if err := measure.Save(*out, all); err != nil {
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

// A method measures a server without sigload.
type method func(context.Context, measure.Program, scenario, io.Writer) (result, error)

// measureOne runs one scenario on a server.
func measureOne(ctx context.Context, bin string, server measure.Program, s scenario, short bool, stderr io.Writer) (result, error) {
	if s.tls {
		server.Fixed = append(slices.Clip(server.Fixed),
			"TLS_CERT_FILE="+filepath.Join(bin, certFile), "TLS_KEY_FILE="+filepath.Join(bin, keyFile))
	}
	if s.method != nil {
		return s.method(ctx, server, s, stderr)
	}
	return runLoad(ctx, bin, server, s, short, stderr)
}

// runLoad runs one scenario on a fresh process of a server.
func runLoad(ctx context.Context, bin string, server measure.Program, s scenario, short bool, stderr io.Writer) (result, error) {
	p, err := measure.Start(ctx, server, stderr)
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	args := strings.Fields(s.load)
	if short {
		args = strings.Fields(s.short)
	}
	scheme := "http"
	if s.tls {
		scheme = "https"
	}
	args = append(args, "-json", "-quiet", "-insecure", "-url", scheme+"://"+p.Addr, "-pid", strconv.Itoa(p.PID()))
	if server.Name == "bare" {
		args = append(args, "-raw")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	load := exec.CommandContext(ctx, filepath.Join(bin, "sigload"), args...)
	load.Cancel = func() error { return load.Process.Signal(os.Interrupt) }
	load.WaitDelay = 5 * time.Second
	var complaint bytes.Buffer
	load.Stderr = &complaint
	text, err := load.Output()
	r := result{Scenario: s.name, Server: server.Name, Report: text}
	// With faults sigload reports, and ends with 1: they are in the table.
	if json.Unmarshal(text, &r.report) != nil {
		return r, fmt.Errorf("sigload: %w: %s", err, &complaint)
	}
	if s.figure(&r.report) <= 0 && !short {
		return r, fmt.Errorf("sigload measured nothing: %s %s", text, &complaint)
	}
	return r, ctx.Err()
}
