package wire

// A Batch collects the connections that frames were queued on without being
// written. Its owner, the goroutine that reads one connection, calls Flush once
// it has handled everything that arrived together, so that frames for one peer
// leave in one system call. A Batch is not safe for concurrent use.
type Batch struct {
	conns []*Conn
}

// Flush writes what waits on the collected connections and forgets them.
func (b *Batch) Flush() {
	for i, c := range b.conns {
		c.Flush()
		b.conns[i] = nil
	}
	b.conns = b.conns[:0]
}

func (b *Batch) add(c *Conn) {
	b.conns = append(b.conns, c)
}
