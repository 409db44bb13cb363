// Package docs tests what the documents say: their commands run, their links
// lead somewhere, their descriptions of the protocol are the server's, and
// their sentences keep the rules for English.
package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// reasons are those for which a block is parsed only, each with what such a
// block contains.
var reasons = map[string]*regexp.Regexp{
	"docker":     regexp.MustCompile(`\bdocker (run|build|compose|inspect)\b`),
	"kubernetes": regexp.MustCompile(`\bkubectl\b`),
	"heroku":     regexp.MustCompile(`\bheroku\b`),
	"railway":    regexp.MustCompile(`\brailway\b`),
	"root":       regexp.MustCompile(`\bsudo\b`),
	"internet":   regexp.MustCompile(`https://github\.com|ACME_|redis\+|rediss://`),
	"slow":       regexp.MustCompile(`\b(go test|make) `),
}

// The ports that documents use. Each page gets free ones instead.
var port = regexp.MustCompile(`\b(3000|3001|3002|3443|3478|3480|5349|6379|6380|8080)\b`)

// Commands that go on until they are stopped: a reader runs them in a terminal of their own.
var (
	server  = regexp.MustCompile(`(^|[ =])(signald|go run \./cmd/signald)( |$)`)
	command = regexp.MustCompile(` (-?(check|health|help|version)|token)\b`)
	serving = regexp.MustCompile(`^(python3 -m http\.server|redis-server|haproxy|node bot\.mjs|python3 bot\.py) ?`)
)

// A script is what bash runs for a page: its blocks in their order, with marks
// between them in the output.
type script struct {
	bash     strings.Builder
	expect   []expectation
	servers  int // that were started so far
	clusters int // of these, with Redis
}

type expectation struct {
	line         int
	command      string
	want         *regexp.Regexp // nil: only that it succeeds
	wantAsQuoted string
}

func (s *script) add(line int, text, want string, compare bool) {
	e := expectation{line: line, command: text, wantAsQuoted: want}
	if compare {
		quoted := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(want)), "…", `[\s\S]*?`)
		e.want = regexp.MustCompile(`^` + quoted + `$`)
	}
	fmt.Fprintf(&s.bash, "echo '@@ %d'\n", len(s.expect))
	s.expect = append(s.expect, e)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		starts := server.MatchString(line) && !command.MatchString(line)
		if (starts || serving.MatchString(line)) && i == len(lines)-1 && !strings.HasSuffix(line, "&") {
			line += " &"
		}
		s.bash.WriteString(line + "\n")
		if starts {
			s.servers++
			if strings.Contains(line, "REDIS_URL=") {
				s.clusters++
			}
			fmt.Fprintf(&s.bash, "await %d %d\n", s.servers, s.clusters)
		}
	}
	fmt.Fprintf(&s.bash, "echo '@@ end'\n")
}

// prelude defines what is other than for a reader: packages of npm are those that
// setup has installed, and a command waits for the server that an earlier one
// has started.
const prelude = `set -eo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true; wait' EXIT
trap 'exit 1' TERM
npm() {
  [ "$1" = install ] && [ -f "$PACKAGES/${2%@*}/package.json" ] && [ $# = 2 ] || { echo "not in test/docs/package.json: $*" >&2; return 1; }
  ln -sfn "$PACKAGES" node_modules
}
curl() { command curl --retry 20 --retry-delay 1 --retry-connrefused "$@"; }
await() { # await SERVERS CLUSTERS: until so many listen, and have joined their cluster
  local tries
  for tries in {1..300}; do
    [ "$(cat log.* 2>/dev/null | grep -c 'msg=listening\|"msg":"listening"')" -ge "$1" ] &&
      [ "$(cat log.* 2>/dev/null | grep -c 'cluster joined')" -ge "$2" ] && return
    sleep 0.1
  done
  echo "no server started" >&2
  return 1
}
`

// wrapper is the command signald, and "go run ./cmd/signald": the binary that
// was built from this source, with its log in a file.
const wrapper = `#!/bin/bash
if [ "${0##*/}" = go ]; then
  [ "$1 $2" = "run ./cmd/signald" ] || { echo "not known here: go $*" >&2; exit 1; }
  shift 2
fi
exec %q "$@" 2>"$(mktemp %q)"
`

func TestCommands(t *testing.T) {
	binary := rig.Binary(t, false)
	packages, err := filepath.Abs("node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(packages); err != nil {
		t.Fatalf("%v: run `make setup`", err)
	}
	for _, name := range pages(t) {
		if slices.Contains([]string{"CONTRIBUTING.md", "docs/PERFORMANCE.md", "docs/RELIABILITY.md", "docs/ARCHITECTURE.md"}, name) {
			continue // about the tests themselves
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ports := make(map[string]string)
			onFreePorts := func(text string) string {
				return port.ReplaceAllStringFunc(text, func(p string) string {
					if ports[p] == "" {
						_, ports[p], _ = net.SplitHostPort(rig.FreeAddr(t))
					}
					return ports[p]
				})
			}
			var s script
			for _, b := range blocks(t, name, readPage(t, name)) {
				prepare(t, &s, name, dir, b, onFreePorts)
			}
			if len(s.expect) > 0 {
				s.run(t, name, dir, binary, packages, onFreePorts("3001"))
			}
		})
	}
}

// prepare checks a block, and adds it to the script where it can run.
func prepare(t *testing.T, s *script, name, dir string, b block, onFreePorts func(string) string) {
	t.Helper()
	where := fmt.Sprintf("%s:%d", name, b.line)
	switch {
	case b.notRun != "":
		reason := reasons[b.notRun]
		if reason == nil || !reason.MatchString(b.text) {
			t.Errorf("%s: %q is no reason not to run this", where, b.notRun)
		}
		if out, err := exec.Command("bash", "-n", "-c", b.text).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", where, err, out)
		}
		t.Logf("%s: not run (%s): %s", where, b.notRun, strings.TrimSpace(b.text))
	case b.file != "":
		if err := os.WriteFile(filepath.Join(dir, b.file), []byte(onFreePorts(b.text)), 0o644); err != nil {
			t.Fatal(err)
		}
	case b.language == "sh":
		s.add(b.line, onFreePorts(b.text), "", false)
	case b.language == "console":
		for i, part := range regexp.MustCompile(`(?m)^\$ `).Split(b.text, -1) {
			line, want, _ := strings.Cut(part, "\n")
			if i == 0 {
				if part != "" {
					t.Errorf("%s: a console begins with a command", where)
				}
				continue
			}
			s.add(b.line, onFreePorts(line), onFreePorts(want), true)
		}
	case b.language == "json":
		if !json.Valid([]byte(b.text)) {
			t.Errorf("%s: not valid JSON", where)
		}
	case b.language == "" || b.language == "text" || b.language == "promql":
	default:
		t.Errorf("%s: nothing is known about blocks of %q without a file", where, b.language)
	}
}

func (s *script) run(t *testing.T, name, dir, binary, packages, port string) {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"signald", "go"} {
		if err := os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, wrapper, binary, filepath.Join(dir, "log.XXXXXX")), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "-c", prelude+s.bash.String())
	bash.Dir = dir
	bash.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + dir, "HOST=127.0.0.1", "PORT=" + port, "PACKAGES=" + packages}
	var errs strings.Builder
	bash.Stderr = &errs
	bash.Cancel = func() error { return bash.Process.Signal(syscall.SIGTERM) }
	bash.WaitDelay = 10 * time.Second
	out, err := bash.Output()
	parts := strings.Split(string(out), "@@ ")
	shown := make(map[string]string)
	for _, part := range parts {
		if number, text, ok := strings.Cut(part, "\n"); ok && number != "end" {
			shown[number] = strings.TrimSpace(text)
		}
	}
	for i, e := range s.expect {
		got, ran := shown[fmt.Sprint(i)]
		if !ran {
			break // the command before it failed
		}
		if e.want != nil && !e.want.MatchString(got) {
			t.Errorf("%s:%d: %s\nshows\n%s\nthe page says\n%s", name, e.line, e.command, got, e.wantAsQuoted)
		}
	}
	if err != nil {
		t.Errorf("%v after\n%s\nstandard error:\n%s", err, s.expect[max(0, len(shown)-1)].command, errs.String())
	}
	if t.Failed() {
		logs, _ := filepath.Glob(filepath.Join(dir, "log.*"))
		for _, file := range logs {
			text, _ := os.ReadFile(file)
			t.Logf("%s:\n%s", filepath.Base(file), text)
		}
	}
}
