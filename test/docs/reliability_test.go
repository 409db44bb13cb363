package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var (
	namesTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	isTest    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
)

// TestReliabilityNamesTests holds that each test exists that a promise names.
func TestReliabilityNamesTests(t *testing.T) {
	exists := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if matched, _ := filepath.Match("*_test.go", entry.Name()); !matched {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range isTest.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := namesTest.FindAllStringSubmatch(readPage(t, "docs/RELIABILITY.md"), -1)
	if len(named) < 20 {
		t.Fatalf("RELIABILITY.md names %d tests only", len(named))
	}
	for _, m := range named {
		if !exists[m[1]] {
			t.Errorf("RELIABILITY.md names %s, which does not exist", m[1])
		}
	}
}
