package wire

import (
	"sync"
	"time"
)

// A reader takes the frames that the peer sends, and hands its messages to the
// handler. One goroutine at a time reads: a loop's, or one of the connection's.
// mu is never held while it does.
type reader struct {
	conn *Conn // static

	// owned by the goroutine that reads
	in         *Buffer // an incomplete frame, between reads; nil if none
	message    *Buffer // the fragments of an incomplete message; nil if none
	batch      *Batch
	incomplete int // memory that the account has of these
	fragmented bool
	binary     bool
	lingering  bool // what is read does not matter any more
	hungUp     bool // the peer was gone during a pause

	mu      sync.Mutex
	state   readState
	loop    *loop         // that reads; nil: none does
	leaving bool          // a goroutine ends the connection in place of the loop, or will
	seat    int32         // in the loop; negative: none. Guarded by loop.mu
	pause   *pause        // of the state paused
	idle    chan struct{} // closed when no goroutine reads; nil if none waits for that
	awake   chan struct{} // closed when the pause of a goroutine is cut short; nil if none pauses
}

// A readState tells which goroutine reads:
//
//	               ┌──────── read ◄─────── paid, or the peer is gone ──────┐
//	               ▼                                                       │
//	apart ─────► reading ── all was handled ──► looped ── over budget ──► paused
//	  ▲           │   ▲ └────── a Hold ──► holding ──┐
//	  │           │   └───────────── it is over ─────┘
//	  └── an error, or the connection ends, once none reads or holds
type readState uint8

const (
	apart   readState = iota // no loop: a goroutine of the connection's, or none yet
	looped                   // its loop, once something has arrived
	reading                  // its loop, or the goroutine that adds it to that
	holding                  // none, until a Hold is over
	paused                   // none, until the debt is paid
)

// busy reports whether a goroutine is in the middle of what it read.
func (s readState) busy() bool { return s == reading || s == holding }

// become changes the state on behalf of the goroutine that reads.
func (r *reader) become(s readState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set(s)
}

// set is become. mu is held.
func (r *reader) set(s readState) {
	r.state = s
	if r.idle != nil && !s.busy() {
		close(r.idle)
		r.idle = nil
	}
}

// claim makes the caller the goroutine that reads, where the state is s.
func (r *reader) claim(s readState) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != s {
		return false
	}
	r.state = reading
	return true
}

// setLoop says which loop will read, once join has added the connection to it.
func (r *reader) setLoop(l *loop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loop = l
}

func (r *reader) inLoop() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loop != nil
}

// join handles what came with the handshake, and adds the connection to its loop,
// unless it is ending already.
func (r *reader) join() {
	r.mu.Lock()
	if r.leaving {
		r.mu.Unlock()
		return
	}
	r.set(reading)
	l := r.loop
	r.mu.Unlock()
	early := r.in.len()
	hold, err := r.handleEarly(r.conn.handler)
	err = r.finishHolds(hold, err)
	if err == nil {
		err = l.add(r, early)
	}
	if err != nil {
		r.stop(err)
	}
}

// stop is the end of the reading, by the goroutine that reads. The one that ends
// the connection waits for become, so it knows err then.
func (r *reader) stop(err error) {
	r.conn.stopLoop(err)
	r.become(apart)
}

// leave has the caller end the connection in place of its loop, which it returns.
// first is false where there is no loop, or another goroutine does that.
func (r *reader) leave() (l *loop, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = r.loop != nil && !r.leaving
	r.leaving = r.leaving || first
	return r.loop, first
}

// takeOver waits until no goroutine reads, and makes the caller the one that does.
func (r *reader) takeOver() {
	for {
		r.mu.Lock()
		if !r.state.busy() {
			r.state = apart
			r.mu.Unlock()
			return
		}
		if r.idle == nil {
			r.idle = make(chan struct{})
		}
		idle := r.idle
		r.mu.Unlock()
		<-idle
	}
}

// forget drops what has arrived of a message.
func (r *reader) forget() {
	r.in.Free()
	r.message.Free()
	r.in, r.message = nil, nil
	r.accountIncomplete()
}

// serve handles what arrives until the connection is over. The caller's goroutine
// reads.
func (r *reader) serve() error {
	h := r.conn.handler
	return guard(func() error {
		defer r.batch.Flush()
		early := r.in.len()
		hold, err := r.handleEarly(h)
		if err := r.finishHolds(hold, err); err != nil {
			return err
		}
		if err := r.pay(early, time.Now()); err != nil {
			return err
		}
		return r.read(func(p []byte) error {
			r.batch.Begin()
			hold, err := r.handle(p, h)
			r.batch.End(r.conn.cfg.Latency)
			return r.finishHolds(hold, err)
		})
	})
}

// handleEarly handles what came together with the handshake.
func (r *reader) handleEarly(h Handler) (Hold, error) {
	if r.in == nil {
		return nil, nil
	}
	if r.batch == nil {
		r.batch = new(Batch)
	}
	r.batch.Begin()
	defer r.batch.End(r.conn.cfg.Latency)
	return r.handleGuarded(r.in.B, h)
}

// handleGuarded is handle, with a panic of the handler turned into an error.
func (r *reader) handleGuarded(p []byte, h Handler) (hold Hold, err error) {
	err = guard(func() (err error) {
		hold, err = r.handle(p, h)
		return err
	})
	return hold, err
}

// handle handles the frames in p, which begins with the bytes of r.in if there
// are any, and keeps what is left: an incomplete one, or all that follow the one
// that failed, or holds.
func (r *reader) handle(p []byte, h Handler) (Hold, error) {
	hold, err := r.handleFrames(p, h)
	r.accountIncomplete()
	return hold, err
}

// accountIncomplete accounts for what is held of incomplete messages.
func (r *reader) accountIncomplete() {
	if n := r.in.cap() + r.message.cap(); n != r.incomplete {
		r.conn.holder.Add(n-r.incomplete, 0)
		r.incomplete = n
	}
}

func (r *reader) handleFrames(p []byte, h Handler) (Hold, error) {
	consumed, need, hold, err := r.frames(p, h)
	had, rest := r.in, p[consumed:]
	if had != nil && consumed == 0 && &p[0] == &had.B[0] {
		had.B = p
		return hold, err
	}
	r.in = nil
	if len(rest) > 0 {
		r.in = Borrow(partialSize(len(rest), need))
		r.in.B = append(r.in.B, rest...)
	}
	had.Free()
	return hold, err
}
