package wire

import "time"

// A Batch collects the connections that frames were queued on without being
// written. Its owner, the goroutine that reads one connection, ends it once it
// has handled everything that arrived together, so that frames for one peer
// leave in one system call. A Batch is not safe for concurrent use.
type Batch struct {
	writers []*writer
	begun   time.Time
	relays  int
}

// Begin starts the batch of what has just been read.
func (b *Batch) Begin() { b.begun = time.Now() }

// Begun is when what is being handled was read. Where nothing was read, or
// there is no batch, it is now.
func (b *Batch) Begun() time.Time {
	if b == nil || b.begun.IsZero() {
		return time.Now()
	}
	return b.begun
}

// CountRelay counts a message that End is to take the time of.
func (b *Batch) CountRelay() { b.relays++ }

// End flushes the batch, and observes how long its messages took. latency may
// be nil.
func (b *Batch) End(latency *Histogram) {
	b.Flush()
	if b.relays > 0 && latency != nil {
		latency.Observe(time.Since(b.begun), b.relays)
	}
	b.relays, b.begun = 0, time.Time{}
}

// Flush writes what waits on the collected connections and forgets them.
func (b *Batch) Flush() {
	for i, w := range b.writers {
		w.flush()
		b.writers[i] = nil
	}
	b.writers = b.writers[:0]
}

func (b *Batch) add(w *writer) {
	b.writers = append(b.writers, w)
}
