package wire

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
)

// A connection that waits costs no goroutine.
func TestLoopsHaveFewGoroutines(t *testing.T) {
	echo(t, limits(), epoll) // the loops are there from now on
	before := runtime.NumGoroutine()
	links := make([]*link, 100)
	for i := range links {
		links[i] = echo(t, limits(), epoll)
	}
	for i, l := range links {
		l.write(text(fmt.Sprint(i)))
	}
	for i, l := range links {
		l.expectText(fmt.Sprint(i))
	}
	if after := runtime.NumGoroutine(); after > before+runtime.GOMAXPROCS(0) {
		t.Errorf("%d goroutines for %d connections", after-before, len(links))
	}
}

// Connections come and go, in seats that others have left, and each hears only
// what was sent to it.
func TestLoopsChurn(t *testing.T) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 60 {
				l := echo(t, limits(), epoll)
				messages := 1 + rand.IntN(5)
				for m := range messages {
					l.write(text(fmt.Sprintf("%d %d %d %s", i, k, m, letters(rand.IntN(30_000)))), frame(true, ws.OpPing, ""))
				}
				for m := range messages {
					f, err := l.next()
					if err != nil {
						t.Error(err)
						return
					}
					var gi, gk, gm int
					if _, err := fmt.Sscanf(string(f.Payload), "%d %d %d", &gi, &gk, &gm); err != nil || gi != i || gk != k || gm != m {
						t.Errorf("%.20q where %d %d %d was due", f.Payload, i, k, m)
						return
					}
					l.expect(ws.OpPong, "")
				}
				switch rand.IntN(4) {
				case 0:
					l.Cut()
				case 1:
					l.peer.nc.Close()
				case 2:
					l.Close(CloseNormal, "")
					l.peer.nc.Close()
				case 3:
					l.write(frame(true, ws.OpClose, ""))
				}
				l.waitServed()
			}
		})
	}
	all.Wait()
	loops.mu.Lock()
	defer loops.mu.Unlock()
	for _, l := range loops.loops {
		l.mu.Lock()
		if len(l.free) != len(l.seats) {
			t.Errorf("%d of %d seats are taken", len(l.seats)-len(l.free), len(l.seats))
		}
		l.mu.Unlock()
	}
}

// A connection may be over before it is started.
func TestClosedBeforeStart(t *testing.T) {
	for name, end := range map[string]func(*Conn){
		"Close": func(c *Conn) { c.Close(CloseNormal, "refused") },
		"Cut":   func(c *Conn) { c.Cut() },
	} {
		t.Run(name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				server, client := n.dial(t)
				cfg := limits()
				cfg.Loops = n.loops
				c, p := upgrade(t, cfg, server, client)
				go end(c) // over a pipe the Close frame leaves when it is read
				if name == "Close" {
					p.expectClose(CloseNormal, "refused")
				} else {
					p.expectEOF()
				}
				r := newRecorder(t)
				served := make(chan struct{})
				c.Start(r, func() { close(served) })
				if name == "Close" {
					r.endedBy(CloseNormal, false)
				} else if err := r.ended(); err != ErrClosed {
					t.Errorf("closed by %v", err)
				}
				client.Close()
				<-served
				r.saw("closed")
				r.sawNothing()
			})
		})
	}
}

// Loops begin with the first connection, and may begin again.
func TestLoopsClose(t *testing.T) {
	var own Loops
	own.Close() // none yet
	for range 3 {
		for range 2 * runtime.GOMAXPROCS(0) {
			l := echo(t, limits(), network{connect: dialTCP, loops: &own})
			l.write(text("hello"))
			l.expectText("hello")
			l.write(frame(true, ws.OpClose, ""))
			l.waitServed()
		}
		if n := len(own.loops); n != runtime.GOMAXPROCS(0) {
			t.Errorf("%d loops for %d processors", n, runtime.GOMAXPROCS(0))
		}
		own.Close()
	}
}

// What is left over of a connection that has gone is not taken for the next one
// in its seat.
func TestLoopsStaleEvent(t *testing.T) {
	var own Loops
	defer own.Close()
	l := own.pick()
	seat := func(r *reader) syscall.EpollEvent {
		if err := l.add(r, 0); err != nil {
			t.Fatal(err)
		}
		return syscall.EpollEvent{Fd: r.seat, Pad: l.seats[r.seat].turn}
	}
	conn := func() *reader {
		server, client := dialTCP(t)
		t.Cleanup(func() { server.Close(); client.Close() })
		c, _ := upgrade(t, limits(), server, client)
		return &c.reader
	}
	former, next := conn(), conn()
	stale := seat(former)
	if l.at(&stale) != former {
		t.Error("the connection is not found")
	}
	l.remove(former)
	if l.at(&stale) != nil {
		t.Error("a connection that has gone is found")
	}
	fresh := seat(next)
	if fresh.Fd != stale.Fd {
		t.Fatalf("seat %d, then %d", stale.Fd, fresh.Fd)
	}
	if l.at(&stale) != nil {
		t.Error("an event of a connection that has gone finds another one")
	}
	if l.at(&fresh) != next {
		t.Error("the connection is not found")
	}
	l.remove(next)
}
