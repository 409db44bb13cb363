// Package upgrade tests what clients notice of a deploy: instances behind a real
// nginx are replaced one after the other while users talk to each other.
package upgrade

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	if err := raiseFileLimit(); err != nil {
		fmt.Fprintln(os.Stderr, "limit on open files:", err)
		os.Exit(1)
	}
	rig.Main(m)
}

// raiseFileLimit allows this process, and those that it starts, as many open
// files as they may have.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
