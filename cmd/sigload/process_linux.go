package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// processCPU is the time that a process has spent on CPUs so far, threads that
// have ended included.
func processCPU(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3): the clock of a process, here CPUCLOCK_SCHED.
	clock := ^uintptr(pid)<<3 | 2
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clock, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return 0, fmt.Errorf("process %d: there is none, or its CPU time cannot be read: %w", pid, errno)
	}
	return time.Duration(ts.Nano()), nil
}

// processMemory is the resident memory of a process in bytes.
func processMemory(pid int) (int64, error) {
	// The figure in status is an estimate since Linux 6.2.
	for _, source := range [][2]string{{"smaps_rollup", "\nRss:"}, {"status", "\nVmRSS:"}} {
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + source[0])
		if err != nil {
			continue
		}
		if _, rest, ok := bytes.Cut(b, []byte(source[1])); ok {
			var kb int64
			if _, err := fmt.Sscan(string(rest[:min(len(rest), 32)]), &kb); err == nil {
				return kb << 10, nil
			}
		}
	}
	return 0, fmt.Errorf("process %d: its memory cannot be read", pid)
}

// preciseWaits makes waitUntil as exact as the system can: the runtime's own
// timers are late by up to 1 ms. The caller's goroutine gets a thread of its
// own, and the runtime one more processor, as waiting occupies one. The result
// ends that.
func preciseWaits() (end func()) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	const setTimerSlack = 29
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0)
	processors := runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	return func() { runtime.GOMAXPROCS(processors) }
}

func waitUntil(at int64) {
	for left := at - now(); left > 0; left = at - now() {
		ts := syscall.NsecToTimespec(left)
		_ = syscall.Nanosleep(&ts, nil)
	}
}
