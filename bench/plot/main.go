// Command plot draws the figures in docs/bench as pictures for
// docs/PERFORMANCE.md: plain SVG, which follows the light or dark setting of
// whoever looks at it.
//
//	go run ./bench/plot          all plots: make plots
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("plot", flag.ContinueOnError)
	flags.SetOutput(stderr)
	data := flags.String("data", "docs/bench", "where scale.json, cluster.json and simulate.json are")
	out := flags.String("out", "docs", "where the pictures go")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var f figures
	for name, into := range map[string]any{"scale.json": &f.scale, "cluster.json": &f.cluster, "simulate.json": &f.simulation} {
		b, err := os.ReadFile(filepath.Join(*data, name))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, into); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for name, p := range f.plots() {
		picture, err := p.svg()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(*out, name+".svg"), picture, 0o644); err != nil {
			return err
		}
	}
	return nil
}
