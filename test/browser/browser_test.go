// Package browser holds what the pages do in a real browser, against the real
// binary.
package browser

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// updating means that the pictures of the README are to be made anew. They
// change a little each time.
var updating = os.Getenv("UPDATE_SCREENSHOTS") != ""

// browsers are the names under which Chromium is installed; the variable
// CHROMIUM names another one.
var browsers = []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"}

func TestPages(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatalf("no node, which drives the browser: run `make setup` (%v)", err)
	}
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat("node_modules/" + name + "/package.json"); err != nil {
			t.Fatalf("no %s: run `make setup` (%v)", name, err)
		}
	}
	chromium := findChromium()
	if chromium == "" {
		t.Fatal("no chromium: run `make setup` as root, install Debian's package chromium, or name one in CHROMIUM")
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
	if updating {
		// The picture is to show the memory that the server needs.
		build = exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/signald")
	}
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}

	args := append([]string{"--test", "--test-reporter=spec", "--test-concurrency=2"}, cases...)
	run := exec.CommandContext(t.Context(), node, args...)
	run.Env = append(os.Environ(), "SIGNALD="+binary, "CHROMIUM="+chromium, "SCREENSHOTS="+screenshots(t), "NO_COLOR=1")
	// node ends its own processes, and they theirs.
	run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
	run.WaitDelay = 10 * time.Second
	out, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, failures(string(out)))
	}
	t.Logf("%s", out)
}

// screenshots is where pictures go: those of the README into docs, others nowhere.
func screenshots(t *testing.T) string {
	if !updating {
		return t.TempDir()
	}
	docs, err := filepath.Abs(filepath.Join(root, "docs"))
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func findChromium() string {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
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
