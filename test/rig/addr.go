package rig

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddr returns an address on loopback that nothing listens on, and that no
// other test gets, of another process neither, until this one has ended. It is
// not one of the ports that connections get at their own end, one of which could
// take it before it is listened on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	const first, ports = 15_000, 15_000
	for range 100 {
		port := first + rand.IntN(ports)
		// Whoever has the port above it has the port.
		mine, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+ports))
		if err != nil {
			continue
		}
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		l, err := net.Listen("tcp", addr)
		if err != nil {
			_ = mine.Close() // nothing was accepted
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = mine.Close() }) // likewise
		return addr
	}
	t.Fatal("no free port")
	return ""
}
