package server

import (
	"runtime/debug"
	"testing"
)

func TestRecorded(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123abc"}}
	for name, tt := range map[string]struct {
		info           debug.BuildInfo
		module, commit string
	}{
		"go install at a version":  {debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "1.2.3", ""},
		"go build in a clone":      {debug.BuildInfo{Main: debug.Module{Version: "v1.2.4-0.2026"}, Settings: commit}, "", "0123abc"},
		"go build -buildvcs=false": {debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if module, commit := recorded(&tt.info); module != tt.module || commit != tt.commit {
				t.Errorf("version %q, commit %q", module, commit)
			}
		})
	}
}
