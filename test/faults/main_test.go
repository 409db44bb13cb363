// Package faults tests what the server does when networks, clients and
// operators do their worst: connections that stall and break, storms of
// takeovers and handshakes, stops under load. The servers are real, and so is
// the network between them and their clients, but for a proxy that spoils it.
package faults

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	if err := rig.RaiseFileLimit(); err != nil {
		fmt.Fprintln(os.Stderr, "limit on open files:", err)
		os.Exit(1)
	}
	rig.Main(m)
}

// engines are those that ENGINE names.
var engines = []string{"native", "zishang"}

// scaled is n, or what the race detector leaves time for.
func scaled(n, underRace int) int {
	if raced {
		return underRace
	}
	return n
}

// start starts a server. What the rig's Start says of settings holds, but that
// the log is short, that the race detector does not sleep before the exit, and
// that a connection's end is announced at once, unless env has RECONNECT_GRACE.
func start(t *testing.T, engine string, env ...string) *rig.Server {
	t.Helper()
	settings := []string{"ENGINE=" + engine, "LOG_LEVEL=info", "GORACE=halt_on_error=1 atexit_sleep_ms=0", "RECONNECT_GRACE=0"}
	return rig.Start(t, append(settings, env...)...)
}

// verifyNoLeaks fails the test if it leaves goroutines behind. It must be
// called first: it looks when all the rest of the clean-up is done.
func verifyNoLeaks(t *testing.T) {
	t.Cleanup(func() {
		goleak.VerifyNone(t,
			// What the proxy's library leaves behind where one toxic closes a link
			// while the one before it is handing data on.
			goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
			goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"))
	})
}

// A base is what a server holds while nobody is connected.
type base struct {
	server            *rig.Server
	goroutines, files int
}

// measureBase lets clients of each family come and go, so that what the server
// starts with its first clients is there, and takes the least of a second.
func measureBase(t *testing.T, s *rig.Server) base {
	t.Helper()
	for _, family := range []rig.Family{rig.Oodaa, rig.Volli} {
		var clients []*rig.Client
		for i := range 8 {
			c := rig.MustDial(t, s.Addr, family)
			if err := c.Register(fmt.Sprint("first ", i)); err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		for _, c := range clients {
			c.Close()
		}
	}
	rig.Eventually(t, "nobody connected", func() bool { stats := s.Stats(); return stats.Clients() == 0 })
	b := base{server: s, goroutines: 1 << 30, files: 1 << 30}
	until := time.Now().Add(time.Second)
	rig.Eventually(t, "a second of nothing", func() bool {
		b.goroutines = min(b.goroutines, s.Stats().Goroutines)
		b.files = min(b.files, s.Files())
		return time.Now().After(until)
	})
	return b
}

// await waits until the server holds no more than it did.
func (b base) await(t *testing.T) {
	t.Helper()
	var stats rig.Stats
	var files int
	defer func() {
		if t.Failed() {
			t.Errorf("%d clients, %d users, %d goroutines, %d files; before: %d goroutines, %d files",
				stats.Clients(), stats.ConnectedUsers, stats.Goroutines, files, b.goroutines, b.files)
		}
	}()
	rig.Eventually(t, "what the server holds is back at its base", func() bool {
		stats, files = b.server.Stats(), b.server.Files()
		return stats.Clients() == 0 && stats.ConnectedUsers == 0 && stats.Goroutines <= b.goroutines && files <= b.files
	})
}
