package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// A server is one of those that are compared.
type server struct {
	name string
	dir  string
	args []string
	env  []string
}

// prepare builds all that is needed into bin.
func prepare(ctx context.Context, root, bin string, names []string, before string, stderr io.Writer) ([]server, error) {
	command := func(dir, name string, args ...string) error {
		c := exec.CommandContext(ctx, name, args...)
		c.Dir, c.Stdout, c.Stderr = dir, stderr, stderr
		if err := c.Run(); err != nil {
			return fmt.Errorf("%s %v: %w", name, args, err)
		}
		return nil
	}
	if err := command(root, "go", "build", "-o", bin+"/", "./cmd/signald", "./cmd/sigload", "./bench/bare"); err != nil {
		return nil, err
	}
	ours := []string{
		"HOST=127.0.0.1", "NODE_ENV=production", "LOG_LEVEL=warn",
		"RATE_LIMIT=0", "MESSAGE_RATE=0", "REGISTER_TIMEOUT=1h",
	}
	node := filepath.Join(root, "bench", "node")
	known := []server{
		{name: "ours", args: []string{filepath.Join(bin, "signald")}, env: ours},
		{name: "before", args: []string{before}, env: ours},
		{name: "node", dir: node, args: []string{"node", "server.mjs"}, env: []string{"NODE_ENV=production"}},
		{name: "bare", args: []string{filepath.Join(bin, "bare")}},
	}
	if before != "" {
		names = append(names, "before")
	}
	var servers []server
	for _, s := range known {
		if slices.Contains(names, s.name) {
			servers = append(servers, s)
		}
	}
	if len(servers) < len(names) {
		return nil, fmt.Errorf("among %v is an unknown server; there are ours, node and bare", names)
	}
	if slices.Contains(names, "node") {
		lock, err := os.ReadFile(filepath.Join(node, "package-lock.json"))
		if err != nil {
			return nil, err
		}
		installed := filepath.Join(node, "node_modules", ".installed")
		if mark, err := os.ReadFile(installed); err != nil || !bytes.Equal(mark, lock) {
			if err := command(node, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
				return nil, err
			}
			if err := os.WriteFile(installed, lock, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return servers, nil
}

// A process is a server that runs.
type process struct {
	cmd *exec.Cmd
	url string
}

// start runs the server on a free port of the loopback interface, and returns
// when it answers.
func (s server) start(ctx context.Context, stderr io.Writer) (*process, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := ln.Addr().(*net.TCPAddr)
	if err := ln.Close(); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Dir, cmd.Stderr = s.dir, stderr
	cmd.Env = append(append(os.Environ(), "PORT="+strconv.Itoa(addr.Port)), s.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, url: "http://" + addr.String()}
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err == nil {
			return p, conn.Close()
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			p.stop()
			return nil, errors.Join(fmt.Errorf("it does not listen: %w", err), ctx.Err())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stop ends the process.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}
