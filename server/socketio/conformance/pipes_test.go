package main

import (
	"testing"
	"testing/synctest"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/test/rig/pipes"
)

// inBubble runs a test with a suite in a bubble of synctest, where time passes only
// while everybody waits.
func inBubble(t *testing.T, path string, opts socketio.Options, f func(t *testing.T, s *suite)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := pipes.Listen()
		f(t, newSuiteOn(t, p, p.Dial, path, opts))
	})
}
