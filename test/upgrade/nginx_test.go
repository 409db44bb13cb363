package upgrade

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

//go:embed testdata/nginx.conf
var configuration string

// An nginx is a real one, in front of two instances.
type nginx struct {
	addr string

	t   *testing.T
	dir string
	cmd *exec.Cmd
}

// startNginx starts an nginx that keeps everything in a directory of its own.
// The end of the test ends it.
func startNginx(t *testing.T, first, second string) *nginx {
	t.Helper()
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Fatalf("no nginx: run `make setup` (%v)", err)
	}
	n := &nginx{addr: fixedAddr(t), t: t, dir: t.TempDir()}
	config := filepath.Join(n.dir, "nginx.conf")
	text := strings.NewReplacer("$DIR", n.dir, "$LISTEN", n.addr, "$FIRST", first, "$SECOND", second).Replace(configuration)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	directives := "daemon off;"
	if os.Geteuid() == 0 { // others may not enter a directory of the test
		directives += " user root;"
	}
	n.cmd = exec.Command("nginx", "-p", n.dir, "-c", config, "-e", filepath.Join(n.dir, "error.log"), "-g", directives)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.stop(syscall.SIGTERM) })
	rig.Eventually(t, "nginx on "+n.addr, func() bool {
		c, err := net.DialTimeout("tcp", n.addr, time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
	return n
}

// stop ends nginx, unless it has ended: with SIGQUIT when all of its connections
// have, with SIGTERM at once.
func (n *nginx) stop(sig syscall.Signal) {
	n.t.Helper()
	if n.cmd == nil {
		return
	}
	giveUp := time.AfterFunc(rig.Patience, func() { _ = n.cmd.Process.Kill() })
	defer giveUp.Stop()
	_ = n.cmd.Process.Signal(sig)
	if err := n.cmd.Wait(); err != nil {
		n.t.Errorf("nginx: %v\n%s", err, n.errors())
	}
	n.cmd = nil
}

func (n *nginx) read(name string) string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

// errors is the end of the log of errors.
func (n *nginx) errors() string {
	n.t.Helper()
	lines := strings.SplitAfter(n.read("error.log"), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "")
}

// requests counts what nginx was asked, once it has ended: in all, those that an
// instance refused and the other one took, and those that nobody took.
func (n *nginx) requests() (all, moved, failed int) {
	n.t.Helper()
	for line := range strings.Lines(n.read("access.log")) {
		status, tries, _ := strings.Cut(strings.TrimSpace(line), " ")
		all++
		switch {
		case status != "101":
			failed++
		case strings.Contains(tries, ","):
			moved++
		}
	}
	return all, moved, failed
}

// fixedAddr returns a free address that can be listened on again later: below
// the ports that the system gives to outgoing connections, which nginx makes
// many of.
func fixedAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000)))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	t.Fatal("no free port")
	return ""
}
