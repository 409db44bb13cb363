package wire

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// limited is a connection that echoes what there is budget for.
func limited(t *testing.T, n network, limits *Limits) *link {
	t.Helper()
	server, client := n.dial(t)
	cfg := limitsOf(n)
	c, p := upgrade(t, cfg, server, client)
	c.budget = &Budget{Limits: limits}
	r := newRecorder(t)
	r.message = func(p []byte, _ bool) error {
		answer := Message{Payload: p}
		if !c.budget.Packet(c.Batch().Begun()) {
			answer.Payload = []byte("refused")
		}
		return c.Send(c.Batch(), answer)
	}
	l := &link{Conn: c, peer: p, recorder: r, served: make(chan struct{})}
	c.Start(r, func() { close(l.served) })
	t.Cleanup(func() {
		client.Close()
		c.Cut()
		l.waitServed()
	})
	return l
}

func limitsOf(n network) *Config {
	cfg := limits()
	cfg.Loops = n.loops
	return cfg
}

// A connection that has overdrawn its budget is not read until that is paid;
// then what it sent meanwhile is handled.
func TestPause(t *testing.T) {
	t.Parallel()
	onNetworks(t, func(t *testing.T, n network) {
		t.Parallel()
		l := limited(t, n, &Limits{Packets: 10, PacketBurst: 2})
		start := time.Now()
		l.write(slices.Concat(text("1"), text("2"), text("3")))
		l.expectText("1")
		l.expectText("2")
		l.expectText("refused")
		l.write(text("4"))
		l.expectText("4")
		// A token short, and one for what comes next.
		if took := time.Since(start); took < 200*time.Millisecond {
			t.Errorf("read again after %v", took)
		}
		if got := l.budget.Paused(); got < 190*time.Millisecond || got > 200*time.Millisecond+1 {
			t.Errorf("%v in pauses", got)
		}
	})
}

// What costs the server something counts, whatever it is.
func TestEverythingCounts(t *testing.T) {
	for name, frames := range map[string][]byte{
		"pings":           slices.Repeat(frame(true, ws.OpPing, ""), 10),
		"pongs":           slices.Repeat(frame(true, ws.OpPong, "unasked"), 10),
		"empty fragments": slices.Concat(frame(false, ws.OpText, ""), slices.Repeat(frame(false, ws.OpContinuation, ""), 9)),
	} {
		t.Run(name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				l := limited(t, n, &Limits{Packets: 1, PacketBurst: 100})
				go l.write(frames, frame(true, ws.OpContinuation, "")) // which pings and pongs make an error
				if name != "empty fragments" {
					for range 10 * map[string]int{"pings": 1}[name] {
						l.expect(ws.OpPong, "")
					}
					_ = l.ended()
				} else {
					l.expectText("")
				}
				left := 0
				for l.budget.Packet(time.Now()) {
					left++
				}
				want := 90
				if name == "empty fragments" {
					want-- // the message
				}
				if left != want {
					t.Errorf("%d packets left of 100, want %d", left, want)
				}
			})
		})
	}
}

// A ping that there is no budget for is not answered, and a pong that was asked
// for costs nothing.
func TestPingsOverBudget(t *testing.T) {
	t.Parallel()
	onNetworks(t, func(t *testing.T, n network) {
		t.Parallel()
		l := limited(t, n, &Limits{Packets: 10, PacketBurst: 1})
		if err := l.Ping(); err != nil {
			t.Fatal(err)
		}
		l.expect(ws.OpPing, "")
		l.write(slices.Concat(frame(true, ws.OpPong, ""), frame(true, ws.OpPing, "1"), frame(true, ws.OpPing, "2")))
		l.saw("pong")
		l.expect(ws.OpPong, "1")
		l.write(text("later"))
		l.expectText("later")
	})
}

// A flood is read as slowly as its budget allows, and ended after ten seconds.
func TestFlood(t *testing.T) {
	t.Parallel()
	t.Run("pipe", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { flood(t, pipe) })
	})
	if testing.Short() {
		return // sockets take ten real seconds
	}
	onSockets(t, func(t *testing.T, n network) {
		t.Parallel()
		flood(t, n)
	})
}

func flood(t *testing.T, n network) {
	limits := &Limits{Packets: 10, PacketBurst: 10}
	l := limited(t, n, limits)
	go func() { _, _ = io.Copy(io.Discard, l.peer.nc) }()
	flood := slices.Repeat(frame(true, ws.OpPing, ""), 10_000)
	start := time.Now()
	for {
		if _, err := l.peer.nc.Write(flood); err != nil {
			break
		}
	}
	l.endedBy(ClosePolicyViolation, false)
	if took := time.Since(start); took < 10*time.Second || took > 20*time.Second {
		t.Errorf("ended after %v", took)
	}
	// Every second one read, of at most readSize.
	if got := limits.Refused(); got > 20*readSize/6 {
		t.Errorf("%d packets were read", got)
	}
	l.saw("over rate", "closed")
}

// Bytes are paid for as packets are, and nothing is dropped for them.
func TestPauseForBytes(t *testing.T) {
	t.Parallel()
	onNetworks(t, func(t *testing.T, n network) {
		t.Parallel()
		l := limited(t, n, &Limits{Bytes: 100_000, ByteBurst: 50_000})
		start := time.Now()
		go func() {
			for i := range 4 {
				l.write(text(strconv.Itoa(i) + letters(25_000)))
			}
		}()
		for i := range 4 {
			l.expectText(strconv.Itoa(i) + letters(25_000))
		}
		if took := time.Since(start); took < 200*time.Millisecond { // the last of them waits for 25,000 bytes, or they come before
			t.Errorf("100,000 bytes took %v", took)
		}
	})
}

// A peer that resets the connection, or closes its end, is noticed during a
// pause, and what it sent last before that is handled.
func TestHangUpDuringPause(t *testing.T) {
	const second = time.Second
	for name, hangUp := range map[string]func(l *link){
		"reset": func(l *link) {
			_ = tcpBelow(l.peer.nc).SetLinger(0)
			l.peer.nc.Close()
		},
		"close": func(l *link) {
			if err := l.peer.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := limited(t, epoll, &Limits{Packets: 10, PacketBurst: 1})
			l.write(slices.Repeat(text("x"), 100))
			l.saw(slices.Repeat([]string{"text x"}, 100)...)
			start := time.Now()
			l.write(text("last"))
			hangUp(l)
			if name == "close" {
				l.saw("text last")
			}
			if err := l.ended(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("ended with %v", err)
			}
			if took := time.Since(start); took > second/2 {
				t.Errorf("noticed after %v", took)
			}
		})
	}
}

// A connection that is closed by this side during a pause ends at once.
func TestCloseDuringPause(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		for name, end := range map[string]func(c *Conn){
			"Close": func(c *Conn) { c.Close(CloseGoingAway, "") },
			"Cut":   func(c *Conn) { c.Cut() },
		} {
			l := limited(t, n, &Limits{Packets: 10, PacketBurst: 1})
			go func() { _, _ = io.Copy(io.Discard, l.peer.nc) }()
			l.write(slices.Repeat(text("x"), 100))
			l.saw(slices.Repeat([]string{"text x"}, 100)...)
			start := time.Now()
			end(l.Conn)
			_ = l.ended()
			if took := time.Since(start); took > time.Second/2 {
				t.Errorf("%s: ended after %v", name, took)
			}
		}
	})
}
