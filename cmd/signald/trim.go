package main

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A trimmer gives memory back to the system that the process does not need. The
// garbage collector lets the heap grow to twice what is alive, and runs when that
// is full: what many handshakes have left behind would stay for as long as their
// connections are idle. Under load it does nothing.
type trimmer struct {
	stop, done chan struct{}

	samples []metrics.Sample
	last    heap
	rest    time.Time // not before
}

const (
	trimEvery = time.Second
	// trimShare bounds the time that trimming takes, as a share of all.
	trimShare = 100
	// trimSpare is how much is not worth it, besides a quarter of what is alive.
	trimSpare = 4 << 20
)

// A heap is how the heap stands, in bytes.
type heap struct {
	live      uint64 // at the end of the last collection
	resident  uint64
	allocated uint64 // since the start
	off       bool   // there are no collections: GOGC=off
}

// startTrimmer starts one that looks at the heap every so often.
func startTrimmer(every time.Duration) *trimmer {
	t := &trimmer{stop: make(chan struct{}), done: make(chan struct{})}
	for _, name := range []string{
		"/gc/heap/live:bytes", "/memory/classes/heap/objects:bytes", "/memory/classes/heap/unused:bytes",
		"/memory/classes/heap/free:bytes", "/gc/heap/allocs:bytes", "/gc/gogc:percent",
	} {
		t.samples = append(t.samples, metrics.Sample{Name: name})
	}
	go t.run(every)
	return t
}

// Close ends the trimmer.
func (t *trimmer) Close() {
	close(t.stop)
	<-t.done
}

func (t *trimmer) run(every time.Duration) {
	defer close(t.done)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticks.C:
		}
		now := t.read()
		if now.idleSince(t.last) && now.spare() && !time.Now().Before(t.rest) {
			begun := time.Now()
			debug.FreeOSMemory()
			t.rest = time.Now().Add(trimShare * time.Since(begun))
			now = t.read()
		}
		t.last = now
	}
}

func (t *trimmer) read() heap {
	metrics.Read(t.samples)
	value := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	return heap{live: value(0), resident: value(1) + value(2) + value(3), allocated: value(4), off: value(5) == math.MaxUint64}
}

// spare reports whether much of the heap is not alive.
func (h heap) spare() bool { return !h.off && h.resident > h.live+h.live/4+trimSpare }

// idleSince reports whether little was allocated since: what is given back would
// be taken again under load.
func (h heap) idleSince(last heap) bool { return h.allocated-last.allocated < trimSpare/4 }
