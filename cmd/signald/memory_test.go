package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMemoryLimits(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for content, want := range map[string]int{"536870912\n": 512 << 20, "max\n": 0, "": 0, "-1\n": 0} {
		write(content)
		if got, ok := readLimit(file); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d, %v", content, got, ok)
		}
	}
	if _, ok := readLimit(file + "-missing"); ok {
		t.Error("a file that is missing has a limit")
	}
	write("12:memory:/x\n0::/system.slice/signald.service\n")
	want := []string{"/sys/fs/cgroup/system.slice/signald.service/memory.max", "/sys/fs/cgroup/system.slice/memory.max"}
	if got := controlGroups(file); !slices.Equal(got[2:], want) {
		t.Errorf("%q", got)
	}
	if kilobytes, ok := memTotal([]byte("MemTotal:        8054872 kB\nMemFree: 1 kB\n")); !ok || kilobytes != 8054872 {
		t.Errorf("%d, %v", kilobytes, ok)
	}
	if memory := usableMemory(); memory < 1<<20 {
		t.Errorf("%d bytes are usable", memory)
	}
}
