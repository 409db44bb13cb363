package measure

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// CPU is the time that the process has spent on CPUs so far, in its threads
// that have ended too.
func (p *Process) CPU() (time.Duration, error) {
	// The clock of a process, see clock_getcpuclockid(3).
	clock := ^uintptr(p.cmd.Process.Pid)<<3 | 2
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, fmt.Errorf("CPU time of %s: %w", p.name, errno)
	}
	return time.Duration(ts.Nano()), nil
}
