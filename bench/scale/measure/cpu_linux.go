package measure

import (
	"fmt"
	"os"
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

// Busy is the time that the CPUs have spent, but not on this process and its
// children that have ended.
func Busy() (d time.Duration) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	var user, nice, system, idle, wait, irq, softirq, steal int64 // ticks, see proc_stat(5)
	if _, err := fmt.Sscanf(string(b), "cpu %d %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq, &steal); err != nil {
		return 0
	}
	d = time.Duration(user+nice+system+irq+softirq+steal) * 10 * time.Millisecond
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			d -= time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return d
}
