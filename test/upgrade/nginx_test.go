package upgrade

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

//go:embed testdata/nginx.conf
var configuration string

// startNginx starts an nginx in front of two instances.
func startNginx(t *testing.T, first, second string) *rig.Proxy {
	t.Helper()
	return rig.StartNginx(t, configuration, "$FIRST", first, "$SECOND", second)
}

// requests counts what nginx was asked, once it has ended: in all, those that an
// instance refused and the other one took, and those that nobody took.
func requests(nginx *rig.Proxy) (all, moved, failed int) {
	for line := range strings.Lines(nginx.Read("access.log")) {
		status, tries, _ := strings.Cut(strings.TrimSpace(line), " ")
		all++
		switch {
		case status != "101":
			failed++
		case strings.Contains(tries, ","):
			moved++
		}
	}
	return all, moved, failed
}
