package rig

import (
	"errors"
	"syscall"
)

// The live tests need Unix. This is for vet.

const Freeze, Thaw = syscall.SIGTERM, syscall.SIGTERM

func RaiseFileLimit() error { return errors.ErrUnsupported }

func Narrow(string, string, syscall.RawConn) error { return errors.ErrUnsupported }

func NarrowSegments(string, string, syscall.RawConn) error { return errors.ErrUnsupported }
