package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/go/packages"
)

// The key of a package changes with its files, with what it imports and with the
// platform, and with nothing else.
func TestKeys(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packageOf := func(name string, imports ...*packages.Package) *packages.Package {
		pkg := &packages.Package{ID: name, GoFiles: []string{filepath.Join(dir, name)}, Imports: map[string]*packages.Package{}}
		for _, imported := range imports {
			pkg.Imports[imported.ID] = imported
		}
		return pkg
	}
	base := packageOf("base.go")
	above := packageOf("above.go", base)
	beside := packageOf("beside.go")
	keys := func(p platform) map[*packages.Package]string {
		t.Helper()
		keys, err := new(checks).keys(p, []*packages.Package{above, beside})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}

	linux := platform{"linux", "arm64"}
	for _, name := range []string{"base.go", "above.go", "beside.go"} {
		write(name, "package x")
	}
	before := keys(linux)
	if other := keys(platform{"darwin", "arm64"}); other[beside] == before[beside] {
		t.Error("two platforms have the same key")
	}
	write("base.go", "package x // changed")
	after := keys(linux)
	if after[base] == before[base] || after[above] == before[above] {
		t.Error("a change has left its package, or one above it, as it was")
	}
	if after[beside] != before[beside] {
		t.Error("a change has touched a package beside it")
	}
	if err := os.Remove(filepath.Join(dir, "base.go")); err != nil {
		t.Fatal(err)
	}
	if _, err := new(checks).keys(linux, []*packages.Package{above}); err == nil {
		t.Error("a file that is missing is no error")
	}
}
