//go:build unix

package server

import (
	"syscall"
	"time"
)

// processorTime is how many seconds of processor time this process has used; 0
// where the system does not say.
func processorTime() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}
