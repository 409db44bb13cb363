//go:build !linux

package measure

import (
	"errors"
	"time"
)

// CPU is the time that the process has spent on CPUs so far. It is known on
// Linux only.
func (p *Process) CPU() (time.Duration, error) {
	return 0, errors.New("the CPU time of another process is read on Linux only")
}

// Busy is not known.
func Busy() time.Duration { return 0 }
