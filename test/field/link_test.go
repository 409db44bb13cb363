package field

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// A link is the network between clients and a server: a TCP proxy that can be
// cut in two ways.
//
//	open ──silence──► silent: nothing passes, neither data nor ends; it all waits
//	open ──reset────► down: connections are reset, new ones too
//	silent, down ──mend──► open
//	any ──the test ends──► closed
type link struct {
	addr string

	target  string
	listen  net.Listener
	running sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond
	state   linkState
	ends    map[*net.TCPConn]bool
}

type linkState int

const (
	linkOpen linkState = iota
	linkSilent
	linkDown
	linkClosed
)

// newLink opens a way to target that is closed at the end of the test.
func newLink(t *testing.T, target string) *link {
	t.Helper()
	listen, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{addr: listen.Addr().String(), target: target, listen: listen, ends: make(map[*net.TCPConn]bool)}
	l.changed = sync.NewCond(&l.mu)
	l.running.Go(l.accept)
	t.Cleanup(func() {
		_ = listen.Close()
		l.set(linkClosed)
		l.running.Wait()
	})
	return l
}

func (l *link) silence() { l.set(linkSilent) }
func (l *link) reset()   { l.set(linkDown) }
func (l *link) mend()    { l.set(linkOpen) }

func (l *link) set(s linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	if s == linkDown || s == linkClosed {
		for end := range l.ends {
			abort(end)
		}
	}
	l.changed.Broadcast()
}

func abort(end *net.TCPConn) {
	_ = end.SetLinger(0)
	_ = end.Close()
}

// accept takes connections until the link is closed.
func (l *link) accept() {
	for {
		conn, err := l.listen.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			l.running.Go(func() { l.serve(conn.(*net.TCPConn)) })
		}
	}
}

// serve carries one connection until both of its directions have ended.
func (l *link) serve(client *net.TCPConn) {
	if !l.enter(client) {
		return
	}
	defer l.exit(client)
	if !l.pass() {
		return
	}
	conn, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = client.SetLinger(0) // as where nobody listens
		return
	}
	server := conn.(*net.TCPConn)
	if !l.enter(server) {
		return
	}
	defer l.exit(server)
	var back sync.WaitGroup
	back.Go(func() { l.carry(client, server) })
	l.carry(server, client)
	back.Wait()
}

func (l *link) enter(end *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkDown || l.state == linkClosed {
		abort(end)
		return false
	}
	l.ends[end] = true
	return true
}

func (l *link) exit(end *net.TCPConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, end)
	_ = end.Close()
}

// pass waits while the link is silent, and reports whether it is open then.
func (l *link) pass() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.state == linkSilent {
		l.changed.Wait()
	}
	return l.state == linkOpen
}

// carry copies one direction, its end included.
func (l *link) carry(to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !l.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				abort(from)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			abort(to)
			return
		}
	}
}
