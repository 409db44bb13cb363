package wire

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A ping does not wait for what is queued, however it is framed, and never comes
// between the messages of one Send.
func TestPingOvertakes(t *testing.T) {
	pings := map[string]struct {
		send    func(*Conn) error
		op      ws.OpCode
		payload string
	}{
		"ping frame": {(*Conn).Ping, ws.OpPing, ""},
		"text":       {func(c *Conn) error { return c.PingText("2") }, ws.OpText, "2"},
	}
	for name, ping := range pings {
		for _, size := range []int{50, 3000, 50_000, 200_000} {
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				onNetworks(t, func(t *testing.T, n network) {
					const total = 2 << 20
					l := slowReader(t, &Config{MaxMessage: 10, MaxOutbox: 2 * total}, n)
					packets := total / (2 * size)
					for i := range packets {
						head := Message{Prefix: fmt.Appendf(nil, "head %d ", i), Payload: []byte(letters(size))}
						if err := l.Send(nil, head, Message{Binary: true, Payload: []byte(letters(size))}); err != nil {
							t.Fatal(err)
						}
					}
					if err := ping.send(l.Conn); err != nil {
						t.Fatal(err)
					}
					if err := ping.send(l.Conn); err != nil { // one that waits is enough
						t.Fatal(err)
					}
					before := -1
					for i := 0; i < packets; {
						f, err := l.next()
						if err != nil {
							t.Fatal(err)
						}
						if f.Header.OpCode == ping.op && string(f.Payload) == ping.payload {
							if before >= 0 {
								t.Fatal("a second ping")
							}
							before = i
							continue
						}
						if want := fmt.Sprintf("head %d ", i); !strings.HasPrefix(string(f.Payload), want) {
							t.Fatalf("got %.20q, want %q", f.Payload, want)
						}
						l.expect(ws.OpBinary, letters(size))
						i++
					}
					if before < 0 {
						t.Fatal("no ping")
					}
					// What the kernel holds, the chunk that was being written, and the
					// rest of a packet come first.
					if ahead := before * 2 * size; ahead > total/2 && runtime.GOOS == "linux" {
						t.Errorf("the ping came behind %d bytes", ahead)
					}
				})
			})
		}
	}
}

// The kernel is not given more than a little ahead of what the network takes.
func TestUnsentIsLimited(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_NOTSENT_LOWAT is set on Linux only")
	}
	onSockets(t, func(t *testing.T, n network) {
		server, client := n.dial(t)
		_ = tcpBelow(client).SetReadBuffer(64 << 10)
		const total = 8 << 20
		l := start(t, &Config{MaxMessage: 10, MaxOutbox: 2 * total}, n, server, client, newRecorder(t))
		fill(t, l, total)
		l.writer.mu.Lock()
		taken := total - l.writer.queue.Size()
		l.writer.mu.Unlock()
		if taken > 1<<20 {
			t.Errorf("the kernel took %d bytes for a peer that reads nothing", taken)
		}
		l.expectFill()
	})
}

// A pong answers a ping that has left, and no other.
func TestPong(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		l := slowReader(t, limits(), n)
		fill(t, l, 1_000_000)
		l.awaitStalled()
		if err := l.Ping(); err != nil {
			t.Fatal(err)
		}
		l.write(frame(true, ws.OpPong, ""), text("heard"))
		l.saw("text heard")
		if l.Answered() {
			t.Error("a ping of another kind was answered")
		}
		for {
			f, err := l.next()
			if err != nil {
				t.Fatal(err)
			}
			if f.Header.OpCode == ws.OpPing {
				break
			}
		}
		l.write(frame(true, ws.OpPong, ""), frame(true, ws.OpPong, ""), text("and again"))
		l.saw("pong", "text and again")
	})
	t.Run("text", func(t *testing.T) {
		l := connect(t, limits(), epoll)
		if l.Answered() {
			t.Error("an answer to nothing")
		}
		if err := l.PingText("2"); err != nil {
			t.Fatal(err)
		}
		l.expectText("2")
		if !l.Answered() || l.Answered() {
			t.Error("not answered once")
		}
	})
}

// A peer that takes something, however slowly, is not cut, and the answer to a
// ping is not overdue; one that takes nothing for a while is.
func TestStall(t *testing.T) {
	t.Parallel()
	// It is longer than a process waits for its turn on a busy machine.
	const timeout = 2 * time.Second
	onNetworks(t, func(t *testing.T, n network) {
		t.Parallel()
		server, client := n.dial(t)
		narrow(server, client)
		cfg := &Config{MaxMessage: 10, MaxOutbox: 16 << 20, StallTimeout: timeout}
		l := start(t, cfg, n, server, client, newRecorder(t))
		if err := l.Send(nil, Message{Payload: make([]byte, 8<<20)}); err != nil {
			t.Fatal(err)
		}
		slow := time.NewTicker(timeout / 6)
		defer slow.Stop()
		for begun := time.Now(); time.Since(begun) < timeout*3/2; {
			if _, err := io.CopyN(io.Discard, client, 64<<10); err != nil {
				t.Fatalf("cut while reading: %v", err)
			}
			<-slow.C
		}
		if n := cfg.SlowConsumers(); n != 0 {
			t.Fatal("cut while reading")
		}
		if due := time.Until(l.PongDue(timeout)); due <= 0 {
			t.Errorf("a pong is overdue for %v", -due)
		}
		stopped := time.Now()
		if err := l.ended(); err != ErrSlow {
			t.Fatalf("closed by %v", err)
		}
		if took := time.Since(stopped); took < timeout/2 {
			t.Errorf("cut after %v", took)
		}
		if n := cfg.SlowConsumers(); n != 1 {
			t.Errorf("%d slow consumers counted", n)
		}
		l.waitServed()
		l.expectCut()
	})
}

// PongDue runs from when the ping left.
func TestPongDue(t *testing.T) {
	l := slowReader(t, limits(), epoll)
	fill(t, l, 1_000_000)
	if err := l.Ping(); err != nil {
		t.Fatal(err)
	}
	first := l.PongDue(time.Minute)
	if until := time.Until(first); until < 50*time.Second {
		t.Errorf("due in %v, before the ping has left", until)
	}
	l.expectFillAndPing()
	left := l.PongDue(0)
	if left.Before(first.Add(-time.Minute)) || left.After(time.Now()) {
		t.Errorf("the ping left at %v, asked for at %v", left, first)
	}
	if again := l.PongDue(0); again != left {
		t.Errorf("then at %v", again)
	}
}

// expectFillAndPing is expectFill with a ping among the messages.
func (l *link) expectFillAndPing() {
	l.peer.t.Helper()
	pinged := false
	for i := 0; i < l.filled; i++ {
		f, err := l.next()
		if err != nil {
			l.peer.t.Fatal(err)
		}
		if f.Header.OpCode == ws.OpPing {
			pinged, i = true, i-1
		}
	}
	if !pinged {
		l.peer.t.Fatal("no ping")
	}
}
