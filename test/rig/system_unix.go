//go:build unix

package rig

import (
	"errors"
	"syscall"
)

// Freeze and Thaw are signals that stop a process and let it go on.
const (
	Freeze = syscall.SIGSTOP
	Thaw   = syscall.SIGCONT
)

// RaiseFileLimit allows this process, and those that it starts, as many open
// files as they may have.
func RaiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// Narrow makes the receive buffer of a new socket small. It is for net.Dialer's
// Control.
func Narrow(_, _ string, c syscall.RawConn) error {
	return set(c, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10)
}

// NarrowSegments does the same, and has what arrives come in small segments.
func NarrowSegments(network, address string, c syscall.RawConn) error {
	return errors.Join(Narrow(network, address, c), set(c, syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536))
}

func set(c syscall.RawConn, level, option, value int) error {
	var failed error
	err := c.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), level, option, value) })
	return errors.Join(err, failed)
}
