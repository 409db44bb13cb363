package wire

import (
	"container/heap"
	"sync"
	"time"
)

// Deadlines calls back at set times. Any number of deadlines shares one
// goroutine and one timer.
type Deadlines struct {
	start time.Time

	mu   sync.Mutex
	heap deadlineHeap
	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	once sync.Once // closes stop
}

// A Deadline is one time at which to call back. The zero value is not set.
type Deadline struct {
	at    time.Duration // since Deadlines.start
	early time.Duration // how much sooner it may come, with another one
	owner Expirer
	index int // in the heap, counted from 1; 0 if not set
}

// An Expirer is called when its deadline has come. Expired must not block, and
// may be called once more right after the deadline was stopped or moved.
type Expirer interface{ Expired(at time.Time) }

// NewDeadlines starts the goroutine, which runs until Close.
func NewDeadlines() *Deadlines {
	d := &Deadlines{start: time.Now(), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d
}

// Close stops all deadlines and waits for a callback that is running. It may be
// called more than once.
func (d *Deadlines) Close() {
	d.once.Do(func() { close(d.stop) })
	<-d.done
}

// Set sets or moves a deadline.
func (d *Deadlines) Set(dl *Deadline, at time.Time, owner Expirer) {
	d.set(dl, at.Sub(d.start), 0, owner)
}

// HeartbeatEarly is how much sooner than its interval a heartbeat may come, as a
// divisor of the interval.
const HeartbeatEarly = 64

// SetHeartbeat is Set for the next heartbeat, one interval after the last sign of
// life. It comes a little early where another deadline is due then: one wake-up
// serves many heartbeats, and their answers arrive together.
func (d *Deadlines) SetHeartbeat(dl *Deadline, last time.Time, interval time.Duration, owner Expirer) {
	d.set(dl, last.Add(interval).Sub(d.start), interval/HeartbeatEarly, owner)
}

func (d *Deadlines) set(dl *Deadline, at, early time.Duration, owner Expirer) {
	d.mu.Lock()
	dl.at, dl.early, dl.owner = at, early, owner
	if dl.index == 0 {
		heap.Push(&d.heap, dl)
	} else {
		heap.Fix(&d.heap, dl.index-1)
	}
	first := dl.index == 1
	d.mu.Unlock()
	if first {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// Stop unsets a deadline.
func (d *Deadlines) Stop(dl *Deadline) {
	d.mu.Lock()
	if dl.index > 0 {
		heap.Remove(&d.heap, dl.index-1)
	}
	d.mu.Unlock()
}

func (d *Deadlines) run() {
	defer close(d.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, due := time.Hour, false
		d.mu.Lock()
		for len(d.heap) > 0 {
			dl := d.heap[0]
			if wait := dl.at - time.Since(d.start); wait > 0 && !(due && wait <= dl.early) {
				next = wait
				break
			}
			due = true
			heap.Pop(&d.heap)
			at, owner := dl.at, dl.owner
			d.mu.Unlock()
			owner.Expired(d.start.Add(at))
			d.mu.Lock()
		}
		d.mu.Unlock()
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-d.wake:
		case <-d.stop:
			return
		}
	}
}

type deadlineHeap []*Deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h deadlineHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *deadlineHeap) Push(x any) {
	dl := x.(*Deadline)
	*h = append(*h, dl)
	dl.index = len(*h)
}

func (h *deadlineHeap) Pop() any {
	old := *h
	dl := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	dl.index = 0
	return dl
}
