package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const envFile = "../../.env.example"

// .env.example has every setting with its default, commented out. -update writes it.
func TestEnvFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("# All settings of signald with their defaults. Copy this to .env and uncomment what\n" +
		"# you change. docs/configuration.md explains more. Written by: go test ./cmd/signald -update\n")
	for _, g := range groups {
		fmt.Fprintf(&b, "\n# --- %s ---\n", g.name)
		for _, name := range g.settings {
			s := find(name)
			b.WriteString("\n")
			for _, line := range wrap(s.usage, 86) {
				fmt.Fprintf(&b, "# %s\n", line)
			}
			fmt.Fprintf(&b, "#%s=%s\n", s.name, s.value)
		}
	}
	got, err := os.ReadFile(envFile)
	if err == nil && string(got) == b.String() {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date: run go test ./cmd/signald -update (%v)", envFile, err)
	}
	if err := os.WriteFile(envFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// With every line of .env.example uncommented, nothing changes: each setting is
// there once, with its default.
func TestEnvFileIsTheDefaults(t *testing.T) {
	text, err := os.ReadFile(envFile)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	var env environment
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if !ok || !isSetting(name) {
			continue
		}
		seen[name]++
		if s := find(name); value != s.value {
			t.Errorf("%s=%s is not the default %q", name, value, s.value)
		}
		if strings.ContainsAny(value, " '\"$#") {
			t.Errorf("%s: shells and Docker read %q differently", name, value)
		}
		env = append(env, name+"="+value)
	}
	for _, s := range settings {
		if seen[s.name] != 1 {
			t.Errorf("%s is there %d times", s.name, seen[s.name])
		}
	}
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	define(flags)
	if _, err := load(flags, env); err != nil {
		t.Error(err)
	}
}
