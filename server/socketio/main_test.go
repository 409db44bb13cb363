package socketio

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(suite{m}) }

// loops read the WebSockets over loopback.
var loops wire.Loops

// A suite closes the loops when the tests are done.
type suite struct{ *testing.M }

func (s suite) Run() int {
	defer loops.Close()
	return s.M.Run()
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

const (
	testMaxPayload = 10_000
	testMaxOutbox  = 1 << 20
)

func defaults() Options {
	return Options{
		PingInterval:   25 * time.Second,
		PingTimeout:    20 * time.Second,
		ConnectTimeout: time.Minute,
		MaxPayload:     testMaxPayload,
		MaxOutbox:      testMaxOutbox,
		Loops:          &loops,
		WebSocket:      true,
		Polling:        true,
	}
}

// cutNow is a context to shut down with that lets nobody finish.
func cutNow() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// inTime is a context to shut down with that must not end before that is done.
func inTime(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// within waits, for at most patience, until ok. It is for what nothing tells.
func within(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

func receive[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	return v
}

// ended waits for a reason to close.
func ended(t testing.TB, end <-chan string, want string) {
	t.Helper()
	if got := receive(t, "end", end); got != want {
		t.Errorf("closed by %q, want %q", got, want)
	}
}

// A turns checks that calls come one at a time, and none after the last.
type turns struct {
	t    testing.TB
	busy atomic.Bool
	over atomic.Bool
}

// take begins a call; the caller must call the result at its end.
func (c *turns) take(name string) func() {
	if c.busy.Swap(true) {
		c.t.Errorf("%s while another call runs", name)
	}
	if c.over.Load() {
		c.t.Errorf("%s after Closed", name)
	}
	return func() { c.busy.Store(false) }
}
