package field

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A table is how long clients took to be registered again.
type table struct {
	mu     sync.Mutex
	fates  []string
	times  map[string][]time.Duration // by row and fate
	failed map[string]bool
}

// results is the table of this run.
var results = table{times: make(map[string][]time.Duration), failed: make(map[string]bool)}

func cell(row, fate string) string { return row + "\x00" + fate }

func (f *table) add(row, fate string, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.times[cell(row, fate)] = append(f.times[cell(row, fate)], d)
}

func (f *table) fail(row, fate string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed[cell(row, fate)] = true
}

// markdown is the table: median and worst, in seconds.
func (f *table) markdown() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var text strings.Builder
	fmt.Fprintf(&text, "| client | %s |\n|---|%s\n", strings.Join(f.fates, " | "), strings.Repeat("---|", len(f.fates)))
	for _, r := range rows() {
		fmt.Fprintf(&text, "| %s |", r.name)
		for _, fate := range f.fates {
			fmt.Fprintf(&text, " %s |", f.figure(r.name, fate))
		}
		text.WriteString("\n")
	}
	for i, e := range exceptions {
		fmt.Fprintf(&text, "\n%s %s: %s.\n", marks[i], strings.Join(e.clients, "; "), e.why)
	}
	return text.String()
}

var marks = []string{"¹", "²", "³"}

// footnote stands in the place of a figure.
func footnote(why string) string {
	return "–" + marks[slices.IndexFunc(exceptions, func(e exception) bool { return e.why == why })]
}

func (f *table) figure(row, fate string) string {
	times := f.times[cell(row, fate)]
	switch {
	case f.failed[cell(row, fate)]:
		if why := excuse(row, fate); why != "" {
			return footnote(why)
		}
		return "failed"
	case len(times) == 0:
		return ""
	}
	slices.Sort(times)
	middle := (times[(len(times)-1)/2] + times[len(times)/2]) / 2
	return fmt.Sprintf("%.1f / %.1f", middle.Seconds(), times[len(times)-1].Seconds())
}

// publish prints the table, and writes it where the flag says.
func (f *table) publish(t *testing.T) {
	t.Logf("seconds until registered again, median / worst:\n%s", f.markdown())
	if *tableFile == "" {
		return
	}
	if err := os.WriteFile(*tableFile, []byte(f.markdown()), 0o644); err != nil {
		t.Error(err)
	}
}
