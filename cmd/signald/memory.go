package main

import (
	"bytes"
	"math"
	"os"
	"strconv"
	"strings"
)

// fallbackMemory is what a machine is taken to have whose memory is not known.
const fallbackMemory = 1 << 30

// usableMemory is how much memory the process may use, in bytes: the limit of its
// control group, else what the machine has.
func usableMemory() int {
	memory := fallbackMemory
	if meminfo, err := os.ReadFile("/proc/meminfo"); err == nil { // proc(5)
		if kilobytes, ok := memTotal(meminfo); ok {
			memory = kilobytes << 10
		}
	}
	for _, file := range controlGroups("/proc/self/cgroup") {
		if limit, ok := readLimit(file); ok {
			memory = min(memory, limit)
		}
	}
	return memory
}

func memTotal(meminfo []byte) (kilobytes int, ok bool) {
	for line := range bytes.Lines(meminfo) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == "MemTotal:" {
			kilobytes, err := strconv.Atoi(string(fields[1]))
			return kilobytes, err == nil
		}
	}
	return 0, false
}

// controlGroups are the files that may have the limit of the process's control
// group, of either version (cgroups(7)). In a container its own group is the root.
func controlGroups(self string) []string {
	files := []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
	groups, err := os.ReadFile(self)
	if err != nil {
		return files
	}
	for line := range strings.Lines(string(groups)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			for ; len(path) > 1; path = path[:strings.LastIndexByte(path, '/')] {
				files = append(files, "/sys/fs/cgroup"+path+"/memory.max")
			}
		}
	}
	return files
}

func readLimit(file string) (int, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	limit, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return int(limit), err == nil && limit <= math.MaxInt // not "max"
}
