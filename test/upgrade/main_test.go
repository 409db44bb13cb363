// Package upgrade tests what clients notice of a deploy: instances behind a real
// nginx are replaced one after the other while users talk to each other.
package upgrade

import (
	"fmt"
	"os"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	if err := rig.RaiseFileLimit(); err != nil {
		fmt.Fprintln(os.Stderr, "limit on open files:", err)
		os.Exit(1)
	}
	rig.Main(m)
}
