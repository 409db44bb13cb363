package field

import (
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

func stopped(s *rig.Server) { s.Stop() }
func killed(s *rig.Server)  { s.Kill() }

// restart ends a server and starts another one at its address.
func restart(end func(*rig.Server), engine string, rows func() []*row) func(*testing.T, fate, programs) {
	return func(t *testing.T, f fate, ps programs) {
		addr := rig.FreeAddr(t)
		first := start(t, addr, "ENGINE="+engine)
		c := gather(t, ps, rows(), at(addr))
		began := time.Now()
		end(first)
		t.Logf("the server ended within %v", time.Since(began).Round(time.Millisecond))
		start(t, addr, "ENGINE="+engine)
		c.back(f.name, time.Now())
	}
}

// serverPaused stops a server's process for a while.
func serverPaused(t *testing.T, f fate, ps programs) {
	addr := rig.FreeAddr(t)
	s := start(t, addr)
	c := gather(t, ps, rows(), at(addr))
	s.Signal(rig.Freeze)
	pause(either(5*time.Second, 30*time.Second))
	s.Signal(rig.Thaw)
	c.back(f.name, time.Now())
}
