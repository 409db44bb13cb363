package server

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// What the linker sets in releases and images:
//
//	-ldflags "-X github.com/oodaa/signaling/server.version=1.2.3 -X …revision=0123abc"
var version, revision string

// current is the version of a build that nothing else is known about: the
// release that the source will be.
const current = "1.0.0"

// BuildInfo says what is running.
type BuildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func (b BuildInfo) String() string {
	return fmt.Sprintf("signald %s (revision %s, %s)", b.Version, b.Revision, b.Go)
}

// Build returns what is running: what the linker was told, else what Go has
// recorded about the module and its repository. Revision is "unknown" where
// neither knows it.
var Build = sync.OnceValue(func() BuildInfo {
	var module, commit string
	if info, ok := debug.ReadBuildInfo(); ok {
		module, commit = recorded(info)
	}
	return BuildInfo{
		Version:  cmp.Or(version, module, current),
		Revision: cmp.Or(revision, commit, "unknown"),
		Go:       runtime.Version(),
	}
})

// recorded is the version of a binary that "go install …@version" has built, and
// the commit of one that was built in a clone. The revision of the former is
// part of its version where that has one.
func recorded(info *debug.BuildInfo) (module, commit string) {
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	if v, ok := strings.CutPrefix(info.Main.Version, "v"); ok && commit == "" {
		module = v
	}
	return module, commit
}
