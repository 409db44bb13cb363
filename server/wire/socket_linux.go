package wire

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxUnsent is how many bytes the kernel is given ahead of what the network
// takes. What it holds, no limit of ours sees, and no ping overtakes.
const maxUnsent = 64 << 10

// limitUnsent sets TCP_NOTSENT_LOWAT (tcp(7)).
func limitUnsent(nc net.Conn) {
	if sc := socket(nc); sc != nil {
		_ = sc.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, maxUnsent)
		})
	}
}

// unacked is how many bytes the kernel holds that the peer's kernel has not
// acknowledged (SIOCOUTQ, tcp(7)), if it is known.
func (w *writer) unacked() (n int, known bool) {
	sc := w.conn.raw
	if sc == nil {
		if sc = socket(w.conn.nc); sc == nil {
			return 0, false
		}
	}
	err := sc.Control(func(fd uintptr) {
		var failed error
		n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		known = failed == nil
	})
	return n, known && err == nil
}

// socket is the descriptor below nc, through TLS; nil if there is none.
func socket(nc net.Conn) syscall.RawConn {
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			return raw
		}
	}
	return nil
}
