package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

// keys are hashes of all that the checks of packages depend on: this program, the
// platform, their files and the keys of what they import.
func (c *checks) keys(p platform, list []*packages.Package) (map[*packages.Package]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := c.digest(self)
	if err != nil {
		return nil, err
	}
	keys := make(map[*packages.Package]string)
	var failed []error
	packages.Visit(list, nil, func(pkg *packages.Package) { // imports first
		h := sha256.New()
		fmt.Fprintln(h, program, p, pkg.ID)
		if pkg.Module != nil {
			fmt.Fprintln(h, pkg.Module.GoVersion)
		}
		for _, name := range slices.Concat(pkg.GoFiles, pkg.OtherFiles, pkg.IgnoredFiles) {
			content, err := c.digest(name)
			if err != nil {
				failed = append(failed, err)
			}
			fmt.Fprintln(h, filepath.Base(name), content)
		}
		for _, path := range slices.Sorted(maps.Keys(pkg.Imports)) {
			fmt.Fprintln(h, path, keys[pkg.Imports[path]])
		}
		keys[pkg] = hex.EncodeToString(h.Sum(nil))
	})
	return keys, errors.Join(failed...)
}

// digest is the hash of a file, which is read once for all platforms.
func (c *checks) digest(name string) (string, error) {
	return c.digests.get(name, func() (string, error) {
		content, err := os.ReadFile(name)
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:]), err
	})
}
