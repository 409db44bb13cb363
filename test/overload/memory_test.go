package overload

// A memory is what a server may have resident, by its configuration. Buffers of
// the kernel are not in it: they belong to no process.
//
//	before + fixed + 2 × (clients × connection + outboxes × (outbox + spare) + kept × outbox / smallest × message + extra)
//
// The collector lets garbage grow to what is alive before it runs, which is the 2.
type memory struct {
	clients  int   // connected at the same time
	outboxes int   // of them, those whose outbox may be full
	outbox   int   // MAX_OUTBOX_BYTES
	kept     int   // of the outboxes, those that keep each message by itself
	smallest int   // bytes of one of these messages
	extra    int64 // what else is alive, as messages that are being read
}

const (
	// connection is what one connection may take beside its outbox: stacks of
	// up to five goroutines of 8 KB, the library's two buffers of 4 KB, what
	// net/http left, the session and the registration.
	connection = 64 << 10
	// spare is the room in an outbox that is not used: its first and last
	// chunk may be partly empty. No outbox is allowed more than a quarter for it.
	spare = 2 * 64 << 10
	// message is what one may cost that is kept by itself, for a client that polls,
	// beside its bytes.
	message = 512
	// fixed is for what does not grow with the attack: pools of buffers, stacks
	// of the loops, the heap's fragmentation.
	fixed = 24 << 20
)

func (m memory) bytes() int64 {
	full := int64(m.outboxes) * int64(m.outbox+min(m.outbox/4, spare))
	full += int64(m.kept) * int64(m.outbox/max(m.smallest, 1)*message)
	return fixed + 2*(int64(m.clients)*connection+full+m.extra)
}

// bound checks the peak so far.
func (s *stage) bound(m memory) {
	s.t.Helper()
	limit := s.rss + heapFactor*m.bytes()
	peak := s.peak()
	s.t.Logf("peak %.1f MB of the %.1f MB that the configuration allows", mb(peak), mb(limit))
	if peak > limit {
		s.t.Errorf("%d bytes were resident, over %d", peak, limit)
	}
}
