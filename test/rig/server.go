// Package rig starts real servers and connects plain clients to them, for the
// tests that look at the server from outside. What it starts it also ends.
package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a test waits for what must come, on a machine that is
// busy with other work.
const Patience = 30 * time.Second

// A Server is one running signald. Its clients reach it at Addr.
type Server struct {
	Addr string
	Log  *Log

	t       testing.TB
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the process has ended
	failure error         // of the process; set before exited is closed
}

// Start starts a server with the settings env ("NAME=value") and waits until it
// listens. The limits on rates are off, and the log is JSON at debug, unless
// env says otherwise. At the end of the test it is stopped, and must then exit
// with 0, unless the test has ended it itself.
func Start(t testing.TB, env ...string) *Server {
	t.Helper()
	s := &Server{t: t, exited: make(chan struct{}), Log: new(Log)}
	s.cmd = exec.Command(Binary(t, raceEnabled))
	s.cmd.Env = settings(env)
	s.cmd.Stdout = s.Log
	s.cmd.Stderr = s.Log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.failure = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() { s.Stop() })
	line := s.Log.Await(t, "listening", s.exited)
	addr, _ := line["addr"].(string)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("listens on %q: %v", addr, err)
	}
	s.Addr = "127.0.0.1:" + port
	return s
}

func settings(env []string) []string {
	merged := map[string]string{
		"PATH": os.Getenv("PATH"), "HOST": "127.0.0.1", "PORT": "0", "NODE_ENV": "production", "LOG_LEVEL": "debug",
		"RATE_LIMIT": "0", "MESSAGE_RATE": "0", "GORACE": "halt_on_error=1 atexit_sleep_ms=0",
	}
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		merged[name] = value
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		list = append(list, name+"="+merged[name])
	}
	return list
}

// PID is the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Signal sends the process a signal.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatalf("%v: %v", sig, err)
	}
}

// Exited is closed when the process has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// ExitCode waits for the end of the process, and returns its code.
func (s *Server) ExitCode() int {
	<-s.exited
	return s.cmd.ProcessState.ExitCode()
}

// Kill ends the process as kill -9 does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop ends the process with SIGTERM, unless it has ended, and fails the test
// if it does not exit with 0, in time, or has logged a panic or a data race.
func (s *Server) Stop() {
	s.t.Helper()
	select {
	case <-s.exited:
		return
	default:
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(Patience):
		s.Kill()
		s.t.Errorf("the server did not stop within %v:\n%s", Patience, s.Log.Tail())
		return
	}
	if s.failure != nil {
		s.t.Errorf("the server stopped with %v:\n%s", s.failure, s.Log.Tail())
	}
	if s.Log.Has(`"msg":"panic recovered"`) {
		s.t.Errorf("the server logged a panic:\n%s", s.Log.Tail())
	}
}

// Get returns the JSON that the server answers a path with, into v, and the
// answer's status.
func (s *Server) Get(path string, v any) (status int, err error) {
	client := http.Client{Timeout: Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + s.Addr + path)
	if err != nil {
		return 0, err
	}
	body, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return 0, err
	}
	return answer.StatusCode, json.Unmarshal(body, v)
}

// Stats are the figures of /stats that tests look at.
type Stats struct {
	ConnectedUsers int
	Goroutines     int
	Memory         struct{ RSS, HeapUsed int64 }
	Connections    struct {
		SocketIO struct{ WebSocket, Polling int }
		Volli    struct{ WebSocket int }
	}
	Relays, Errors map[string]int64
}

// Clients is how many clients are connected, of all kinds.
func (s *Stats) Clients() int {
	return s.Connections.SocketIO.WebSocket + s.Connections.SocketIO.Polling + s.Connections.Volli.WebSocket
}

// Metric returns a metric without labels, whose value is a whole number.
func (s *Server) Metric(t testing.TB, name string) (n int) {
	t.Helper()
	answer, err := http.Get("http://" + s.Addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if _, err := fmt.Sscanf(lines.Text(), name+" %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("no %s: %v", name, lines.Err())
	return 0
}

// Stats asks the server for its figures.
func (s *Server) Stats() Stats {
	s.t.Helper()
	var stats Stats
	if status, err := s.Get("/stats", &stats); err != nil || status != http.StatusOK {
		s.t.Fatalf("/stats: %d, %v", status, err)
	}
	return stats
}

// Files is how many files and connections the process has open.
func (s *Server) Files() int {
	s.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(entries)
}

// Eventually waits until condition holds, and fails the test with what is
// missing if it does not within Patience.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	EventuallyWithin(t, Patience, what, condition)
}

// EventuallyWithin is Eventually with another patience.
func EventuallyWithin(t testing.TB, patience time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		<-tick.C
	}
}

// EventuallyAll waits until progress, which only grows, reaches all. It fails the
// test when nothing has moved for Patience: how long the whole takes is up to the
// machine.
func EventuallyAll(t testing.TB, what string, all int, progress func() int) {
	t.Helper()
	last, moved := -1, time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for last < all {
		if now := progress(); now != last {
			last, moved = now, time.Now()
		} else if time.Since(moved) > Patience {
			t.Fatalf("nothing within %v, at %d of %d: %s", Patience, last, all, what)
		}
		<-tick.C
	}
}

// A Log is what a server has written, line by line.
type Log struct {
	mu    sync.Mutex
	rest  []byte
	lines []string
}

// maxLogLines bounds what is kept of a long run.
const maxLogLines = 200_000

// Write takes what the process writes.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if len(l.lines) < maxLogLines {
			l.lines = append(l.lines, string(line))
		}
		l.rest = append([]byte(nil), rest...)
	}
}

// Lines returns the lines that hold text.
func (l *Log) Lines(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// Has reports whether a line holds text.
func (l *Log) Has(text string) bool { return len(l.Lines(text)) > 0 }

// Tail is the end of the log.
func (l *Log) Tail() string {
	lines := l.Lines("")
	return strings.Join(lines[max(0, len(lines)-60):], "\n")
}

// Await waits for the line with the message msg and returns its attributes. It
// fails the test when none comes, or when given up is closed.
func (l *Log) Await(t testing.TB, msg string, givenUp <-chan struct{}) map[string]any {
	t.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, line := range l.Lines(`"msg":"` + msg + `"`) {
			attributes := make(map[string]any)
			if json.NewDecoder(bufio.NewReader(strings.NewReader(line))).Decode(&attributes) == nil {
				return attributes
			}
		}
		select {
		case <-tick.C:
		case <-givenUp:
			t.Fatalf("ended without %q:\n%s", msg, l.Tail())
		case <-deadline:
			t.Fatalf("no %q:\n%s", msg, l.Tail())
		}
	}
}
