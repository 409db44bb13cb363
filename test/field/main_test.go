// Package field tests what becomes of unchanged clients when something happens
// to the server, or to the way to it. It runs a table of clients and fates: each
// client must be registered again by itself within ten seconds of the path being
// whole, and then a call must go through.
//
// The short form has short heartbeats and short fates, and is part of make test.
// The long form (-long) has the default heartbeats.
package field

import (
	"flag"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

var (
	long      = flag.Bool("long", false, "use the default heartbeats, and fates of full length")
	only      = flag.String("clients", "", "regular expression for the names of the clients")
	tableFile = flag.String("table", "", "write the table to this file, as Markdown")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// The fates wait for clocks, not for processors.
	if err := flag.Set("test.parallel", "64"); err != nil {
		panic(err)
	}
	if err := rig.RaiseFileLimit(); err != nil {
		fmt.Fprintln(os.Stderr, "limit on open files:", err)
		os.Exit(1)
	}
	rig.Main(m)
}

// either is a length of time in the two forms.
func either(short, whole time.Duration) time.Duration {
	if *long {
		return whole
	}
	return short
}

// start starts a server on an address, with heartbeats as the form wants them.
func start(t *testing.T, addr string, env ...string) *rig.Server {
	t.Helper()
	settings := []string{"PORT=" + port(t, addr), "LOG_LEVEL=info"}
	if !*long {
		settings = append(settings, "PING_INTERVAL=1s", "PING_TIMEOUT=2s")
	}
	return rig.Start(t, append(settings, env...)...)
}

func port(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// pause lets a fate last.
func pause(d time.Duration) { <-time.After(d) }
