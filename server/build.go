package server

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Version is the release that is running.
const Version = "1.0.0"

// BuildInfo says what is running.
type BuildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
}

func (b BuildInfo) String() string {
	return fmt.Sprintf("signald %s (revision %s, %s)", b.Version, b.Revision, b.Go)
}

// Build returns what is running. Revision is "unknown" where the binary was
// built without it.
var Build = sync.OnceValue(func() BuildInfo {
	b := BuildInfo{Version: Version, Revision: "unknown", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
})
