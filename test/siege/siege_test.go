//go:build linux

// Package siege attacks a server with its default limits, from one address and
// from a hundred, beside users who behave: nobody of them may lose a message or
// be cut, whatever the others do, and memory stays within what the configuration
// gives. SIEGE_TIME is how long it takes (20 s), SIEGE_P99 what the users' 99th
// percentile may be, on a machine that does nothing else.
package siege

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) { rig.MainWithoutLeaks(m) }

const (
	pairs    = 50
	interval = 500 * time.Millisecond
	// perAttack is how many connections an attacker attacks over.
	perAttack = 4
	hundred   = 100
	// maxPercent is how much of a core a connection of an attacker's may take.
	maxPercent = 5

	maxHeld = 256 << 20
	// perConnection is what a connection of an attacker's may take besides: its
	// goroutine and its buffers while it is HTTP, and the kernel's part of it.
	perConnection = 128 << 10
)

func setting(t *testing.T, name string, def time.Duration) time.Duration {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return def
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSiege(t *testing.T) {
	besiege(t, "ws://", strategies, setting(t, "SIEGE_TIME", 20*time.Second))
}

// TestSiegeTLS attacks a server that does TLS by itself, in half of the time.
func TestSiegeTLS(t *testing.T) {
	cert, key := rig.Certificate(t)
	besiege(t, "wss://", tlsStrategies, setting(t, "SIEGE_TIME", 20*time.Second)/2, "TLS_CERT_FILE="+cert, "TLS_KEY_FILE="+key)
}

func besiege(t *testing.T, scheme string, strategies []strategy, duration time.Duration, env ...string) {
	t.Helper()
	if os.Getenv("SIEGE_P99") == "" {
		t.Parallel() // nothing is measured
	}
	s := rig.Start(t, append(env, "LOG_LEVEL=info", "RATE_LIMIT=100", "MESSAGE_RATE=50",
		"MAX_HELD_BYTES="+strconv.Itoa(maxHeld))...)
	w := watch(t, scheme, s.Addr)
	var healthy []*rig.Pair
	for i := range pairs {
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 0, byte(i+1))}}
		healthy = append(healthy, rig.StartPairWith(t, d, scheme+s.Addr, "pair-"+strconv.Itoa(i), interval))
	}
	besieged := &siege{t: t, server: s, victim: w.id, toll: new(toll)}
	// Half of the time one address with one strategy after the other, half of it a
	// hundred addresses with all of them at once.
	each := duration / time.Duration(2*len(strategies))
	limit := setting(t, "SIEGE_P99", 0)
	idle := besieged.attack(each, nil)
	for i, strategy := range strategies {
		a := besieged.attack(each, []arm{{strategy, net.IPv4(127, 0, 1, byte(i+1)), perAttack}})
		spent := 100 * (a.cpu - idle.cpu).Seconds() / each.Seconds()
		t.Logf("%-42s %8.1f kB in, %8.0f µs of CPU (%.1f %% of a core)", strategy.name, float64(a.bytes)/1e3,
			float64((a.cpu - idle.cpu).Microseconds()), spent)
		if limit > 0 && spent > perAttack*maxPercent {
			t.Errorf("%s: a connection takes more than %d %% of a core", strategy.name, maxPercent)
		}
	}
	a := besieged.attack(duration/2, everybody(strategies))
	t.Logf("a hundred addresses: %.1f MB in, %v of CPU in %v", float64(a.bytes)/1e6, a.cpu, duration/2)

	var sent int
	var worst time.Duration
	for _, p := range healthy {
		report := p.Stop()
		sent += report.Sent
		worst = max(worst, report.P99)
		if limit > 0 && report.P99 > limit {
			t.Errorf("healthy pair: %v", report)
		}
	}
	t.Logf("%d messages of %d healthy pairs, the worst p99 %v", sent, pairs, worst)
	w.stop()
	// The account is exceeded by an eighth before anybody is ended for it, and the
	// collector may take as much again.
	const base = 64 << 20
	most := besieged.toll.most.Load()
	peak, bound := peak(t, s.PID()), 2*(base+maxHeld/8*9+most*perConnection)
	t.Logf("%d MB resident at the peak, %d MB allowed, with %d connections of attackers", peak>>20, bound>>20, most)
	if peak > bound {
		t.Error("too much")
	}
}

// everybody is a hundred addresses, with all strategies.
func everybody(strategies []strategy) (arms []arm) {
	for i := range hundred {
		arms = append(arms, arm{strategies[i%len(strategies)], net.IPv4(127, 0, 2, byte(i+1)), 1})
	}
	return arms
}

// TestMemoryOfAContainer attacks a server that has the settings of one of the
// deployment files, on a machine that is busy besides, so that the collector comes
// late. The container would be killed past its limit.
func TestMemoryOfAContainer(t *testing.T) {
	const container = 512 << 20
	s := rig.Start(t, "LOG_LEVEL=info", "RATE_LIMIT=100", "MESSAGE_RATE=50",
		"GOMEMLIMIT=460MiB", "MAX_HELD_BYTES="+strconv.Itoa(container/4))
	victim := watch(t, "ws://", s.Addr)
	ctx, rest := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for ctx.Err() == nil {
			}
		})
	}
	besieged := &siege{t: t, server: s, victim: victim.id, toll: new(toll)}
	a := besieged.attack(setting(t, "SIEGE_TIME", 20*time.Second)/2, everybody(strategies))
	rest()
	busy.Wait()
	victim.stop()
	peak := peak(t, s.PID())
	t.Logf("%.1f MB in, %d MB resident at the peak, %d MB allowed", float64(a.bytes)/1e6, peak>>20, container>>20)
	if peak > container {
		t.Error("too much")
	}
}

// A siege attacks a server, time and again.
type siege struct {
	t      *testing.T
	server *rig.Server
	victim string
	toll   *toll
}

// An arm is one strategy, from one address, over so many connections.
type arm struct {
	strategy strategy
	from     net.IP
	links    int
}

// A cost is what an attack cost the server.
type cost struct {
	bytes int64
	cpu   time.Duration
}

func (s *siege) attack(d time.Duration, arms []arm) cost {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	sent, before := s.toll.sent.Load(), cpu(s.t, s.server.PID())
	var wg sync.WaitGroup
	for _, arm := range arms {
		a := &attacker{ctx: ctx, addr: s.server.Addr, from: arm.from.String(), victim: s.victim, toll: s.toll}
		for range arm.links {
			wg.Go(func() {
				again := time.NewTicker(100 * time.Millisecond)
				defer again.Stop()
				for ctx.Err() == nil {
					arm.strategy.run(a)
					select {
					case <-ctx.Done():
					case <-again.C:
					}
				}
			})
		}
	}
	<-ctx.Done()
	spent := cost{s.toll.sent.Load() - sent, cpu(s.t, s.server.PID()) - before}
	wg.Wait()
	return spent
}

// cpu is the processor time of a process.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}

// peak is the most that a process had resident.
func peak(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// A watcher is a user who reads 1 Mbit/s, with a small receive buffer, so that
// the kernel does not hide how slow that is.
type watcher struct {
	t    *testing.T
	id   string
	link *link
	done chan error
}

const watchRate = 125_000 // bytes per second

func watch(t *testing.T, scheme, addr string) *watcher {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 1, 1)}, Control: rig.Narrow}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if scheme == "wss://" {
		nc = tls.Client(nc, trusting)
	}
	t.Cleanup(func() { nc.Close() })
	w := &watcher{t: t, id: "watcher", link: &link{Conn: nc, r: bufio.NewReaderSize(nc, 4<<10), toll: new(toll)}, done: make(chan error, 1)}
	if _, _, err := w.link.request("GET", socketIO, wsHeaders, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.link.Write(append(text("40"), text(fmt.Sprintf(register, w.id))...)); err != nil {
		t.Fatal(err)
	}
	go func() { w.done <- w.read() }()
	return w
}

// read reads frames at the rate, and answers the heartbeat.
func (w *watcher) read() error {
	start, got := time.Now(), 0
	take := func(p []byte) error {
		n, err := io.ReadFull(w.link.r, p)
		got += n
		if ahead := time.Duration(float64(got)/watchRate*float64(time.Second)) - time.Since(start); ahead > 0 {
			time.Sleep(ahead) // its pace
		}
		return err
	}
	var head [8]byte
	chunk := make([]byte, 4<<10)
	for {
		if err := take(head[:2]); err != nil {
			return err
		}
		op, n := head[0]&0xf, int(head[1])
		if extra := map[int]int{126: 2, 127: 8}[n]; extra > 0 {
			if err := take(head[:extra]); err != nil {
				return err
			}
			n = 0
			for _, b := range head[:extra] {
				n = n<<8 | int(b)
			}
		}
		ping := op == 1 && n == 1
		for n > 0 {
			part := chunk[:min(n, len(chunk))]
			if err := take(part); err != nil {
				return err
			}
			n -= len(part)
		}
		if ping && chunk[0] == '2' {
			if _, err := w.link.Write(text("3")); err != nil {
				return err
			}
		}
		if op == 8 {
			return fmt.Errorf("closed by the server")
		}
	}
}

// stop fails the test if the watcher was cut.
func (w *watcher) stop() {
	w.t.Helper()
	select {
	case err := <-w.done:
		w.t.Errorf("the watcher, who reads 1 Mbit/s, was cut: %v", err)
	default:
		w.link.Close()
		<-w.done
	}
}
