package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// variants are the servers, loads the measurements.
var (
	variants = []string{"gobwas", "gws", "gws -batch", "gorilla", "gorilla -batch", "coder", "coder -batch"}
	loads    = []string{"-size 200 -window 1", "-size 200 -window 8", "-size 3000 -window 1", "-idle 3000"}
)

// columns of the table: of which load, and which figure.
var columns = []struct {
	title, format string
	load          int
	figure        func(result) float64
}{
	{"200 B, window 1", "%.1f µs", 0, func(r result) float64 { return r.CPU }},
	{"200 B, window 8", "%.1f µs", 1, func(r result) float64 { return r.CPU }},
	{"3000 B, window 1", "%.1f µs", 2, func(r result) float64 { return r.CPU }},
	{"idle, held", "%.1f KB", 3, func(r result) float64 { return r.Held }},
	{"idle, as it stands", "%.1f KB", 3, func(r result) float64 { return r.RSS }},
}

// runBench measures each load on each variant in turn, round after round,
// each on a fresh server, and prints the medians.
func runBench(ctx context.Context, rounds, readBuf int) error {
	results := make(map[string][]result)
	for round := range rounds {
		for _, load := range loads {
			for i := range variants {
				variant := variants[(i+2*round)%len(variants)]
				res, err := measure(ctx, variant, load, readBuf)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", variant, load, err)
				}
				fmt.Fprintf(os.Stderr, "round %d  %-20s %-16s %+v\n", round+1, load, variant, res)
				results[variant+load] = append(results[variant+load], res)
			}
		}
	}
	fmt.Print("| library |")
	for _, c := range columns {
		fmt.Printf(" %s |", c.title)
	}
	fmt.Print("\n|---|", strings.Repeat("---|", len(columns)), "\n")
	for _, v := range variants {
		fmt.Printf("| %s |", v)
		for _, c := range columns {
			median := func(v string) float64 { return medianOf(results[v+loads[c.load]], c.figure) }
			best := median(v)
			for _, other := range variants {
				best = min(best, median(other))
			}
			fmt.Printf(" "+c.format+" (%.2f) |", median(v), median(v)/best)
		}
		fmt.Println()
	}
	return nil
}

func medianOf(rs []result, figure func(result) float64) float64 {
	var fs []float64
	for _, r := range rs {
		fs = append(fs, figure(r))
	}
	slices.Sort(fs)
	return fs[len(fs)/2]
}

// measure starts a server, puts the load on it from another process, and ends
// the server.
func measure(ctx context.Context, variant, load string, readBuf int) (res result, err error) {
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	args := append([]string{"-rbuf", strconv.Itoa(readBuf), "-lib"}, strings.Fields(variant)...)
	server := exec.CommandContext(ctx, self, args...)
	server.Stderr = os.Stderr
	stdout, err := server.StdoutPipe()
	if err != nil {
		return res, err
	}
	if err := server.Start(); err != nil {
		return res, err
	}
	defer server.Wait()
	defer server.Process.Kill()
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return res, fmt.Errorf("server did not start: %w", err)
	}
	args = append(strings.Fields(load), "-load", "-addr", strings.TrimSpace(addr), "-pid", strconv.Itoa(server.Process.Pid))
	client := exec.CommandContext(ctx, self, args...)
	client.Stderr = os.Stderr
	out, err := client.Output()
	if err != nil {
		return res, fmt.Errorf("load: %w", err)
	}
	return res, json.Unmarshal(out, &res)
}
