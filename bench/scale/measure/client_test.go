package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// Clients, crowds and processes, on the real server.
func TestOnTheServer(t *testing.T) {
	rig.Require(t, "go") // it takes seconds
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, bin, err := Build(ctx, "./cmd/signald", "./cmd/sigload")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(bin)
	p, err := Start(ctx, Program{
		Name: "signald", Args: []string{filepath.Join(bin, "signald")},
		Settings: []string{"HOST=127.0.0.1", "LOG_LEVEL=error", "RATE_LIMIT=0", "PING_INTERVAL=200ms", "PING_TIMEOUT=10s"},
	}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if err := p.Ready(ctx); err != nil {
		t.Fatal(err)
	}

	const crowd = 30
	c, err := Gather(ctx, bin, p.Addr, crowd, true)
	if err != nil {
		t.Fatal(err)
	}
	dispersed := false
	defer func() {
		if !dispersed {
			_ = c.Disperse() // the test has failed
		}
	}()
	alice, err := Dial(ctx, p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer alice.Close()
	if err := alice.Deadline(time.Now().Add(Patience)); err != nil {
		t.Fatal(err)
	}
	written, err := p.Written()
	if err != nil {
		t.Fatal(err)
	}
	if err := alice.Register("alice"); err != nil {
		t.Fatal(err)
	}
	if n, err := alice.Users(); err != nil || n != crowd {
		t.Errorf("%d users, %v", n, err)
	}
	if after, err := p.Written(); err != nil || after <= written {
		t.Errorf("the server has written %d bytes, before that %d: %v", after, written, err)
	}
	if cpu, err := p.CPU(); err != nil || cpu <= 0 {
		t.Errorf("CPU time %s, %v", cpu, err)
	}
	if memory, err := p.Memory(); err != nil || memory < 1<<20 {
		t.Errorf("%d bytes of memory, %v", memory, err)
	}
	alice.Queue([]byte(`42["offer",{"to":"nobody","from":"alice","offer":{"sdp":""}}]`))
	if _, err := alice.Await([]byte(`42["offer"`)); err == nil || !bytes.Contains([]byte(err.Error()), []byte("User nobody not found")) {
		t.Errorf("an offer to nobody: %v", err)
	}
	if err := alice.Leave(); err != nil {
		t.Errorf("leave: %v", err)
	}

	lost, err := Gather(ctx, bin, p.Addr, 3, false)
	if err != nil {
		t.Fatal(err)
	}
	dispersed = true
	if err := c.Disperse(); err != nil {
		t.Errorf("a crowd that was well: %v", err)
	}
	p.Stop()
	if err := Until(ctx, "the crowd sees it", func() bool {
		lost.mu.Lock()
		defer lost.mu.Unlock()
		return strings.Contains(lost.line, "faults")
	}); err != nil {
		t.Error(err)
	}
	if err := lost.Disperse(); err == nil {
		t.Error("a crowd has lost its server, and nobody says so")
	}
}

func TestUntil(t *testing.T) {
	gone := errors.New("gone")
	ended, end := context.WithCancelCause(context.Background())
	end(gone)
	if err := Until(context.Background(), "it is so", func() bool { return true }); err != nil {
		t.Error(err)
	}
	if err := Until(ended, "it is so", func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Pause(ended, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		all  []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 3}, 3}} {
		t.Run(fmt.Sprint(test.all), func(t *testing.T) {
			if got := Median(test.all); got != test.want {
				t.Error(got)
			}
		})
	}
}
