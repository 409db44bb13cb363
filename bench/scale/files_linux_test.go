package main

import (
	"syscall"
	"testing"
)

func TestFileLimitIsAsHighAsItMayBe(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) }()
	got, err := raiseFileLimit(1)
	if err != nil || got != before.Max {
		t.Errorf("%d, %v", got, err)
	}
}
