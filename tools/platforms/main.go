// Command platforms runs go vet's checks on the repository, tests included, for
// each system and each processor that developers work on; with -all, for each
// pair of them.
//
// go vet itself compiles all dependencies for each platform first, which takes
// minutes of processor time. This reads only what they declare. A package that
// has passed is checked again once anything it is made of has changed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
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
	if err := run(list); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(list []platform) error {
	checks, err := newChecks()
	if err != nil {
		return err
	}
	failures := make([]error, len(list))
	var running sync.WaitGroup
	for i, p := range list {
		running.Go(func() {
			if err := checks.check(p); err != nil {
				failures[i] = fmt.Errorf("%s/%s: %w", p.system, p.processor, err)
			}
		})
	}
	running.Wait()
	return errors.Join(append(failures, checks.record.save())...)
}
