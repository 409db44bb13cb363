//go:build !linux

package main

import (
	"errors"
	"time"
)

var errNotLinux = errors.New("-pid needs Linux's /proc")

func processCPU(int) (time.Duration, error) { return 0, errNotLinux }
func processMemory(int) (int64, error)      { return 0, errNotLinux }
func waitUntil(at int64)                    { time.Sleep(time.Duration(at - now())) }
func preciseWaits() (end func())            { return func() {} }
