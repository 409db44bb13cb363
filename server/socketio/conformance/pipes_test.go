package main

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/oodaa/signaling/server/socketio"
)

// inBubble runs a test with a suite in a bubble of synctest, where time passes only
// while everybody waits.
func inBubble(t *testing.T, path string, opts socketio.Options, f func(t *testing.T, s *suite)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
		f(t, newSuiteOn(t, p, p.dial, path, opts))
	})
}

// pipes are connections within the process: a bubble's clock stands still while
// somebody waits for a socket.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	server, client := net.Pipe()
	select {
	case p.accept <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.accept:
		return nc, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
