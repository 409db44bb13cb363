package wire

import (
	"sync"
)

// A Receipt is what belongs to a relay besides its bytes: which client is notified
// if it does not arrive. The writer only compares From.
type Receipt struct {
	From     any // the sender; a pointer
	Accepted Instant
	Kind     uint8
	// Urgent relays are asked after as soon as they are written, where a Ping
	// asks; see Conn.Keep.
	Urgent bool
}

// relays are those that wait to be written and, where they are kept, those that
// are not acknowledged, in their order.
type relays struct {
	room *relayRoom // nil if there are none
}

// A relayRoom is borrowed while there are relays.
type relayRoom struct {
	list    []relayEntry
	written int // how many of them have been written
	waiting int // bytes of those that have not
	// shares is how many bytes of each sender's wait; nil while so little waits
	// that nobody has more than is due.
	shares map[any]int
}

// A relayEntry is one relay in the stream.
type relayEntry struct {
	end     int64 // position in the stream behind its last byte
	size    int
	kernel  int64 // bytes that the kernel was given when all of it was written
	receipt Receipt
}

// begin is the position of its first byte.
func (e *relayEntry) begin() int64 { return e.end - int64(e.size) }

var relayRooms = sync.Pool{New: func() any { return &relayRoom{list: make([]relayEntry, 0, 8)} }}

// all are the relays, oldest first.
func (r *relays) all() []relayEntry {
	if r.room == nil {
		return nil
	}
	return r.room.list
}

func (r *relays) add(e relayEntry) {
	if r.room == nil {
		r.room = relayRooms.Get().(*relayRoom)
	}
	room := r.room
	room.list = append(room.list, e)
	room.waiting += e.size
	if room.shares != nil {
		room.shares[e.receipt.From] += e.size
	}
}

// waiting is how many bytes have not been written.
func (r *relays) waiting() int {
	if r.room == nil {
		return 0
	}
	return r.room.waiting
}

// written is how many of the relays have been written.
func (r *relays) written() int {
	if r.room == nil {
		return 0
	}
	return r.room.written
}

// share is how many bytes of a sender's wait.
func (r *relays) share(from any) int {
	room := r.room
	if room == nil {
		return 0
	}
	if room.shares == nil {
		room.shares = make(map[any]int)
		for _, e := range room.list[room.written:] {
			room.shares[e.receipt.From] += e.size
		}
	}
	return room.shares[from]
}

// wrote takes note that the stream is written up to a position, for which the kernel
// was given so many bytes.
func (r *relays) wrote(position, kernel int64) {
	room := r.room
	if room == nil {
		return
	}
	list := room.list
	for ; room.written < len(list) && list[room.written].end <= position; room.written++ {
		list[room.written].kernel = kernel
		room.waitsNoLonger(&list[room.written])
	}
	if room.written == len(list) {
		room.shares = nil
	}
}

func (room *relayRoom) waitsNoLonger(e *relayEntry) {
	room.waiting -= e.size
	if room.shares == nil {
		return
	}
	if room.shares[e.receipt.From] -= e.size; room.shares[e.receipt.From] <= 0 {
		delete(room.shares, e.receipt.From)
	}
}

// forget drops the first n relays, of which the last may be written in part.
func (r *relays) forget(n int) {
	if n == 0 {
		return
	}
	room := r.room
	for i := room.written; i < n; i++ {
		room.waitsNoLonger(&room.list[i])
	}
	left := copy(room.list, room.list[n:])
	clear(room.list[left:])
	room.list = room.list[:left]
	room.written = max(room.written-n, 0)
	if left == 0 {
		if cap(room.list) <= maxRelayRoom {
			*room = relayRoom{list: room.list}
			relayRooms.Put(room)
		}
		r.room = nil
	}
}

// maxRelayRoom is the largest list that is given back.
const maxRelayRoom = 1024

// acknowledged is how many of the relays end at or before a position.
func (r *relays) acknowledged(position int64) int {
	n := 0
	for list := r.all(); n < r.written() && list[n].end <= position; n++ {
	}
	return n
}

// sealedBefore is the position behind the relays that were all written when the kernel
// was given n bytes.
func (r *relays) sealedBefore(n int64) (position int64) {
	for i, list := 0, r.all(); i < r.written() && list[i].kernel <= n; i++ {
		position = list[i].end
	}
	return position
}

// beginBefore is how many of the relays begin before a position.
func (r *relays) beginBefore(position int64) int {
	n := 0
	for list := r.all(); n < len(list) && list[n].begin() < position; n++ {
	}
	return n
}
