package main

import "syscall"

// raiseFileLimit raises the limit of open files for this process and those
// that it starts, as far as it may, and returns what it is then.
func raiseFileLimit(want uint64) (uint64, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	higher := limit
	higher.Cur, higher.Max = max(want, uint64(limit.Max)), max(want, uint64(limit.Max))
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
		return uint64(higher.Cur), nil
	}
	limit.Cur = limit.Max // what everybody may
	return uint64(limit.Cur), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
