package rig

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// A build is the server, built once for all tests of a process, unless a
// variable names one that is built already.
type build struct {
	variable string
	flags    []string

	once   sync.Once
	binary string
	own    string // the directory to remove
	err    error
}

// The builds, with and without the race detector.
var (
	plain = build{variable: "SIGNALD"}
	raced = build{variable: "SIGNALD_RACE", flags: []string{"-race"}}
)

// Binary returns the path of the server's binary.
func Binary(t testing.TB, race bool) string {
	t.Helper()
	b := &plain
	if race {
		b = &raced
	}
	b.once.Do(b.make)
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.binary
}

func (b *build) make() {
	if b.binary = os.Getenv(b.variable); b.binary != "" {
		_, b.err = os.Stat(b.binary)
		return
	}
	if b.own, b.err = os.MkdirTemp("", "signald"); b.err != nil {
		return
	}
	b.binary = filepath.Join(b.own, "signald")
	if runtime.GOOS == "windows" {
		b.binary += ".exe"
	}
	_, file, _, _ := runtime.Caller(0)
	command := exec.Command("go", append(append([]string{"build", "-tags", "zishang", "-o", b.binary}, b.flags...), "./cmd/signald")...)
	command.Dir = filepath.Join(filepath.Dir(file), "..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		b.err = fmt.Errorf("%v: %w\n%s", command, err, out)
	}
}

// Main runs the tests of a package and removes what they built. It is for
// TestMain.
func Main(m *testing.M) {
	code := m.Run()
	Remove()
	os.Exit(code)
}

// MainWithoutLeaks is Main for a package whose tests run side by side, so that none of
// them can tell its own goroutines from others': it fails if any is left at the end.
func MainWithoutLeaks(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		Remove()
		os.Exit(code)
	}))
}

// Remove removes what was built.
func Remove() {
	for _, b := range []*build{&plain, &raced} {
		if b.own != "" {
			_ = os.RemoveAll(b.own) // it is in the system's directory for such things
		}
	}
}
