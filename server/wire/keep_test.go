package wire

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A keptLink is a link whose relays are kept.
type keptLink struct {
	*link
	deadlines *Deadlines
	sent      []string
	taken     chan struct{} // closed when the test has taken the relays back
}

func keeping(t testing.TB, n network, byPong bool, mutate func(server, client net.Conn)) *keptLink {
	t.Helper()
	server, client := n.dial(t)
	if mutate != nil {
		mutate(server, client)
	}
	deadlines := NewDeadlines()
	cfg := &Config{MaxMessage: 100_000, MaxOutbox: 64 << 20, Loops: n.loops, Deadlines: deadlines}
	c, p := upgrade(t, cfg, server, client)
	k := &keptLink{
		link:      &link{Conn: c, peer: p, recorder: newRecorder(t), served: make(chan struct{})},
		deadlines: deadlines,
		taken:     make(chan struct{}),
	}
	c.Keep(byPong)
	c.Start(k.recorder, func() {
		<-k.taken
		close(k.served)
	})
	t.Cleanup(func() {
		close(k.taken)
		client.Close()
		c.Cut()
		k.waitServed()
		k.deadlines.Close()
	})
	return k
}

// senders are as many as it takes that none has too much of an outbox.
var senders [8]int

// relay queues a relay, of which every third has an attachment.
func (k *keptLink) relay(batch *Batch, size int, urgent bool) {
	k.peer.t.Helper()
	i := len(k.sent)
	text := fmt.Sprintf("%06d ", i) + letters(size)
	r := Receipt{From: &senders[i%len(senders)], Accepted: Instant(i), Urgent: urgent}
	messages := []Message{{Prefix: []byte(text[:3]), Payload: []byte(text[3:])}}
	if i%3 == 2 {
		messages = append(messages, Message{Binary: true, Payload: []byte(text)})
	}
	if err := k.Relay(batch, r, messages...); err != nil {
		k.peer.t.Fatalf("relay %d: %v", i, err)
	}
	k.sent = append(k.sent, text)
}

// read reads n relays, and whatever is in between, and returns the payloads of
// the Pings that came.
func (k *keptLink) read(n int) (pings []string) {
	k.peer.t.Helper()
	for n > 0 {
		f, err := k.next()
		if err != nil {
			k.peer.t.Fatal(err)
		}
		switch f.Header.OpCode {
		case ws.OpText:
			var i int
			if _, err := fmt.Sscanf(string(f.Payload), "%06d ", &i); err != nil {
				continue
			}
			if i%3 != 2 {
				n--
			}
		case ws.OpBinary:
			n--
		case ws.OpPing:
			pings = append(pings, string(f.Payload))
		}
	}
	return pings
}

// takeBack checks that exactly the relays from the given one on are returned.
func (k *keptLink) takeBack(from int) {
	k.peer.t.Helper()
	i := from
	k.Unacknowledged(func(r Receipt, messages []Message) {
		want := 1
		if i%3 == 2 {
			want = 2
		}
		if i >= len(k.sent) || r.From != &senders[i%len(senders)] || r.Accepted != Instant(i) || len(messages) != want || string(messages[0].Payload) != k.sent[i] || messages[0].Binary {
			k.peer.t.Fatalf("relay %d of %d: got %d, %d messages", i, len(k.sent), r.Accepted, len(messages))
		}
		if want == 2 && (!messages[1].Binary || string(messages[1].Payload) != k.sent[i]) {
			k.peer.t.Fatalf("relay %d: another attachment", i)
		}
		i++
	})
	if i != len(k.sent) {
		k.peer.t.Fatalf("relays %d to %d were returned, of %d to %d", from, i, from, len(k.sent))
	}
	k.expectNothingKept()
}

func (k *keptLink) expectNothingKept() {
	k.peer.t.Helper()
	w := &k.writer
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := w.keep.kept.Memory(); n != 0 || w.relays.room != nil {
		k.peer.t.Fatalf("%d bytes are kept, for %d relays", n, len(w.relays.all()))
	}
}

// A pong acknowledges what was written before its Ping, and nothing behind it;
// so does the answer to a heartbeat.
func TestUnacknowledgedByPong(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		k := keeping(t, n, true, nil)
		for range 10 {
			k.relay(nil, 500, true) // each is asked after
		}
		pings := k.read(10)
		f, err := k.next() // the one behind the last
		if err != nil || f.Header.OpCode != ws.OpPing {
			t.Fatalf("%v, %v", f.Header, err)
		}
		pings = append(pings, string(f.Payload))
		if len(pings) != 10 || !slices.IsSorted(pings) {
			t.Fatalf("%d pings: %x", len(pings), pings)
		}
		k.write(frame(true, ws.OpPong, pings[3]), frame(true, ws.OpPong, pings[1]), frame(true, ws.OpPong, ""),
			frame(true, ws.OpPong, string(binary.BigEndian.AppendUint64(nil, 1<<40))), text("so far"))
		k.saw("text so far")
		k.Cut()
		k.takeBack(4)
	})
}

// What is not urgent is asked after once a second, one at a time.
func TestAskedAfterInTime(t *testing.T) {
	t.Parallel()
	k := keeping(t, epoll, true, nil)
	begun := time.Now()
	for range 5 {
		k.relay(nil, 100, false)
	}
	pings := k.read(5)
	if len(pings) != 1 {
		t.Fatalf("%d pings", len(pings))
	}
	k.write(frame(true, ws.OpPong, pings[0]))
	f, err := k.next()
	if err != nil || f.Header.OpCode != ws.OpPing {
		t.Fatalf("%v, %v", f.Header, err)
	}
	if took := time.Since(begun); took < askEvery {
		t.Errorf("the next after %v", took)
	}
	k.write(frame(true, ws.OpPong, string(f.Payload)), text("all of it"))
	k.saw("text all of it")
	k.expectNothingKept()
}

// The answer to a heartbeat that did not overtake them acknowledges relays.
func TestHeartbeatAcknowledges(t *testing.T) {
	for _, byPong := range []bool{false, true} {
		t.Run(fmt.Sprint(byPong), func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				k := keeping(t, n, byPong, nil)
				k.relay(nil, 100, false)
				k.read(1)
				if err := k.PingText("2"); err != nil {
					t.Fatal(err)
				}
				for {
					f, err := k.next()
					if err != nil {
						t.Fatal(err)
					}
					if string(f.Payload) == "2" {
						break
					}
				}
				k.relay(nil, 100, false)
				if !k.Answered() {
					t.Fatal("not an answer")
				}
				k.Cut()
				first := 1
				if !byPong && n.loops == nil || runtime.GOOS == "linux" && !byPong {
					return // the peer's TCP may have acknowledged the second
				}
				k.takeBack(first)
			})
		})
	}
}

// TestHeartbeatsBeforeTheFirstRelay counts those, too, as what the kernel was given
// besides the stream.
func TestHeartbeatsBeforeTheFirstRelay(t *testing.T) {
	for _, n := range []int{0, 1, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			k := keeping(t, epoll, false, nil)
			for range n {
				if err := k.PingText("2"); err != nil {
					t.Fatal(err)
				}
			}
			k.relay(nil, 100, false)
			w := &k.writer
			w.mu.Lock()
			defer w.mu.Unlock()
			if got := w.keep.overtakers.position(w.kernel); got != w.position {
				t.Errorf("the stream is at %d, counted %d", w.position, got)
			}
		})
	}
	t.Run("half written", func(t *testing.T) {
		whole := &Buffer{B: []byte("0123456789")}
		for sent := range len(whole.B) {
			w := &writer{conn: new(Conn), keeps: keepByTCP}
			w.flight = flight{buf: whole, alien: 4}
			w.took(sent)
			w.keepFromNow()
			w.took(len(whole.B) - sent)
			if got := w.keep.overtakers.position(w.kernel); got != w.position {
				t.Errorf("with %d of %d bytes before: the stream is at %d, counted %d", sent, len(whole.B), w.position, got)
			}
		}
	})
}

// A relay allocates nothing, kept or not.
func TestRelayAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	for name, byPong := range map[string]bool{"by TCP": false, "by pong": true} {
		t.Run(name, func(t *testing.T) {
			k := keeping(t, epoll, byPong, nil)
			relayAllocations(t, k.link)
		})
	}
	t.Run("not kept", func(t *testing.T) { relayAllocations(t, connect(t, limits(), epoll)) })
}

func relayAllocations(t *testing.T, l *link) {
	t.Helper()
	go func() { _, _ = io.Copy(io.Discard, l.peer.nc) }()
	payload := []byte(letters(300))
	r := Receipt{From: l}
	var batch Batch
	if got := testing.AllocsPerRun(1000, func() {
		batch.Begin()
		_ = l.Relay(&batch, r, Message{Payload: payload})
		batch.Flush()
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestUnacknowledgedKeepsTheClose takes relays back while a Close frame waits
// behind them: the peer gets the frame, and not the relays.
func TestUnacknowledgedKeepsTheClose(t *testing.T) {
	w := &writer{conn: &Conn{cfg: &Config{MaxOutbox: 1 << 20}}, keeps: keepByTCP, keep: new(keeper)}
	w.relays.add(relayEntry{end: 5, size: 5, receipt: Receipt{}})
	w.queue.begin()
	w.put(&Message{Payload: []byte("abc")})
	w.putClose(&CloseError{Code: CloseGoingAway, Reason: "bye"})
	w.state, w.err = closing, &CloseError{Code: CloseGoingAway, Reason: "bye"}
	taken := w.surrender()
	if len(taken) != 1 || len(taken[0].messages) != 1 || string(taken[0].messages[0].Payload) != "abc" {
		t.Errorf("took back %+v", taken)
	}
	var left []byte
	for b := w.queue.Pop(); b != nil; b = w.queue.Pop() {
		left = append(left, b.B...)
	}
	if want := "\x88\x05\x03\xe9bye"; string(left) != want {
		t.Errorf("left %q, want %q", left, want)
	}
}
