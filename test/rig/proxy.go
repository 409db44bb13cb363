package rig

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Proxy is a real nginx or haproxy in front of servers. Clients reach it at
// Addr.
type Proxy struct {
	Addr string

	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	errors *Log
}

// StartNginx starts an nginx that keeps everything in a directory of its own.
// In the configuration, $DIR and $LISTEN are replaced, and the values, which are
// pairs of a name and its replacement. The end of the test ends it.
func StartNginx(t testing.TB, config string, values ...string) *Proxy {
	t.Helper()
	directives := "daemon off;"
	if os.Geteuid() == 0 { // others may not enter a directory of the test
		directives += " user root;"
	}
	p := newProxy(t, config, values)
	p.start("nginx", "-p", p.dir, "-c", p.file("proxy.conf"), "-e", p.file("error.log"), "-g", directives)
	return p
}

// StartHAProxy is StartNginx for haproxy.
func StartHAProxy(t testing.TB, config string, values ...string) *Proxy {
	t.Helper()
	p := newProxy(t, config, values)
	p.start("haproxy", "-db", "-f", p.file("proxy.conf"))
	return p
}

func newProxy(t testing.TB, config string, values []string) *Proxy {
	t.Helper()
	p := &Proxy{Addr: FreeAddr(t), t: t, dir: t.TempDir(), errors: new(Log)}
	text := strings.NewReplacer(append(values, "$DIR", p.dir, "$LISTEN", p.Addr)...).Replace(config)
	if err := os.WriteFile(p.file("proxy.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *Proxy) start(program string, args ...string) {
	p.t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		p.t.Fatalf("no %s: run `make setup` (%v)", program, err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = p.errors, p.errors
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.Stop(syscall.SIGTERM) })
	Eventually(p.t, program+" on "+p.Addr, func() bool {
		c, err := net.DialTimeout("tcp", p.Addr, time.Second)
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

// Stop ends the proxy, unless it has ended. For nginx, SIGQUIT waits until all
// of its connections have ended, SIGTERM does not.
func (p *Proxy) Stop(sig syscall.Signal) {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	giveUp := time.AfterFunc(Patience, func() { _ = p.cmd.Process.Kill() })
	defer giveUp.Stop()
	_ = p.cmd.Process.Signal(sig)
	err := p.cmd.Wait()
	// haproxy dies of the signal.
	if how, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); err != nil && !(ok && how.Signaled() && how.Signal() == sig) {
		p.t.Errorf("%s: %v\n%s", p.cmd.Path, err, p.Errors())
	}
	p.cmd = nil
}

func (p *Proxy) file(name string) string { return filepath.Join(p.dir, name) }

// Read returns a file from the proxy's directory.
func (p *Proxy) Read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(p.file(name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// Errors is the end of what the proxy has complained about.
func (p *Proxy) Errors() string {
	text, _ := os.ReadFile(p.file("error.log")) // haproxy has none
	lines := strings.SplitAfter(string(text), "\n")
	return p.errors.Tail() + strings.Join(lines[max(0, len(lines)-20):], "")
}
