//go:build zishang

package zishang

import "runtime/debug"

// guard calls f, which is code of the engine's user, and reports whether it
// returned. The library calls us from goroutines on which nobody recovers: a
// panic there ends the process.
func (e *engine) guard(f func()) (ok bool) {
	defer func() {
		if ok {
			return
		}
		v, stack := recover(), debug.Stack()
		if e.opts.Panicked != nil {
			e.opts.Panicked(v, stack)
		}
	}()
	f()
	return true
}
