package socketio

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig/engineio"
	rigpipes "github.com/oodaa/signaling/test/rig/pipes"
)

// A network is where a test's server listens.
type network interface {
	// patience is how long to wait for an answer.
	patience() time.Duration
	listen(t testing.TB) net.Listener
	dial(ctx context.Context, l net.Listener) (net.Conn, error)
}

// loopback is real TCP.
type loopback struct{}

func (loopback) patience() time.Duration { return patience }

func (loopback) listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (loopback) dial(ctx context.Context, l net.Listener) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
}

// pipes connect within the process, so that a synctest bubble's clock runs.
type pipes struct{}

// patience has no bound: the bubble tells when everybody waits.
func (pipes) patience() time.Duration { return 1000 * time.Hour }

func (pipes) listen(testing.TB) net.Listener { return rigpipes.Listen() }

func (pipes) dial(ctx context.Context, l net.Listener) (net.Conn, error) {
	return l.(*rigpipes.Listener).Dial(ctx)
}

// serve serves an engine until the end of the test, and returns a client of it.
// end is called first then.
func serve(t testing.TB, n network, h http.Handler, end func()) *engineio.Client {
	t.Helper()
	l := n.listen(t)
	c := engineio.New(t, engineio.Options{
		Dial:     func(ctx context.Context) (net.Conn, error) { return n.dial(ctx, l) },
		Path:     "/",
		Patience: n.patience(),
	})
	var conns sync.WaitGroup
	srv := &http.Server{
		Handler: c.Watch(h),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				conns.Add(1)
			case http.StateHijacked, http.StateClosed:
				conns.Done()
			}
		},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		end()
		srv.Close()
		<-served
		conns.Wait() // net/http does not
	})
	return c
}
