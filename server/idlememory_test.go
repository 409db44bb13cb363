//go:build linux && !race

package server

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// TestIdleMemory bounds what is alive of connections that nobody uses. The clients are
// bare sockets, which have nothing in the heap.
func TestIdleMemory(t *testing.T) {
	opts := options()
	opts.ReconnectGrace = 15 * time.Second
	opts.MaxConnectionsPerIP = 1000
	r := run(t, opts)
	var port int
	if _, err := fmt.Sscanf(r.url, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	const n, most = 400, 2100
	fds := make([]int, 0, n+50)
	defer func() {
		for _, fd := range fds {
			_ = syscall.Close(fd)
		}
	}()
	open := func(n int) {
		for range n {
			fds = append(fds, openIdle(t, port))
		}
	}
	open(50) // which make what all share
	before := liveHeap()
	open(n)
	each := (liveHeap() - before) / n
	t.Logf("%d bytes for each idle connection", each)
	if each > most {
		t.Errorf("%d bytes for each idle connection, more than %d", each, most)
	}
}

// openIdle opens a connection as a Socket.IO client does, and returns its descriptor.
func openIdle(t *testing.T, port int) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	ask := func(request []byte, answer string) {
		if _, err := syscall.Write(fd, request); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for buf := make([]byte, 1024); !strings.Contains(string(got), answer); {
			n, err := syscall.Read(fd, buf)
			if err != nil || n == 0 {
				t.Fatalf("%v after %q", err, got)
			}
			got = append(got, buf[:n]...)
		}
	}
	ask([]byte("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), `0{"sid"`)
	ask(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("40")))), `40{"sid"`)
	return fd
}

// liveHeap is how many bytes are alive.
func liveHeap() int {
	for range 3 { // what is pooled goes with the second
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
