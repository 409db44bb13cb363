package wire

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Loops read many connections with few goroutines: one for each processor,
// which waits with epoll(7) for those of its connections that have something
// to read. A connection that is read so has no goroutine and no stack of its
// own until it ends. The zero value is ready; Close ends what the first
// connection starts.
type Loops struct {
	mu     sync.Mutex
	loops  []*loop
	next   int
	pauses *Deadlines // of all loops; nil without a loop
}

// loop is one goroutine and what it reads.
type loop struct {
	epoll  *os.File // an epoll instance; Go's own poller waits for it
	raw    syscall.RawConn
	pauses *Deadlines // of Loops
	done   chan struct{}

	// owned by the goroutine
	events [128]syscall.EpollEvent
	buf    [readSize]byte
	room   []byte // for what TLS has to say; nil before there was any
	batch  Batch
	read   readOp

	mu    sync.Mutex
	seats []seat
	free  []int32
}

// A seat is where a loop finds the connection that an event is about. What is
// left over from a former connection has another turn.
type seat struct {
	reader *reader
	turn   int32
}

// pick returns the loop for the next connection, or nil if the system has none
// to give.
func (ls *Loops) pick() *loop {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.pauses == nil {
		ls.pauses = NewDeadlines()
	}
	if ls.next++; ls.next > len(ls.loops) {
		if len(ls.loops) == runtime.GOMAXPROCS(0) {
			ls.next = 1
		} else if l, err := newLoop(ls.pauses); err == nil {
			ls.loops = append(ls.loops, l)
		} else if ls.next = 1; len(ls.loops) == 0 {
			return nil
		}
	}
	return ls.loops[ls.next-1]
}

// Close ends the loops and waits for them. Their connections must have ended.
func (ls *Loops) Close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.loops {
		_ = l.epoll.Close() // nothing was written to it
		<-l.done
	}
	if ls.pauses != nil {
		ls.pauses.Close()
	}
	ls.loops, ls.next, ls.pauses = nil, 0, nil
}

func newLoop(pauses *Deadlines) (*loop, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // so that os takes it to Go's poller
		return nil, errors.Join(err, syscall.Close(fd))
	}
	l := &loop{epoll: os.NewFile(uintptr(fd), "epoll"), pauses: pauses, done: make(chan struct{})}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		return nil, errors.Join(err, l.epoll.Close())
	}
	l.read.try = l.read.run
	go l.run()
	return l, nil
}

// run handles events until the epoll instance is closed.
func (l *loop) run() {
	defer close(l.done)
	var n int
	var failed error
	wait := func(fd uintptr) bool {
		n, failed = retry(func() (int, error) { return syscall.EpollWait(int(fd), l.events[:], 0) })
		return n != 0
	}
	for {
		if err := l.raw.Read(wait); err != nil {
			return // closed
		}
		if failed != nil {
			panic(fmt.Sprintf("epoll_wait: %v", failed)) // not with arguments like ours
		}
		for i := range l.events[:n] {
			if r := l.at(&l.events[i]); r != nil {
				l.ready(r, l.events[i].Events)
			}
		}
	}
}

// at returns the reader of the connection that an event is about, or nil if that
// has left.
func (l *loop) at(e *syscall.EpollEvent) *reader {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := &l.seats[e.Fd]; s.turn == e.Pad {
		return s.reader
	}
	return nil
}

// add seats a connection and has the loop read it from now on, once its budget
// has paid for n bytes that were read elsewhere. The goroutine that reads calls it.
func (l *loop) add(r *reader, n int) error {
	l.mu.Lock()
	if len(l.free) == 0 {
		l.free = append(l.free, int32(len(l.seats)))
		l.seats = append(l.seats, seat{})
	}
	i := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.seats[i].reader = r
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: i, Pad: l.seats[i].turn}
	r.seat = i
	l.mu.Unlock()

	err := l.control(r.conn, syscall.EPOLL_CTL_ADD, &event)
	if err != nil {
		l.leave(r)
		return err
	}
	return l.handBack(r, n, time.Now())
}

// remove has the loop forget a connection.
func (l *loop) remove(r *reader) {
	if r.pause != nil {
		l.pauses.Stop(&r.pause.deadline)
	}
	_ = l.control(r.conn, syscall.EPOLL_CTL_DEL, &syscall.EpollEvent{}) // fails if it is closed, which removes it too
	l.leave(r)
}

func (l *loop) leave(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.seat < 0 {
		return // it never had one
	}
	l.seats[r.seat] = seat{turn: l.seats[r.seat].turn + 1}
	l.free = append(l.free, r.seat)
	r.seat = -1
}

// control calls epoll_ctl(2) with the connection's file descriptor, which
// cannot be closed, and given to another, meanwhile.
func (l *loop) control(c *Conn, op int, event *syscall.EpollEvent) error {
	var failed error
	err := l.raw.Control(func(epoll uintptr) {
		failed = c.raw.Control(func(fd uintptr) {
			failed = syscall.EpollCtl(int(epoll), op, int(fd), event)
		})
	})
	return errors.Join(err, failed)
}

// ready reads a connection once and handles what came.
func (l *loop) ready(r *reader, events uint32) {
	if !r.claim(looped) && !l.cutShort(r, events) {
		return
	}
	c := r.conn
	p, n, err := l.take(r)
	begun := time.Time{}
	if n > 0 {
		r.batch = &l.batch
		l.batch.Begin()
		begun = l.batch.Begun()
		var hold Hold
		if p != nil {
			hold, err = r.handleGuarded(p, c.handler)
		}
		l.batch.End(c.cfg.Latency)
		if hold != nil {
			r.hold(l, hold, n)
			return
		}
	}
	if err == nil {
		err = l.handBack(r, n, begun)
	}
	if err != nil {
		r.stop(err)
	}
}

// take reads what is there, and returns what is to be handled then, if anything, and
// how many bytes were read.
func (l *loop) take(r *reader) (p []byte, n int, err error) {
	if r.conn.sealed == nil {
		into := r.behind(l.buf[:])
		n, err = l.read.from(r.conn, into[len(into):cap(into)])
		return into[:len(into)+n], n, err
	}
	if n, err = l.read.from(r.conn, l.buf[:]); n == 0 {
		return nil, 0, err
	}
	if l.room == nil {
		l.room = make([]byte, maxOpened)
	}
	return r.open(l.buf[:n], l.room), n, nil
}

// readOp is an attempt to read without waiting.
type readOp struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

// from reads what is there; n is 0 and err nil if nothing is.
func (op *readOp) from(c *Conn, p []byte) (n int, err error) {
	op.p, op.n, op.err = p, 0, nil
	if err := c.raw.Read(op.try); err != nil {
		return 0, err
	}
	op.p = nil
	return op.n, op.err
}

func (op *readOp) run(fd uintptr) bool {
	n, err := retry(func() (int, error) { return syscall.Read(int(fd), op.p) })
	switch {
	case err == syscall.EAGAIN:
	case err != nil:
		op.err = err
	case n == 0:
		op.err = errEOF
	default:
		op.n = n
	}
	return true
}
