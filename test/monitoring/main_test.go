// Package monitoring tests what tells an operator how the server is: the rules
// and dashboards in deploy, against real servers and a real Prometheus, and
// docs/runbooks.md and docs/logs.md, against the source.
package monitoring

import (
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v2"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

const (
	root       = "../.."
	prometheus = root + "/deploy/prometheus"
	grafana    = root + "/deploy/grafana"
	runbooks   = root + "/docs/runbooks.md"
	logs       = root + "/docs/logs.md"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// readYAML reads a file into v, which must have a field for everything in it.
func readYAML(t *testing.T, path string, v any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(read(t, path)), v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// unmarshal reads what v has fields for.
func unmarshal(t *testing.T, text string, v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(text), v); err != nil {
		t.Fatal(err)
	}
}
