// Package node lets go test run the tests that are written for Node, against
// the real binary. It is for packages in a directory of test.
package node

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// Require fails the test where node is missing, or one of the packages in
// node_modules.
func Require(t *testing.T, packages ...string) {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatalf("no node, which runs these tests: run `make setup` (%v)", err)
	}
	for _, name := range packages {
		if _, err := os.Stat(filepath.Join("node_modules", name, "package.json")); err != nil {
			t.Fatalf("no %s: run `make setup` (%v)", name, err)
		}
	}
}

// Run runs files of tests, all of the directory's where none is named, so many
// at a time, in one process, and with env ("NAME=value") besides this process's.
// It fails the test with what node reports.
func Run(t *testing.T, concurrency int, env []string, files ...string) {
	t.Helper()
	dependOnSources(t)
	if len(files) == 0 {
		var err error
		if files, err = filepath.Glob("*.test.mjs"); err != nil || len(files) == 0 {
			t.Fatalf("no tests: %v", err)
		}
	}
	args := []string{"--test-reporter=spec", filepath.Join("..", "node", "all.mjs"), strconv.Itoa(concurrency)}
	run := exec.CommandContext(t.Context(), "node", append(args, files...)...)
	run.Env = append(append(os.Environ(), "NO_COLOR=1"), env...)
	// node ends its own processes, and they theirs.
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 10 * time.Second
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, failures(string(out)))
	}
	t.Logf("%s", out)
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
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root &&
			(strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules") {
			return fs.SkipDir
		}
		_, err = os.Stat(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
