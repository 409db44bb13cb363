package field

import (
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// TestIdleBehindProxies has clients connect, upgrade, call and be idle for longer
// than the proxy's timeout for silent connections, and call again. Only
// heartbeats keep them connected.
func TestIdleBehindProxies(t *testing.T) {
	t.Parallel() // with the table
	ps := startPrograms(t)
	for _, p := range []struct {
		name  string
		front front
	}{
		{"nginx", nginx},
		{"nginx without proxy_http_version", plainNginx},
		{"haproxy", haproxy},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			addr := rig.FreeAddr(t)
			settings := []string{"PORT=" + port(t, addr), "LOG_LEVEL=info", "TRUSTED_PROXIES=1"}
			timeout, idle := "60s", 75*time.Second
			if !*long { // a twelfth
				settings = append(settings, "PING_INTERVAL=2s")
				timeout, idle = "5s", 6250*time.Millisecond
			}
			s := rig.Start(t, settings...)
			c := gather(t, ps, rows(), at(p.front(t, addr, addr, timeout).Addr))
			polling := 0
			for _, one := range c.all() {
				if len(one.spec.Transports) == 1 && one.spec.Transports[0] == "polling" {
					polling++
				}
			}
			rig.Eventually(t, "upgrades", func() bool { return s.Stats().Connections.SocketIO.Polling == polling })
			lost := c.watch()
			pause(idle)
			c.callAll(time.Now().Add(limit))
			if ids := lost(); len(ids) > 0 {
				t.Errorf("connections ended: %s", strings.Join(ids, ", "))
			}
		})
	}
}
