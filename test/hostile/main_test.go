// Package hostile attacks real servers over raw sockets, while two well-behaved
// users talk through them, and looks at what is left behind.
package hostile

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// verifyNoLeaks fails the test if it leaves a goroutine of its own.
func verifyNoLeaks(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
}
