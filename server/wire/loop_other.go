//go:build !linux

package wire

// Loops need epoll(7). Elsewhere there are none, and every connection has a
// goroutine that reads it.
type Loops struct{}

type loop struct{}

// Close does nothing.
func (ls *Loops) Close() {}

func (ls *Loops) pick() *loop { return nil }

func (l *loop) add(*reader, int) error { return ErrClosed }
func (l *loop) remove(*reader)         {}

type pause struct{}
