//go:build unix

package main

import (
	"fmt"
	"syscall"
	"time"
)

// enoughFiles checks that n connections may be open. Go's runtime has raised
// the limit as far as it may be.
func enoughFiles(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil
	}
	if uint64(n)+32 > uint64(limit.Cur) {
		return fmt.Errorf("%d connections need more open files than the limit of %d (ulimit -Hn)", n, limit.Cur)
	}
	return nil
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
