// Handshake measures how many TLS handshakes a server does in a second of its
// processor's time: full ones, one connection for each. Run it against this server
// and another one with the same certificate, such as nginx:
//
//	handshake -addr 127.0.0.1:3443 -pid "$(pgrep -d, signald)"
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:3443", "the server")
	pids := flag.String("pid", "", "process ids of the server, comma-separated")
	clients := flag.Int("clients", 8, "handshakes at a time")
	duration := flag.Duration("duration", 5*time.Second, "how long to measure")
	classic := flag.Bool("classic", false, "offer X25519 alone, without a post-quantum key exchange")
	flag.Parse()
	if err := run(*addr, strings.Split(*pids, ","), *clients, *duration, *classic); err != nil {
		fmt.Fprintln(os.Stderr, "handshake:", err)
		os.Exit(1)
	}
}

func run(addr string, pids []string, clients int, duration time.Duration, classic bool) error {
	config := &tls.Config{InsecureSkipVerify: true, SessionTicketsDisabled: true}
	if classic {
		config.CurvePreferences = []tls.CurveID{tls.X25519}
	}
	before, err := cpu(pids)
	if err != nil {
		return err
	}
	var done atomic.Int64
	var used atomic.Pointer[tls.ConnectionState]
	var all sync.WaitGroup
	failed := make(chan error, clients)
	end := time.Now().Add(duration)
	for range clients {
		all.Go(func() {
			for time.Now().Before(end) {
				c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", addr, config)
				if err != nil {
					failed <- err
					return
				}
				state := c.ConnectionState()
				used.Store(&state)
				_ = c.NetConn().(*net.TCPConn).SetLinger(0) // or the ports run out
				_ = c.NetConn().Close()
				done.Add(1)
			}
		})
	}
	all.Wait()
	after, err := cpu(pids)
	if err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
	}
	n, spent := done.Load(), after-before
	state := used.Load()
	fmt.Printf("%s, %s, %s: %d handshakes, %.0f µs of the server's processor time each, %.0f a second and core\n",
		tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), state.CurveID,
		n, float64(spent.Microseconds())/float64(n), float64(n)/spent.Seconds())
	return nil
}

// cpu is the processor time that the processes have had (proc_pid_stat(5)).
func cpu(pids []string) (time.Duration, error) {
	const tick = time.Second / 100
	var sum time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			return 0, err
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		for _, f := range fields[11:13] { // utime and stime
			n, err := strconv.Atoi(f)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}
