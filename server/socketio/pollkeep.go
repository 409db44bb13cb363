package socketio

import (
	"bytes"
	"unsafe"

	"github.com/oodaa/signaling/server/wire"
)

// A pollKeeper knows which of the messages that are queued for polls are relays, and
// keeps those that a poll has fetched until the next request shows that the client
// has them. Its methods are called with Session.mu held.
type pollKeeper struct {
	relays  []pollRelay // oldest first
	fetched int         // how many of them have left the queue, and are in the answer
	put     int64       // messages, in all
	taken   int64       // of these, that have left the queue
	answer  []byte      // the last one, while there are relays in it
	lost    []takenBack // of a queue that was dropped
}

// A pollRelay is a relay that was queued.
type pollRelay struct {
	receipt    wire.Receipt
	first      int64 // position of its first message among all that were put
	messages   int   // a text message and one for each attachment
	begin, end int   // in the answer
}

// takenBack is a relay that the client has not acknowledged. Attachments are binary,
// or text messages in base64.
type takenBack struct {
	receipt  wire.Receipt
	messages []wire.Message
}

// add takes note of n messages that are queued, which are a relay if there is a
// receipt.
func (k *pollKeeper) add(receipt wire.Receipt, n int) {
	if receipt.From != nil {
		k.relays = append(k.relays, pollRelay{receipt: receipt, first: k.put, messages: n})
	}
	k.put += int64(n)
}

// next is the relay that the next message begins, or nil.
func (k *pollKeeper) next() *pollRelay {
	if k.fetched < len(k.relays) && k.relays[k.fetched].first == k.taken {
		return &k.relays[k.fetched]
	}
	return nil
}

// acknowledge forgets what earlier polls have fetched.
func (k *pollKeeper) acknowledge() {
	clear(k.relays[:k.fetched])
	k.relays = k.relays[k.fetched:]
	if len(k.relays) == 0 {
		k.relays = nil
	}
	k.fetched, k.answer = 0, nil
}

// memory is how much memory the relays take beside their messages.
func (k *pollKeeper) memory() int { return cap(k.relays) * int(unsafe.Sizeof(pollRelay{})) }

// growth is how much memory one more relay adds.
func (k *pollKeeper) growth() int {
	if len(k.relays) < cap(k.relays) {
		return 0
	}
	return max(k.memory(), int(unsafe.Sizeof(pollRelay{})))
}

// takePacket takes the next packet, and its receipt if it is a relay. The queue is
// not empty. Session.mu is held.
func (p *polling) takePacket() (packet takenBack) {
	if relay := p.keep.next(); relay != nil {
		packet.receipt = relay.receipt
		p.keep.fetched++
	}
	for more := true; more; more = p.queue.NextIsBinary() {
		binary := p.queue.NextIsBinary()
		packet.messages = append(packet.messages, wire.Message{Binary: binary, Payload: p.queue.Take(nil)})
		p.keep.taken++
	}
	return packet
}

// takeBack takes all relays back that the client has not acknowledged. What else is
// queued stays. Session.mu is held.
func (p *polling) takeBack() []takenBack {
	k := &p.keep
	relays := k.lost
	k.lost = nil
	for _, r := range k.relays[:k.fetched] {
		back := takenBack{receipt: r.receipt}
		for m := range bytes.SplitSeq(k.answer[r.begin:r.end], []byte{recordSeparator}) {
			back.messages = append(back.messages, wire.Message{Payload: m})
		}
		relays = append(relays, back)
	}
	k.acknowledge()
	if len(k.relays) == 0 {
		return relays
	}
	var others wire.Backlog
	for !p.queue.Empty() {
		packet := p.takePacket()
		if packet.receipt.From != nil {
			relays = append(relays, packet)
			continue
		}
		for i := range packet.messages {
			others.Put(&packet.messages[i])
		}
		k.put += int64(len(packet.messages))
	}
	p.queue = others
	k.acknowledge()
	p.account()
	return relays
}

// drop drops what is queued, but for the relays, which takeBack returns. Session.mu
// is held.
func (p *polling) drop() {
	p.keep.lost = p.takeBack()
	p.queue.Drop()
	p.keep.taken = p.keep.put
	p.account()
}
