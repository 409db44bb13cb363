package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the settings into docs/configuration.md and .env.example")

func TestEverySettingIsInOneGroup(t *testing.T) {
	var grouped, all []string
	for _, g := range groups {
		grouped = append(grouped, g.settings...)
	}
	for _, s := range settings {
		all = append(all, s.name)
	}
	slices.Sort(grouped)
	slices.Sort(all)
	if !slices.Equal(grouped, all) {
		t.Errorf("groups in help.go have\n%q\nsettings in config.go\n%q", grouped, all)
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := run(context.Background(), []string{"-help"}, noEnv, &stdout, &stderr); err != nil || stderr.Len() > 0 {
		t.Fatalf("error %v, standard error %q", err, &stderr)
	}
	help := stdout.String()
	for _, s := range settings {
		line := strings.TrimRight(fmt.Sprintf("  %-24s -%-24s %s", s.name, flagName(s.name), s.value), " ")
		if strings.Count(help, "\n"+line+"\n") != 1 {
			t.Errorf("no line %q", line)
		}
	}
	for line := range strings.Lines(help) {
		if len(line) > 100 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
}

// docs/configuration.md shows what -help shows. -update writes it.
func TestConfigurationPage(t *testing.T) {
	const file, begin, end = "../../docs/configuration.md", "<!-- settings: go test ./cmd/signald -update -->\n", "<!-- end of settings -->\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(page), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s lacks the lines %q and %q", file, begin, end)
	}
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "\n## %s\n\n| variable | flag | default | meaning |\n|---|---|---|---|\n", g.name)
		for _, name := range g.settings {
			s := find(name)
			value := "none"
			if s.value != "" {
				value = "`" + s.value + "`"
			}
			meaning := strings.ReplaceAll(s.usage, "*", `\*`)
			fmt.Fprintf(&b, "| `%s` | `-%s` | %s | %s. |\n", s.name, flagName(s.name), value, strings.ToUpper(meaning[:1])+meaning[1:])
		}
	}
	want := head + begin + b.String() + "\n" + end + tail
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date: run go test ./cmd/signald -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is wrong, how it is said, and that it is said once.
func TestUsageErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		env  environment
		want string
	}{
		{[]string{"-prot", "1"}, nil, "flag provided but not defined: -prot (signald -help lists the settings)"},
		{[]string{"start"}, nil, `unexpected argument "start" (signald -help lists the settings)`},
		{nil, environment{"PORT=http"}, "invalid configuration:\nPORT=\"http\": must be a whole number from 0 to 65535"},
	} {
		var stderr bytes.Buffer
		err := run(context.Background(), tt.args, tt.env, io.Discard, &stderr)
		if err == nil || err.Error() != tt.want || exitCode(err) != 2 || stderr.Len() > 0 {
			t.Errorf("%q, %q: error %v, exit code %d, standard error %q", tt.args, tt.env, err, exitCode(err), &stderr)
		}
	}
}
