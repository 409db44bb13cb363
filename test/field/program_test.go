package field

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A program is a process that runs clients of several crowds. It takes commands
// and gives reports.
type program struct {
	name     string
	cmd      *exec.Cmd
	in       io.WriteCloser
	problems bytes.Buffer
	reading  sync.WaitGroup

	mu      sync.Mutex // guards writing, and what follows
	clients map[string]*client
}

// A report is what a client says.
type report struct {
	Key, Event string
	Text       string // of errors and disconnects
	Body       string // of relays
}

// programs are a process of each kind.
type programs map[string]*program

// startPrograms starts the processes; the test's end ends them.
func startPrograms(t *testing.T) programs {
	t.Helper()
	return programs{
		"node":   startProgram(t, "node", "--no-warnings", "clients.mjs"),
		"python": startProgram(t, "/usr/bin/python3", "-W", "ignore", "clients.py"),
	}
}

func startProgram(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{name: filepath.Base(name), cmd: exec.Command(name, args...), clients: make(map[string]*client)}
	p.cmd.Stderr = &p.problems
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("run `make setup`: %v", err)
	}
	p.reading.Go(func() { p.read(t, out) })
	t.Cleanup(func() { p.stop(t) })
	return p
}

// stop closes the input of the process, which ends it.
func (p *program) stop(t *testing.T) {
	_ = p.cmd.Process.Signal(rig.Thaw)
	giveUp := time.AfterFunc(rig.Patience, func() { _ = p.cmd.Process.Kill() })
	defer giveUp.Stop()
	_ = p.in.Close()
	p.reading.Wait()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", p.name, err, &p.problems)
	} else if t.Failed() {
		t.Logf("%s wrote:\n%s", p.name, &p.problems)
	}
}

// read hands reports to their clients until the process ends.
func (p *program) read(t *testing.T, out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var r report
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Errorf("%s said %q", p.name, lines.Text())
			continue
		}
		p.mu.Lock()
		c := p.clients[r.Key]
		p.mu.Unlock()
		c.take(r, time.Now())
	}
}

// tell gives the process a command.
func (p *program) tell(t *testing.T, command map[string]any) {
	t.Helper()
	line, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		t.Errorf("%s has ended: %v", p.name, err)
	}
}

// join starts clients in the process.
func (p *program) join(t *testing.T, clients []*client) {
	t.Helper()
	var specs []spec
	p.mu.Lock()
	for _, c := range clients {
		p.clients[c.spec.Key] = c
		specs = append(specs, c.spec)
	}
	p.mu.Unlock()
	p.tell(t, map[string]any{"do": "join", "clients": specs})
}

// signal sends a signal to all processes, such as rig.Freeze, which puts their
// clients to sleep.
func (ps programs) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	for _, p := range ps {
		if err := p.cmd.Process.Signal(sig); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", p.name, err))
		}
	}
}
