package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

// checks is what the checks of all platforms share.
type checks struct {
	sources *sources
	digests memo[string]
	record  *record
}

func newChecks() (*checks, error) {
	record, err := openRecord()
	if err != nil {
		return nil, err
	}
	return &checks{sources: newSources(), record: record}, nil
}

// check checks the packages that have not passed as they are.
func (c *checks) check(p platform) error {
	list, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypesSizes | packages.NeedModule | packages.NeedForTest,
		Dir:        "..",
		Env:        append(os.Environ(), "GOOS="+p.system, "GOARCH="+p.processor, "CGO_ENABLED=0", "GOWORK=off"),
		BuildFlags: []string{"-tags=zishang"}, // both engines
		Tests:      true,
	}, "./...")
	if err != nil {
		return err
	}
	if n := packages.PrintErrors(list); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	keys, err := c.keys(p, list)
	if err != nil {
		return err
	}
	var changed []*packages.Package
	for _, pkg := range list {
		if c.record.has(keys[pkg]) {
			c.record.add(keys[pkg])
		} else {
			changed = append(changed, pkg)
		}
	}
	if err := c.read(changed); err != nil {
		return err
	}
	graph, err := checker.Analyze(vet.Suite, changed, nil)
	if err != nil {
		return err
	}
	found := make(map[*packages.Package]int)
	total := 0
	for action := range graph.All() {
		if !action.IsRoot {
			continue
		}
		if action.Err != nil {
			return action.Err
		}
		found[action.Package] += len(action.Diagnostics)
		total += len(action.Diagnostics)
	}
	for _, pkg := range changed {
		if found[pkg] == 0 {
			c.record.add(keys[pkg])
		}
	}
	if total > 0 {
		if err := graph.PrintText(os.Stderr, 0); err != nil {
			return err
		}
		return fmt.Errorf("%d findings", total)
	}
	return nil
}

// read gives packages, and all that they import, their types.
func (c *checks) read(list []*packages.Package) error {
	var failed []error
	packages.Visit(list, nil, func(pkg *packages.Package) { // imports first
		for _, imported := range pkg.Imports {
			if imported.Types == nil {
				return // its error is enough
			}
		}
		if err := c.sources.read(pkg); err != nil {
			failed = append(failed, err)
		}
	})
	return errors.Join(failed...)
}
