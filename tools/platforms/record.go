package main

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A record holds the keys of the packages that passed when they were checked last.
type record struct {
	file   string
	former map[string]bool
	mu     sync.Mutex
	passed map[string]bool
}

func openRecord() (*record, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	r := &record{
		file:   filepath.Join(cache, "oodaa-signaling", "vetted"),
		former: make(map[string]bool),
		passed: make(map[string]bool),
	}
	text, err := os.ReadFile(r.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		r.former[strings.TrimSpace(line)] = true
	}
	return r, nil
}

func (r *record) has(key string) bool { return r.former[key] }

func (r *record) add(key string) {
	r.mu.Lock()
	r.passed[key] = true
	r.mu.Unlock()
}

// save forgets the keys that no package had any more.
func (r *record) save() error {
	dir := filepath.Dir(r.file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(dir, "vetted-")
	if err != nil {
		return err
	}
	defer os.Remove(fresh.Name()) // unless it was renamed
	_, err = io.WriteString(fresh, strings.Join(slices.Sorted(maps.Keys(r.passed)), "\n")+"\n")
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), r.file)
}
