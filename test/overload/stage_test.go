// Package overload attacks real servers with slow readers and floods, each
// while a healthy pair goes on talking. What must hold: whoever is well-behaved
// goes on, every relay is delivered or answered, memory stays within what the
// configuration says, and when it is over nothing is left.
package overload

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	// What attacks gets threads of its own, so that the kernel, and not the
	// order of goroutines, decides when the healthy pair has its turn.
	runtime.GOMAXPROCS(16)
	rig.MainWithoutLeaks(m)
}

// both has the tests run on the library engine too, for which no figures are
// promised.
var both = flag.Bool("both", false, "test both engines")

// engines runs a test on the default engine, or on both.
func engines(t *testing.T, test func(t *testing.T, engine string)) {
	t.Run("native", func(t *testing.T) { test(t, "native") })
	if *both {
		t.Run("zishang", func(t *testing.T) { test(t, "zishang") })
	}
}

// waits marks a test that waits most of the time, for what the server ends after ten
// seconds. It runs beside others, unless what the healthy pair feels is measured.
func waits(t *testing.T) {
	if os.Getenv("OVERLOAD_P99") == "" {
		t.Parallel()
	}
}

// A stage is a server with a healthy pair on it, and all that attacks it.
type stage struct {
	t       *testing.T
	server  *rig.Server
	pair    *rig.Pair
	enemies []io.Closer

	goroutines, files int   // with nobody connected
	rss               int64 // likewise, bytes
}

// How often each of the pair sends: often enough for a p99 that says something,
// and, where the server limits that, within the default MESSAGE_RATE.
const (
	pairInterval    = 2 * time.Millisecond
	limitedInterval = 25 * time.Millisecond
)

// begin starts a server with the settings env, and the pair.
func begin(t *testing.T, engine string, env ...string) *stage {
	t.Helper()
	s := &stage{t: t}
	// A failed test ends here, a passed one has done it all in end.
	t.Cleanup(s.dismiss)
	s.server = rig.Start(t, append([]string{"ENGINE=" + engine, "LOG_LEVEL=info"}, env...)...)
	s.warmUp()
	interval := pairInterval
	if slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "MESSAGE_RATE=") }) {
		interval = limitedInterval
	}
	s.pair = rig.StartPair(t, s.server.Addr, "pair", interval)
	return s
}

// warmUp has the server start what it starts for its first clients only, and
// takes down what it holds when these have gone.
func (s *stage) warmUp() {
	s.t.Helper()
	for i := range 4 {
		c, err := rig.Dial(s.server.Addr, rig.Family(i%2), nil)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := c.Register("first"); err != nil {
			s.t.Fatal(err)
		}
		c.Close()
	}
	rig.Eventually(s.t, "an empty server", func() bool { return s.clients() == 0 })
	s.files = s.server.Files()
	s.goroutines = s.stats().Goroutines
	s.rss = s.stats().Memory.RSS
	// From here on, VmHWM is the peak of what is resident (proc(5), clear_refs).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.server.PID()), []byte("5"), 0); err != nil {
		s.t.Fatal(err)
	}
}

// peak is the most bytes that the server had resident since the beginning.
func (s *stage) peak() int64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.server.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest + " -")[0], 10, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kb << 10
}

// settle waits until so many clients, all of them registered, are left.
func (s *stage) settle(clients int) {
	s.t.Helper()
	rig.EventuallyWithin(s.t, 2*rig.Patience, fmt.Sprintf("%d clients left", clients), func() bool {
		stats := s.stats()
		return stats.Clients() == clients && stats.ConnectedUsers == clients
	})
}

// end ends the attack, checks how the pair has fared and that nothing is left,
// and stops the server.
func (s *stage) end() {
	s.t.Helper()
	report := s.pair.Stop()
	s.t.Logf("healthy pair: %v; peak %.1f MB, %.1f MB before", report, mb(s.peak()), mb(s.rss))
	limit := starvation
	if strict := os.Getenv("OVERLOAD_P99"); strict != "" {
		var err error
		if limit, err = time.ParseDuration(strict); err != nil {
			s.t.Fatalf("OVERLOAD_P99: %v", err)
		}
	}
	if report.P99 > limit {
		s.t.Errorf("the healthy pair's p99 is %v, over %v", report.P99, limit)
	}
	s.dismiss()
	var left string
	// The library engine's timers may sleep for a ping interval and timeout.
	deadline := time.Now().Add(2 * rig.Patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		stats, files := s.stats(), s.server.Files()
		if stats.Clients() == 0 && stats.ConnectedUsers == 0 && stats.Goroutines <= s.goroutines && files <= s.files {
			break
		}
		left = fmt.Sprintf("%d clients, %d users, %d goroutines (%d before), %d files (%d before)",
			stats.Clients(), stats.ConnectedUsers, stats.Goroutines, s.goroutines, files, s.files)
		if time.Now().After(deadline) {
			s.t.Errorf("left over: %s", left)
			break
		}
		<-tick.C
	}
	s.server.Stop()
}

// dismiss closes all that attacks.
func (s *stage) dismiss() {
	for _, c := range s.enemies {
		_ = c.Close()
	}
	s.enemies = nil
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// watchers numbers the addresses from which the tests look at servers, so that
// no limit on addresses ever meets them.
var watchers atomic.Uint32

// get asks the server for a path, as somebody new.
func (s *stage) get(path string) (status int, body []byte, err error) {
	n := watchers.Add(1)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}}
	client := http.Client{Timeout: rig.Patience, Transport: &http.Transport{DisableKeepAlives: true, DialContext: dialer.DialContext}}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+s.server.Addr+path, nil)
	if err != nil {
		return 0, nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

// clients is how many are connected.
func (s *stage) clients() int {
	s.t.Helper()
	stats := s.stats()
	return stats.Clients()
}

// stats are the server's figures.
func (s *stage) stats() rig.Stats {
	s.t.Helper()
	var stats rig.Stats
	status, body, err := s.get("/stats")
	if err == nil {
		err = json.Unmarshal(body, &stats)
	}
	if err != nil || status != http.StatusOK {
		s.t.Fatalf("/stats: %d, %v", status, err)
	}
	return stats
}
