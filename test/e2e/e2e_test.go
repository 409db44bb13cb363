// Package e2e holds the contract against the server from outside: the real
// binary, and the real JavaScript client.
package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const root = "../.."

// modes are the ways in which clients reach a server; see modes.mjs.
var modes = []string{"websocket", "polling", "default", "zishang", "cluster"}

// clustered are the cases that run in the mode "cluster", with the two clients
// of each on different instances: those that are about what clients do to each
// other.
var clustered = map[string]bool{
	"ack.test.mjs": true, "binary.test.mjs": true, "bytes.test.mjs": true, "order.test.mjs": true, "presence.test.mjs": true,
	"register.test.mjs": true, "relay.test.mjs": true, "takeover.test.mjs": true,
	"volli.test.mjs": true, "volli-families.test.mjs": true, "volli-mixed.test.mjs": true,
}

func TestContract(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("no node, which runs the real client: run `make setup` (%v)", err)
	}
	if _, err := os.Stat("node_modules/socket.io-client/package.json"); err != nil {
		t.Fatalf("no socket.io-client: run `make setup` (%v)", err)
	}
	cases, err := filepath.Glob("*.test.mjs")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	dependOnSources(t)

	binary := filepath.Join(t.TempDir(), "signald")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-race", "-o", binary, "./cmd/signald")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}

	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			args := []string{"--test", "--test-reporter=spec", "--test-concurrency=4"}
			for _, c := range cases {
				if mode != "cluster" || clustered[c] {
					args = append(args, c)
				}
			}
			run := exec.CommandContext(t.Context(), node, args...)
			run.Env = append(os.Environ(), "MODE="+mode, "SIGNALD="+binary, "NO_COLOR=1")
			if mode == "cluster" {
				run.Env = append(run.Env, "REDIS_URL="+rig.StartRedis(t).URL())
			}
			// node ends its own processes, and they theirs.
			run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
			run.WaitDelay = 10 * time.Second
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("MODE=%s: %v\n%s", mode, err, failures(string(out)))
			}
			t.Logf("%s", out)
		})
	}
}

// failures is the part of node's report that lists what failed, or all of it
// where node did not come so far.
func failures(report string) string {
	if _, failing, ok := strings.Cut(report, "failing tests:"); ok {
		return failing
	}
	return report
}

// dependOnSources looks at all that the outcome depends on, so that go test
// does not take it from its cache after a change there.
func dependOnSources(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "bin") {
			return fs.SkipDir
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
