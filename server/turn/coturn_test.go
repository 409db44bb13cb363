package turn

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// startCoturn runs Debian's coturn on 127.0.0.1 with the secret, and returns
// its address.
func startCoturn(t *testing.T) string {
	t.Helper()
	rig.Require(t, "turnserver")
	udp, tcp, err := listenBoth(loopback, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := udp.LocalAddr().String()
	port := addrPort(udp.LocalAddr()).Port()
	udp.Close()
	tcp.Close()

	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "turnserver", "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1",
		"--listening-port="+strconv.Itoa(int(port)), "--use-auth-secret", "--static-auth-secret="+secret,
		"--realm=coturn.example.com", "--allow-loopback-peers", "--no-tls", "--no-dtls", "--no-cli", "--relay-threads=1",
		"--verbose", "--log-file=stdout", "--pidfile="+filepath.Join(dir, "pid"), "--userdb="+filepath.Join(dir, "db"))
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			fmt.Fprintln(&log, lines.Text())
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait() // it was told to end
		if t.Failed() {
			t.Logf("coturn said:\n%s", &log)
		}
	})
	eventually(t, "coturn listens", func() bool {
		conn, err := net.Dial("tcp", at)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return at
}

// What clients are told is good for a TURN server that is not ours.
func TestCoturnTakesOurCredentials(t *testing.T) {
	at := startCoturn(t)
	told := func(secret, user string, now time.Time) (name, key string) {
		ice := ICE{TURN: []string{"turn:" + at}, Secret: secret, TTL: time.Hour}
		var got struct{ Username, Password string }
		if err := json.Unmarshal(ice.AppendServers(nil, user, now), &got); err != nil {
			t.Fatal(err)
		}
		return got.Username, got.Password
	}
	now := time.Now()
	for _, test := range []struct {
		name, secret, user string
		now                time.Time
		change             func(name, key *string)
		good               bool
	}{
		{"registered", secret, "alice", now, nil, true},
		{"not registered", secret, "", now, nil, true},
		{"colons and signs", secret, "a:b::c@d.e/f<g>&h%20", now, nil, true},
		{"Unicode", secret, "Zoë_日本_😀", now, nil, true},
		{"long", secret, strings.Repeat("é", 128), now, nil, true},
		{"expired", secret, "alice", now.Add(-2 * time.Hour), nil, false},
		{"expired, not registered", secret, "", now.Add(-2 * time.Hour), nil, false},
		{"signed with another secret", "south", "alice", now, nil, false},
		{"another's name", secret, "alice", now, func(name, _ *string) { *name = strings.Replace(*name, "alice", "bob", 1) }, false},
		{"expiry moved", secret, "alice", now.Add(-2 * time.Hour), func(name, _ *string) { *name, _ = told(secret, "alice", now) }, false},
		{"another password", secret, "alice", now, func(_, key *string) { *key = "x" + *key }, false},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(test.name+" "+network, func(t *testing.T) {
				name, key := told(test.secret, test.user, test.now)
				if test.change != nil {
					test.change(&name, &key)
				}
				c := dialPion(t, network, at, name, key)
				relay, err := c.Allocate()
				if err == nil {
					defer relay.Close()
				}
				if (err == nil) != test.good {
					t.Fatalf("%s: %v", name, err)
				}
				if !test.good {
					return
				}
				peer, to := listenPeer(t)
				if _, err := relay.WriteTo([]byte("hello"), net.UDPAddrFromAddrPort(to)); err != nil {
					t.Fatal(err)
				}
				if got, from := readFrom(t, peer); got != "hello" || from != addrPort(relay.LocalAddr()) {
					t.Errorf("the peer got %q from %v", got, from)
				}
			})
		}
	}
}
