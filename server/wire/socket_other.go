//go:build !linux

package wire

import "net"

func limitUnsent(net.Conn) {}

func (w *writer) unacked() (n int, known bool) { return 0, false }
