package cluster

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A trio is a primary, a replica, and three Sentinels that watch both.
type trio struct {
	primary, replica *rig.Redis
	sentinels        []string
	password         string // of the Sentinels
}

const masterName = "the-primary"

func newTrio(t *testing.T) *trio {
	t.Helper()
	s := &trio{primary: rig.StartRedis(t), password: "of the sentinels"}
	host, port, err := net.SplitHostPort(s.primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	s.replica = rig.StartRedis(t, "--replicaof", host, port)
	for range 3 {
		s.sentinels = append(s.sentinels, s.startSentinel(t, host, port))
	}
	rig.Eventually(t, "the Sentinels know each other and the replica", func() bool {
		for _, addr := range s.sentinels {
			master := s.ask(t, addr, "SENTINEL MASTER "+masterName)
			if !strings.Contains(master, "num-other-sentinels\r\n$1\r\n2\r\n") || !strings.Contains(master, "num-slaves\r\n$1\r\n1\r\n") {
				return false
			}
		}
		return true
	})
	return s
}

func (s *trio) startSentinel(t *testing.T, host, port string) string {
	t.Helper()
	addr, dir := rig.FreeAddr(t), t.TempDir()
	_, own, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile \"\"\nrequirepass %q\nsentinel sentinel-pass %q\n"+
		"sentinel monitor %[5]s %s %s 2\nsentinel down-after-milliseconds %[5]s 1000\nsentinel failover-timeout %[5]s 5000\n",
		own, dir, s.password, s.password, masterName, host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", config, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	return addr
}

// ask asks a Sentinel, and returns nothing while it does not listen yet.
func (s *trio) ask(t *testing.T, addr, command string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(rig.Patience))
	if _, err := fmt.Fprintf(c, "AUTH %q\r\n%s\r\n", s.password, command); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64<<10)
	n := 0
	// parallel-syncs comes last but one of SENTINEL MASTER.
	for !strings.Contains(string(answer[:n]), "parallel-syncs") && string(answer[:n]) != "+OK\r\n+OK\r\n" {
		more, err := c.Read(answer[n:])
		if err != nil || strings.Contains(string(answer[:n+more]), "-ERR") {
			return ""
		}
		n += more
	}
	return string(answer[:n])
}

func (s *trio) url() string {
	return fmt.Sprintf("redis+sentinel://%s/0?master_name=%s&sentinel_password=%s", strings.Join(s.sentinels, ","), masterName, "of%20the%20sentinels")
}

// The primary dies under traffic, and one Sentinel with it. The instances follow
// the others to the replica.
func TestSentinelFailover(t *testing.T) {
	t.Parallel()
	s := newTrio(t)
	w := newWorldAt(t, s.url())
	w.populate(crowd, pace)
	w.during(500 * time.Millisecond)
	if *long {
		begun := time.Now()
		if answer := s.ask(t, s.sentinels[0], "SENTINEL FAILOVER "+masterName); answer != "+OK\r\n+OK\r\n" {
			t.Fatal(answer)
		}
		s.primary, s.replica = s.replica, s.primary
		rig.Eventually(t, "all instances use the new primary", func() bool {
			return says(s.primary, fmt.Sprintf(":%d\r\n", instances), "PUBSUB", "NUMSUB", "oodaa:feed:all")
		})
		w.awaitJoined()
		t.Logf("all instances have joined %v after a failover by hand", time.Since(begun))
		w.quiet()
		rig.Eventually(t, "the former primary is a replica in step", func() bool {
			return says(s.replica, "master_link_status:up", "INFO", "replication")
		})
		rig.Eventually(t, "the Sentinels are done", func() bool {
			for _, addr := range s.sentinels {
				if master := s.ask(t, addr, "SENTINEL MASTER "+masterName); !strings.Contains(master, "$6\r\nmaster\r\n") {
					return false
				}
			}
			return true
		})
	}
	s.primary.Kill()
	died := time.Now()
	rig.Eventually(t, "the replica is the primary", func() bool { return says(s.replica, "master", "ROLE") })
	t.Logf("the Sentinels made the replica the primary after %v", time.Since(died))
	w.awaitJoined()
	t.Logf("all instances have joined after %v", time.Since(died))
	w.quiet()
	w.noneGone()
}

// says reports whether the answer to a command contains a text. Sentinels have a Redis
// cut its connections when they change its role, and then there is none.
func says(r *rig.Redis, text string, command ...string) bool {
	answer, err := r.Ask(command...)
	return err == nil && strings.Contains(answer, text)
}

// awaitJoined waits until all instances are one again.
func (w *world) awaitJoined() {
	w.t.Helper()
	rig.Eventually(w.t, "all instances are one", func() bool {
		for _, n := range w.nodes {
			if n.server.Metric(w.t, "signaling_cluster_instances") != instances {
				return false
			}
		}
		return true
	})
}

// noneGone checks that no instance was taken for gone: all of them live.
func (w *world) noneGone() {
	w.t.Helper()
	for _, n := range w.nodes {
		for _, line := range n.server.Log.Lines(`"msg":"instance disappeared"`) {
			w.t.Errorf("%s: %s", n.name, line)
		}
	}
}
