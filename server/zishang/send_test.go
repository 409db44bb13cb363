//go:build zishang

package zishang

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io-go-parser/packet"

	"github.com/oodaa/signaling/server/socketio"
)

// big is a packet's arguments that a few of do not fit the kernel's buffers.
var big = []byte(`["big","` + strings.Repeat("x", 1_000_000) + `"]`)

func TestOutboxBound(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 4_000_000
	opts.PingInterval = time.Minute
	s := serve(t, opts)
	c, r := s.join()
	accepted := 0
	var err error
	for ; err == nil && accepted < 1000; accepted++ {
		err = r.Emit(big, nil, nil)
	}
	if err != socketio.ErrSlow {
		t.Fatalf("%d packets were accepted, then: %v", accepted, err)
	}
	if err := r.Emit([]byte(`["x"]`), nil, nil); err != socketio.ErrClosed {
		t.Errorf("emit: %v", err)
	}
	r.waitClosed()
	if n := s.engine.SlowConsumers(); n != 1 {
		t.Errorf("%d slow consumers", n)
	}
	c.expectCut()

	_, r = s.join() // a packet alone
	if err := r.Emit(append(big, make([]byte, opts.MaxOutbox)...), nil, nil); err != socketio.ErrSlow {
		t.Errorf("emit: %v", err)
	}
	r.waitClosed()
}

// expectCut reads what there is, up to an end without a Close frame.
func (c *client) expectCut() {
	c.t.Helper()
	for {
		if _, _, err := c.read(); err != nil {
			if websocket.IsCloseError(err, 1000, 1001, 1005) {
				c.t.Errorf("end: %v", err)
			}
			return
		}
	}
}

// What was written does not count any more, also of the last message for a while.
func TestOutboxIsEmptied(t *testing.T) {
	const rounds, senders, each = 300, 4, 10
	opts := defaults()
	opts.PingInterval = time.Minute
	s := serve(t, opts)
	c, r := s.join()
	for range rounds {
		var all sync.WaitGroup
		for range senders {
			all.Go(func() {
				for range each {
					if err := r.Emit([]byte(`["x"]`), nil, nil); err != nil {
						t.Errorf("emit: %v", err)
						return
					}
				}
			})
		}
		for range senders * each {
			c.expect(`42["x"]`)
		}
		all.Wait()
		for _, one := range s.engine.sessions.Members() {
			eventually(t, "nothing waits", func() bool { return one.transport.waiting() == 0 })
		}
	}
}

func TestAttachmentsStayTogether(t *testing.T) {
	const senders, each = 8, 500
	opts := defaults()
	opts.MaxOutbox = 100 << 20
	s := serve(t, opts)
	c, r := s.join()
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for range each {
				args := fmt.Appendf(nil, `["x",%d,{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, i)
				a := fmt.Appendf(nil, "%d", i)
				if err := r.Emit(args, [][]byte{a, a}, nil); err != nil {
					t.Errorf("emit: %v", err)
				}
				// They are the caller's again.
				clear(args)
				clear(a)
			}
		})
	}
	for range senders * each {
		var i int
		if _, err := fmt.Sscanf(c.expectPrefix(`452-["x",`), `452-["x",%d,`, &i); err != nil {
			t.Fatal(err)
		}
		a := fmt.Appendf(nil, "%d", i)
		c.expectBinary(a, a)
	}
	all.Wait()
}

// A large message leaves as it was given.
func TestLargeMessages(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 100 << 20
	s := serve(t, opts)
	c, r := s.join()
	for _, n := range []int{0, 1, 125, 126, 1000, 1024, 2047, 2048, 2049, 65535, 65536, 3_000_000} {
		args := `["x","` + strings.Repeat("x", n) + `"]`
		attachment := bytes.Repeat([]byte{0xff}, n)
		if err := r.Emit([]byte(args), nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := r.Emit([]byte(`["x"]`), [][]byte{attachment}, nil); err != nil {
			t.Fatal(err)
		}
		c.expect("42"+args, `451-["x"]`)
		c.expectBinary(attachment)
	}
}

// Disconnect comes behind all that was queued.
func TestDisconnectFlushes(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 20 << 20
	s := serve(t, opts, func(e *engine) { e.closeTimeout = patience })
	c, r := s.join()
	for range 15 {
		if err := r.Emit(big, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.Disconnect()
	if err := r.Emit(big, nil, nil); err != socketio.ErrClosed {
		t.Errorf("emit: %v", err)
	}
	// The handlers hear of it at once.
	if reason := r.waitClosed(); reason != reasonServer {
		t.Errorf("closed for %q", reason)
	}
	for range 15 {
		c.expect("42" + string(big))
	}
	c.expect("41")
	c.expectClose(1000)
}

// A client that does not take what was queued, or does not answer the Close
// frame, is cut in the end.
func TestDisconnectGivesUp(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 100 << 20
	opts.PingInterval = time.Minute
	s := serve(t, opts, func(e *engine) { e.closeTimeout = 100 * time.Millisecond })
	stalled, r1 := s.join()
	for range 20 {
		if err := r1.Emit(big, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	r1.Disconnect()
	silent := s.dialTCP()
	silent.write(upgradeRequest + frame("40"))
	s.main.next().Disconnect()
	eventually(t, "both are gone", func() bool { n, _ := s.engine.Connections(); return n == 0 })
	stalled.expectCut()
}

func TestShutdown(t *testing.T) {
	s := serve(t, defaults())
	one, r := s.join()
	both, _ := s.join()
	both.send("40/other")
	both.expectPrefix("40/other,{")
	none := s.dial()
	if err := r.Emit([]byte(`["last"]`), nil, nil); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.engine.Shutdown(context.Background()) }()

	if reason := r.waitClosed(); reason != reasonShutdown {
		t.Errorf("closed for %q", reason)
	}
	resp, body := s.get("GET", "EIO=4&transport=websocket", map[string][]string{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	})
	if resp.StatusCode != 503 || body != `{"code":3,"message":"Server unavailable"}` {
		t.Errorf("%s %s", resp.Status, body)
	}

	one.expect(`42["last"]`)
	one.expectClose(1001)
	both.expectClose(1001)
	select {
	case err := <-done:
		t.Errorf("returned while a client is there: %v", err)
	default:
	}
	none.expectClose(1001)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n, _ := s.engine.Connections(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

func TestShutdownGivesUp(t *testing.T) {
	s := serve(t, defaults())
	c := s.dialTCP() // answers nothing
	c.write(upgradeRequest + frame("40"))
	r := s.main.next()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := s.engine.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
	if n, _ := s.engine.Connections(); n != 0 {
		t.Errorf("%d sessions", n)
	}
	r.waitClosed()
}

// Sessions that open while the engine shuts down are ended or refused.
func TestShutdownWhileOpening(t *testing.T) {
	for range 20 {
		gate := &countingGate{}
		opts := defaults()
		opts.Gate = gate
		s := serve(t, opts)
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for {
					conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr()+handshakePath, nil)
					if err != nil {
						return // refused
					}
					_ = conn.WriteMessage(1, []byte("40"))
					for err == nil {
						_, _, err = conn.ReadMessage()
					}
					conn.Close()
				}
			})
		}
		s.main.next()
		if err := s.engine.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if gate.admitted.Load() != gate.released.Load() {
			t.Errorf("%d admitted, %d released", gate.admitted.Load(), gate.released.Load())
		}
		all.Wait()
	}
}

func TestHeartbeat(t *testing.T) {
	opts := defaults()
	opts.PingInterval = 20 * time.Millisecond
	opts.PingTimeout = 2 * time.Second
	s := serve(t, opts)
	dead, r := s.join()
	alive, _ := s.join()
	for over := false; !over; {
		alive.send(`42["echo"]`)
		alive.expect(`42["echo"]`) // and answers pings
		select {
		case <-r.end:
			over = true
		default:
		}
	}
	if reason := r.waitClosed(); reason != "ping timeout" {
		t.Errorf("closed for %q", reason)
	}
	alive.send(`42["echo"]`)
	alive.expect(`42["echo"]`)
	dead.conn.Close()
}

// A pong that is quicker than the library starts to wait for it is a pong.
func TestQuickPong(t *testing.T) {
	opts := defaults()
	opts.PingInterval = 1500 * time.Millisecond
	opts.PingTimeout = time.Second
	s := serve(t, opts)
	c, r := s.join()
	go func() {
		for {
			if _, _, err := c.read(); err != nil { // answers pings
				return
			}
		}
	}()

	pings, pongs := make(chan struct{}, 10), make(chan struct{}, 10)
	var first, last atomic.Bool
	for _, one := range s.engine.sessions.Members() {
		_ = one.conn.Transport().On("packet", func(args ...any) {
			if args[0].(*packet.Packet).Type == packet.PONG {
				pongs <- struct{}{}
			}
		})
		_ = one.conn.On("flush", func(args ...any) {
			if args[0].([]*packet.Packet)[0].Type == packet.PING {
				first.Store(!last.Swap(true))
				pings <- struct{}{}
			}
		})
		// Called between the first ping and the start of its timer.
		_ = one.conn.On("drain", func(...any) {
			if first.Swap(false) {
				<-pongs
			}
		})
	}
	for range 2 {
		select {
		case <-pings:
		case <-r.end:
			t.Fatalf("closed for %q", r.waitClosed())
		case <-time.After(patience):
			t.Fatal("no ping")
		}
	}
}

// A client that says goodbye is gone, whatever waits for it.
func TestCloseOfStalledClient(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 100 << 20
	opts.PingInterval, opts.PingTimeout = 5*time.Minute, 5*time.Minute // nothing else would notice in time
	s := serve(t, opts)
	c, r := s.join()
	for range 20 {
		if err := r.Emit(big, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if reason := r.waitClosed(); reason != reasonTransport {
		t.Errorf("closed for %q", reason)
	}
	eventually(t, "it is gone", func() bool { n, _ := s.engine.Connections(); return n == 0 })
}

// Large messages leave little for the garbage collector, on their way in and
// out: the library's buffers would be five times of what arrives.
func TestLargeMessagesAreNoGarbage(t *testing.T) {
	const size, rounds = 100_000, 300
	opts := defaults()
	opts.MaxPayload = 2 * size
	opts.PingInterval = time.Minute
	s := serve(t, opts)
	c, _ := s.join()
	message := []byte(`42["echo","` + strings.Repeat("x", size) + `"]`)
	in := make([]byte, 2*size)
	echo := func() {
		if err := c.conn.WriteMessage(websocket.TextMessage, message); err != nil {
			t.Fatal(err)
		}
		_, r, err := c.conn.NextReader()
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(r, in)
		if err != io.ErrUnexpectedEOF || !bytes.Equal(in[:n], message) {
			t.Fatalf("%d bytes came back, %v", n, err)
		}
	}
	echo()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		echo()
	}
	runtime.ReadMemStats(&after)
	// The engine makes one copy, for the library.
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 3*size {
		t.Errorf("%d bytes allocated for a message of %d", each, size)
	}
}
