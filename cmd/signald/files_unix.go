//go:build unix

package main

import (
	"math"
	"syscall"
)

// openFiles is how many files and connections the process may have open, 0 if
// there is no limit.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) >= math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
