// Command platforms runs go vet's checks on the repository, tests included, for
// each system and each processor that developers work on; with -all, for each
// pair of them.
//
// go vet itself compiles all dependencies for each platform first, which takes
// more than a minute of processor time. This only reads them.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

type platform struct{ system, processor string }

var (
	usual  = []platform{{"linux", "arm64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"freebsd", "amd64"}}
	others = []platform{{"linux", "amd64"}, {"darwin", "amd64"}, {"windows", "arm64"}, {"freebsd", "arm64"}}
)

func main() {
	all := flag.Bool("all", false, "check every pair of system and processor")
	flag.Parse()
	list := usual
	if *all {
		list = append(list, others...)
	}
	failed := false
	for _, p := range list {
		if err := p.check(); err != nil {
			fmt.Fprintf(os.Stderr, "%s/%s: %v\n", p.system, p.processor, err)
			failed = true
		}
		runtime.GC() // a platform takes hundreds of megabytes
	}
	if failed {
		os.Exit(1)
	}
}

func (p platform) check() error {
	list, err := packages.Load(&packages.Config{
		Mode:       packages.LoadAllSyntax | packages.NeedModule,
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
	graph, err := checker.Analyze(vet.Suite, list, nil)
	if err != nil {
		return err
	}
	found := 0
	for action := range graph.All() {
		if !action.IsRoot {
			continue
		}
		if action.Err != nil {
			return action.Err
		}
		found += len(action.Diagnostics)
	}
	if found > 0 {
		if err := graph.PrintText(os.Stderr, 0); err != nil {
			return err
		}
		return fmt.Errorf("%d findings", found)
	}
	return nil
}
