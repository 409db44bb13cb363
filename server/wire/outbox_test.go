package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// fillMessage is the size of a message that fill sends: more than a socket's
// buffer of a slowReader takes at once.
const fillMessage = 100_000

// slowReader is a link whose peer reads nothing yet, over buffers so small that
// what is sent waits in the outbox.
func slowReader(t testing.TB, cfg *Config, n network) *link {
	t.Helper()
	server, client := n.dial(t)
	narrow(server, client)
	return start(t, cfg, n, server, client, newRecorder(t))
}

// awaitStalled waits until the kernel has taken nothing for a while.
func (l *link) awaitStalled() {
	l.peer.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < patience; <-tick.C {
		l.writer.mu.Lock()
		last := l.writer.stall.progress // zero before the goroutine that writes has begun
		still := l.writer.activity == stalled && last != 0 && time.Since(last.Time()) > 100*time.Millisecond
		l.writer.mu.Unlock()
		if still {
			return
		}
	}
	l.peer.t.Fatal("the kernel goes on taking")
}

// fill queues size bytes in numbered messages, all of which must fit.
func fill(t testing.TB, l *link, size int) {
	t.Helper()
	for i := range size / fillMessage {
		if err := l.Send(nil, Message{Prefix: fmt.Appendf(nil, "%08d", i), Payload: []byte(letters(fillMessage - 8))}); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	l.filled = size / fillMessage
	l.writer.mu.Lock()
	defer l.writer.mu.Unlock()
	if l.writer.activity != stalled {
		t.Fatal("nothing waits in the outbox")
	}
}

// expectFill reads, in small steps, what fill queued.
func (l *link) expectFill() {
	l.peer.t.Helper()
	for i := range l.filled {
		l.expectText(fmt.Sprintf("%08d", i) + letters(fillMessage-8))
	}
}

func TestSend(t *testing.T) {
	for _, length := range lengths {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				l := connect(t, limits(), n)
				s := letters(length)
				for _, m := range []Message{
					{Payload: []byte(s)},
					{Prefix: []byte(s)},
					{Prefix: []byte(s[:length/2]), Payload: []byte(s[length/2:])},
				} {
					if err := l.Send(nil, m); err != nil {
						t.Fatal(err)
					}
					l.expectText(s)
				}
				if err := l.Send(nil, Message{Binary: true, Payload: []byte(s)}); err != nil {
					t.Fatal(err)
				}
				l.expect(ws.OpBinary, s)
			})
		})
	}
}

// The bytes are the caller's again on return.
func TestSendCopies(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		l := connect(t, limits(), n)
		b := []byte("mine")
		var batch Batch
		if err := l.Send(&batch, Message{Prefix: b, Payload: b}); err != nil {
			t.Fatal(err)
		}
		copy(b, "gone")
		batch.Flush()
		l.expectText("minemine")
	})
}

func TestPing(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		l := connect(t, limits(), n)
		if err := l.Ping(); err != nil {
			t.Fatal(err)
		}
		l.expect(ws.OpPing, "")
		l.write(frame(true, ws.OpPong, ""))
		l.saw("pong")
	})
}

// A peer that does not read is cut once its outbox is full.
func TestSlowConsumer(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		cfg := limits()
		l := connect(t, cfg, n)
		other := connect(t, cfg, n)
		payload := []byte(letters(10_000))
		var err error
		sent := 0
		for ; err == nil && sent < 100_000; sent++ {
			err = l.Send(nil, Message{Payload: payload})
		}
		if err != ErrSlow {
			t.Fatalf("after %d messages: %v", sent, err)
		}
		if sent*len(payload) < cfg.MaxOutbox*3/4 {
			t.Errorf("cut after %d bytes, long before MaxOutbox", sent*len(payload))
		}
		if err := l.Send(nil, Message{}); err != ErrClosed {
			t.Errorf("Send after the cut: %v", err)
		}
		if err := l.ended(); !errors.Is(err, ErrSlow) {
			t.Errorf("closed by %v", err)
		}
		l.waitServed()
		l.expectCut()
		if n := cfg.SlowConsumers(); n != 1 {
			t.Errorf("%d slow consumers counted, want 1", n)
		}
		cfg.CountSlow()
		if n := cfg.SlowConsumers(); n != 2 {
			t.Errorf("%d slow consumers counted, want 2", n)
		}
		go func() { _ = other.Send(nil, Message{Payload: []byte("alive")}) }()
		other.expectText("alive")
	})
}

// The bound is one of memory, what is in flight included. One message fits
// always.
func TestMaxOutbox(t *testing.T) {
	for _, size := range []int{1, 100, 5000, 70_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			cfg := &Config{MaxMessage: 10, MaxOutbox: 300_000}
			l := connect(t, cfg, pipe) // which takes nothing by itself
			payload := make([]byte, size)
			sent, most := 0, 0
			var err error
			for err == nil {
				l.writer.mu.Lock()
				most = max(most, l.writer.used())
				l.writer.mu.Unlock()
				sent++
				err = l.Send(nil, Message{Payload: payload}, Message{Binary: true, Payload: payload})
			}
			if err != ErrSlow {
				t.Fatalf("Send %d: %v", sent, err)
			}
			if most > cfg.MaxOutbox || most < cfg.MaxOutbox*3/4 {
				t.Errorf("%d bytes of memory were used", most)
			}
			if bytes := sent * 2 * frameSize(size); bytes < cfg.MaxOutbox/2 {
				t.Errorf("full after %d bytes", bytes)
			}
		})
	}
	onSockets(t, func(t *testing.T, n network) { // what left does not count
		l := connect(t, &Config{MaxMessage: 10, MaxOutbox: 1000}, n)
		for i := range 1000 {
			if err := l.Send(nil, Message{Payload: make([]byte, 5000)}); err != nil {
				t.Fatalf("Send %d: %v", i, err)
			}
			l.expectText(string(make([]byte, 5000)))
		}
	})
}

// TestOneSenderFillsAQuarter has one sender after another fill the outbox of a peer
// that takes nothing. A quarter of it is left for what the server has to say.
func TestOneSenderFillsAQuarter(t *testing.T) {
	const most, size = 400_000, 1000
	l := connect(t, &Config{MaxMessage: 10, MaxOutbox: most}, pipe)
	payload := make([]byte, size)
	fill := func(from any) (relays int) {
		for l.Relay(nil, Receipt{From: from}, Message{Payload: payload}) == nil {
			relays++
		}
		return relays
	}
	if n := fill(&senders[0]); n*size > most/4 || n*size < most/5 {
		t.Errorf("one sender has %d relays of %d bytes in %d", n, size, most)
	}
	if fill(&senders[1]) < most/5/size {
		t.Error("nothing is left for the next sender")
	}
	var further int
	for i := range senders[2:] {
		further += fill(&senders[2+i])
	}
	if further == 0 {
		t.Error("nothing is left for a third sender")
	}
	if err := l.Send(nil, Message{Payload: payload}); err != nil {
		t.Errorf("the server itself: %v", err)
	}
}

// A peer that pings without reading the answers is cut as well.
func TestSlowConsumerOfPongs(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		cfg := &Config{MaxMessage: 1000, MaxOutbox: 10_000}
		l := slowReader(t, cfg, n)
		ping := bytes.Repeat(frame(true, ws.OpPing, letters(125)), 100)
		l.patient()
		for {
			if _, err := l.peer.nc.Write(ping); err != nil {
				break
			}
		}
		if err := l.ended(); !errors.Is(err, ErrSlow) {
			t.Errorf("closed by %v", err)
		}
		if n := cfg.SlowConsumers(); n != 1 {
			t.Errorf("%d slow consumers counted, want 1", n)
		}
	})
}

// A countingConn counts writes and reads, however they are made.
type countingConn struct {
	*net.TCPConn
	reads, writes atomic.Int32
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

func (c *countingConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return countingRaw{raw, c}, err
}

type countingRaw struct {
	syscall.RawConn
	conn *countingConn
}

func (r countingRaw) Write(f func(fd uintptr) bool) error {
	r.conn.writes.Add(1)
	return r.RawConn.Write(f)
}

func (r countingRaw) Read(f func(fd uintptr) bool) error {
	return r.RawConn.Read(func(fd uintptr) bool {
		r.conn.reads.Add(1)
		return f(fd)
	})
}

func countingLink(t testing.TB, n network, r *recorder) (*link, *countingConn) {
	t.Helper()
	tcp, client := n.connect(t)
	counting := &countingConn{TCPConn: tcp.(*net.TCPConn)}
	server, client := n.secured(t, counting, client)
	l := start(t, limits(), n, server, client, r)
	counting.writes.Store(0)
	return l, counting
}

// Frames that were queued in one batch leave in one system call.
func TestBatch(t *testing.T) {
	const frames = 50
	want := bytes.Repeat(append(appendHeader(nil, ws.OpText, 5), "hello"...), frames)
	tests := []struct {
		name   string
		send   func(l *link, m Message)
		writes int32
	}{
		{"one batch", func(l *link, m Message) {
			var batch Batch
			for range frames {
				_ = l.Send(&batch, m)
			}
			batch.Flush()
		}, 1},
		{"one Send", func(l *link, m Message) {
			messages := make([]Message, frames)
			for i := range messages {
				messages[i] = m
			}
			_ = l.Send(nil, messages...)
		}, 1},
		{"a batch that is written by someone else", func(l *link, m Message) {
			var batch Batch
			for range frames - 1 {
				_ = l.Send(&batch, m)
			}
			_ = l.Send(nil, m)
			batch.Flush()
			batch.Flush()
		}, 1},
		{"two batches", func(l *link, m Message) {
			var one, two Batch
			for i := range frames {
				if i%2 == 0 {
					_ = l.Send(&one, m)
				} else {
					_ = l.Send(&two, m)
				}
			}
			one.Flush()
			two.Flush()
		}, 1},
		{"no batch", func(l *link, m Message) {
			for range frames {
				_ = l.Send(nil, m)
			}
		}, frames},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, counting := countingLink(t, epoll, newRecorder(t))
			tt.send(l, Message{Prefix: []byte("he"), Payload: []byte("llo")})
			got := make([]byte, len(want))
			l.patient()
			if _, err := io.ReadFull(l.peer.nc, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("got %q", got)
			}
			if n := counting.writes.Load(); n != tt.writes {
				t.Errorf("%d writes, want %d", n, tt.writes)
			}
		})
	}
}

// What a handler sends in its own connection's batch leaves once all that
// arrived together is handled, pongs included.
func TestBatchOfReader(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		r := newRecorder(t)
		var l *link
		var counting *countingConn
		ready := make(chan struct{})
		r.message = func(p []byte, _ bool) error {
			<-ready
			return l.Send(l.Batch(), Message{Payload: p})
		}
		l, counting = countingLink(t, n, r)
		close(ready)
		for range 20 {
			counting.writes.Store(0)
			l.write(text("1"), frame(true, ws.OpPing, "2"), text("3"))
			l.expectText("1")
			l.expect(ws.OpPong, "2")
			l.expectText("3")
			if n := counting.writes.Load(); n != 1 {
				t.Fatalf("%d writes, want 1", n)
			}
		}
	})
}

// What waits in a handler's batch leaves when the handler ends the connection.
func TestBatchIsFlushedAtTheEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func() error
		code uint16
	}{
		{"error", func() error { return &CloseError{Code: 4000} }, 4000},
		{"panic", func() error { panic("boom") }, CloseInternalError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				other := connect(t, limits(), n)
				r := newRecorder(t)
				var l *link
				ready := make(chan struct{})
				r.message = func(p []byte, _ bool) error {
					<-ready
					_ = l.Send(l.Batch(), Message{Payload: []byte("for me")})
					_ = other.Send(l.Batch(), Message{Payload: []byte("for you")})
					return tt.end()
				}
				l = connectTo(t, limits(), n, r)
				close(ready)
				l.write(text("x"))
				other.expectText("for you")
				l.expectText("for me")
				l.expectClose(tt.code, "")
			})
		})
	}
}

// However much is queued, a peer that takes it all is not taken for one that has
// to be waited for.
func TestLargeFlush(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	server, client := tcp.dial(t)
	defer client.Close()
	defer server.Close()
	cfg := limits()
	raw, err := null.SyscallConn() // takes all that is written to it, at once
	if err != nil {
		t.Fatal(err)
	}
	c := newConn(server, raw, nil, cfg, nil)
	large := Message{Payload: make([]byte, cfg.MaxOutbox-10)}
	for range 10 {
		var batch Batch
		if err := c.Send(&batch, large); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(&batch, large); err != nil { // writes the first one, for there is no room
			t.Fatal(err)
		}
		batch.Flush()
		c.writer.mu.Lock()
		if c.writer.activity != idle || c.writer.used() != 0 || cfg.Waiting() != 0 {
			t.Fatalf("%d bytes wait", c.writer.used())
		}
		c.writer.mu.Unlock()
	}
}

// The messages of one Send are never torn apart, and what one goroutine sends
// keeps its order.
func TestSendIsAtomic(t *testing.T) {
	const senders, sends = 8, 300
	onNetworks(t, func(t *testing.T, n network) {
		l := connect(t, &Config{MaxMessage: 1000, MaxOutbox: 64 << 20}, n)
		var sending sync.WaitGroup
		for i := range senders {
			sending.Go(func() {
				var batch Batch
				for k := range sends {
					with := &batch
					if k%3 == 0 {
						with = nil
					}
					id := fmt.Sprintf("%d %d", i, k)
					if err := l.Send(with,
						Message{Prefix: []byte("head "), Payload: []byte(id)},
						Message{Binary: true, Prefix: []byte("one "), Payload: []byte(id)},
						Message{Binary: true, Payload: []byte("two " + id)},
					); err != nil {
						t.Errorf("Send: %v", err)
						return
					}
					if k%7 == 0 {
						batch.Flush()
						_ = l.Ping()
					}
				}
				batch.Flush()
			})
		}
		next := make([]int, senders)
		for read := 0; read < senders*sends; {
			f, err := l.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.Header.OpCode == ws.OpPing {
				continue
			}
			read++
			var i, k int
			if _, err := fmt.Sscanf(string(f.Payload), "head %d %d", &i, &k); err != nil {
				t.Fatalf("%q where a first message was due", f.Payload)
			}
			if next[i] != k {
				t.Fatalf("%q where number %d was due", f.Payload, next[i])
			}
			next[i]++
			l.expect(ws.OpBinary, fmt.Sprintf("one %d %d", i, k))
			l.expect(ws.OpBinary, fmt.Sprintf("two %d %d", i, k))
		}
		sending.Wait()
	})
}

// Nothing is allocated for a message on its way out or in, apart from what TLS
// allocates.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools forget under the race detector")
	}
	for what, loop := range map[string]func(testing.TB, network) func(){
		"send": sendLoop, "read": readLoop, "echo": echoLoop, "batch": batchLoop,
	} {
		t.Run(what, func(t *testing.T) {
			onSockets(t, func(t *testing.T, n network) {
				if n.tls != nil {
					t.Skip("TLS allocates to read a record")
				}
				if got := testing.AllocsPerRun(2000, loop(t, n)); got != 0 {
					t.Errorf("%v allocations", got)
				}
			})
		})
	}
}
