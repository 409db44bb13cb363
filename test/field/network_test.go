package field

import (
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// networkCut cuts the network between clients and server for a while.
func networkCut(cut func(*link)) func(*testing.T, fate, programs) {
	return func(t *testing.T, f fate, ps programs) {
		addr := rig.FreeAddr(t)
		start(t, addr)
		l := newLink(t, addr)
		where := at(l.addr)
		where.steady = addr
		c := gather(t, ps, rows(), where)
		cut(l)
		pause(either(5*time.Second, 10*time.Second))
		l.mend()
		c.back(f.name, time.Now())
		c.arrived()
	}
}

// arrived checks that what was sent while disconnected has come, since its
// peers were there throughout.
func (c *crowd) arrived() {
	c.t.Helper()
	for _, p := range c.pairs {
		if !p.row.Eager {
			continue
		}
		a := p.a.state()
		if len(a.emitted) == 0 && a.losses > 0 || len(a.errors) > 0 {
			c.t.Errorf("%s: sent %d relays while disconnected, got errors %q", p.row.name, len(a.emitted), a.errors)
		}
	}
}
