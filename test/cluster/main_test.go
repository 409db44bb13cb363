// Package cluster tests several instances that are one server, from outside:
// real instances, a real Redis, and a network between them that can be spoiled.
package cluster

import (
	"flag"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

var (
	chaosTime = flag.Duration("chaos", 20*time.Second, "how long TestChaos makes faults")
	long      = flag.Bool("long", false, "all failovers of Redis and all that it may refuse")
	chaosSeed = flag.Int64("seed", 0, "what TestChaos draws its faults from; 0: the clock")
)

func TestMain(m *testing.M) { rig.Main(m) }
