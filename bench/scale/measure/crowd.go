package measure

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Crowd is connections that do nothing but answer heartbeats, held by
// processes of sigload. Disperse it.
type Crowd struct {
	parts []*exec.Cmd
	ended sync.WaitGroup

	mu   sync.Mutex
	line string  // that was printed last
	errs []error // of parts that did not end well
}

// atOnce is how many connections one process of sigload holds.
const atOnce = 8000

// Gather connects n clients to addr from several loopback addresses, and
// registers them if so wanted. bin is where sigload is, and flags are more of its
// flags.
func Gather(ctx context.Context, bin, addr string, n int, register bool, flags ...string) (*Crowd, error) {
	c := new(Crowd)
	for n > 0 {
		part := min(n, atOnce)
		n -= part
		if err := c.add(ctx, bin, addr, part, register, flags); err != nil {
			return nil, errors.Join(err, c.Disperse())
		}
	}
	return c, nil
}

// add starts one process, and waits until all its connections are there.
func (c *Crowd) add(ctx context.Context, bin, addr string, n int, register bool, flags []string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "sigload"), append([]string{"idle",
		"-url", "http://" + addr, "-clients", strconv.Itoa(n), "-register=" + strconv.FormatBool(register),
		"-from", "127.0.0.2,127.0.0.3,127.0.0.4,127.0.0.5", "-duration", "1h", "-timeout", "1m"}, flags...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	lines, printed := io.Pipe()
	cmd.Stderr = printed
	if err := cmd.Start(); err != nil {
		return err
	}
	c.parts = append(c.parts, cmd)
	ready, gone := make(chan struct{}), make(chan struct{})
	c.ended.Go(func() {
		for s := bufio.NewScanner(lines); s.Scan(); {
			c.mu.Lock()
			c.line = s.Text()
			c.mu.Unlock()
			if strings.Contains(s.Text(), " connected in ") {
				close(ready)
			}
		}
	})
	c.ended.Go(func() {
		defer close(gone)
		err := cmd.Wait()
		_ = printed.Close() // a pipe in memory
		if err != nil {
			c.mu.Lock()
			c.errs = append(c.errs, fmt.Errorf("crowd: %w: %s", err, c.line))
			c.mu.Unlock()
		}
	})
	select {
	case <-ready:
		return nil
	case <-gone:
		return errors.New("a crowd ended before it was there")
	}
}

// Disperse ends all connections, and waits for that. It fails if a connection
// was lost before, or got an error.
func (c *Crowd) Disperse() error {
	for _, p := range c.parts {
		_ = p.Process.Signal(syscall.SIGINT) // who has ended already says why
	}
	c.ended.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.errs...)
}
