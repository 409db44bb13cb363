package rig

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A Redis is a real redis-server that keeps nothing on disk.
type Redis struct {
	Addr     string
	Password string // of Do, where the server asks for one; it may change

	t       testing.TB
	program string
	args    []string
	dir     string
	cmd     *exec.Cmd
}

// StartRedis starts a Redis on a free port, with further arguments. The end of
// the test ends it.
func StartRedis(t testing.TB, args ...string) *Redis {
	t.Helper()
	return StartRedisProgram(t, "redis-server", args...)
}

// StartRedisProgram is StartRedis with another program that takes the arguments
// of redis-server.
func StartRedisProgram(t testing.TB, program string, args ...string) *Redis {
	t.Helper()
	Require(t, program)
	r := &Redis{Addr: FreeAddr(t), t: t, program: program, args: args, dir: t.TempDir()}
	t.Cleanup(func() { r.Kill() })
	r.Start()
	return r
}

// Start starts the server after Kill, without what it held.
func (r *Redis) Start() {
	r.t.Helper()
	_, port, err := net.SplitHostPort(r.Addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.cmd = exec.Command(r.program, append([]string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--protected-mode", "no", "--daemonize", "no", "--loglevel", "warning", "--dir", r.dir}, r.args...)...)
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	Eventually(r.t, r.program+" on "+r.Addr, func() bool {
		c, err := net.DialTimeout("tcp", r.Addr, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		if _, err := c.Write([]byte("PING\r\n")); err != nil {
			return false
		}
		answer := make([]byte, 7)
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, err = c.Read(answer)
		return err == nil && string(answer) == "+PONG\r\n"
	})
}

// Kill ends the server as kill -9 does; nothing happens if it has ended.
func (r *Redis) Kill() {
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait() // killed
		r.cmd = nil
	}
}

// Signal sends the server a signal, such as Freeze.
func (r *Redis) Signal(sig syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
}

// URL is what REDIS_URL is to be.
func (r *Redis) URL() string { return "redis://" + r.Addr }

// Do runs one command and returns what arrives of the answer at first.
func (r *Redis) Do(parts ...string) string {
	r.t.Helper()
	answer, err := r.Ask(parts...)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer
}

// Ask is Do for a server that may cut the connection.
func (r *Redis) Ask(parts ...string) (string, error) {
	c, err := net.DialTimeout("tcp", r.Addr, Patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(Patience))
	if r.Password != "" {
		authenticated := make([]byte, 5)
		if _, err := fmt.Fprintf(c, "AUTH %s\r\n", r.Password); err != nil {
			return "", err
		}
		if _, err := io.ReadFull(c, authenticated); err != nil || string(authenticated) != "+OK\r\n" {
			return "", fmt.Errorf("AUTH: %s, %v", authenticated, err)
		}
	}
	command := "*" + strconv.Itoa(len(parts)) + "\r\n"
	for _, p := range parts {
		command += fmt.Sprintf("$%d\r\n%s\r\n", len(p), p)
	}
	if _, err := c.Write([]byte(command)); err != nil {
		return "", err
	}
	answer := make([]byte, 64<<10)
	n, err := c.Read(answer)
	if err != nil {
		return "", err
	}
	return string(answer[:n]), nil
}

// StartNodes starts n servers that are one, on a Redis.
func StartNodes(t testing.TB, r *Redis, n int, env ...string) []*Server {
	t.Helper()
	nodes := make([]*Server, n)
	for i := range nodes {
		nodes[i] = Start(t, append([]string{"REDIS_URL=" + r.URL(), fmt.Sprintf("NODE_ID=n%d", i), "RECONNECT_GRACE=0"}, env...)...)
	}
	for i := range nodes {
		AwaitReady(t, nodes[i])
	}
	return nodes
}

// AwaitReady waits until a server says that it is ready, and not degraded.
func AwaitReady(t testing.TB, s *Server) {
	t.Helper()
	Eventually(t, "ready", func() bool {
		var ready struct{ Status string }
		status, err := s.Get("/ready", &ready)
		return err == nil && status == 200 && ready.Status == "ready"
	})
}
