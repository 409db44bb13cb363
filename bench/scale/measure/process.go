package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Patience is how long anything may take that is waited for.
const Patience = 30 * time.Second

// A Process is a server that runs. Stop it.
type Process struct {
	// Addr is where it listens, on the loopback interface.
	Addr string

	name string
	cmd  *exec.Cmd
}

// A Program is how a server is started. {port} in its arguments and settings
// is the port it gets.
type Program struct {
	Name     string
	Dir      string
	Args     []string
	Settings []string // NAME=value; those of this process's environment win
	Fixed    []string // likewise, and these win
}

// Start runs a program on a free port of the loopback interface, and returns
// when it listens.
func Start(ctx context.Context, program Program, stderr io.Writer) (*Process, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil {
		return nil, err
	}
	port := strings.NewReplacer("{port}", strconv.Itoa(addr.Port))
	args := make([]string, len(program.Args))
	for i, a := range program.Args {
		args[i] = port.Replace(a)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stderr = program.Dir, stderr
	for _, s := range program.Settings {
		cmd.Env = append(cmd.Env, port.Replace(s))
	}
	cmd.Env = append(cmd.Env, os.Environ()...)
	cmd.Env = append(append(cmd.Env, "PORT="+strconv.Itoa(addr.Port)), program.Fixed...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", program.Name, err)
	}
	p := &Process{Addr: addr.String(), name: program.Name, cmd: cmd}
	err = Until(ctx, p.name+" listens", func() bool {
		conn, err := net.DialTimeout("tcp", p.Addr, time.Second)
		return err == nil && conn.Close() == nil
	})
	if err != nil {
		p.Stop()
		return nil, err
	}
	return p, nil
}

// Ready waits until /ready of a server of ours answers 200.
func (p *Process) Ready(ctx context.Context) error {
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	return Until(ctx, p.name+" is ready", func() bool {
		answer, err := client.Get("http://" + p.Addr + "/ready")
		if err != nil {
			return false
		}
		body, err := io.ReadAll(answer.Body)
		return err == nil && answer.Body.Close() == nil && bytes.Contains(body, []byte(`"ready"`))
	})
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // what it would do at its end is of no interest
	_ = p.cmd.Wait()
}

// Memory is the resident memory in bytes.
func (p *Process) Memory() (int64, error) {
	// The figure in status is an estimate since Linux 6.2.
	kilobytes, err := p.field("smaps_rollup", "\nRss:")
	return kilobytes << 10, err
}

// Written is how many bytes the process has written so far, to sockets and
// files, the headers of TCP and IP not counted.
func (p *Process) Written() (int64, error) { return p.field("io", "\nwchar:") }

// field reads a number from a file of the process in /proc.
func (p *Process) field(file, name string) (n int64, err error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), file))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(b, []byte(name))
	if !ok {
		return 0, fmt.Errorf("%s of %s: there is no %q", file, p.name, name)
	}
	_, err = fmt.Sscan(string(rest[:min(len(rest), 32)]), &n)
	return n, err
}

// Quiet waits until the process has written nothing for a while, for d.
func (p *Process) Quiet(ctx context.Context, d time.Duration) error {
	var last int64
	since := time.Now()
	return Until(ctx, p.name+" is quiet", func() bool {
		n, err := p.Written()
		if err != nil || n != last {
			last, since = n, time.Now()
			return false
		}
		return time.Since(since) >= d
	})
}

// Until waits until done reports true, not longer than Patience.
func Until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("it does not happen that %s", what), ctx.Err())
		}
	}
	return nil
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
