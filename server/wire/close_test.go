package wire

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// The peer closes: its Close frame is echoed, and the network connection closed.
func TestPeerCloses(t *testing.T) {
	tests := []struct {
		name   string
		send   []byte
		code   uint16
		echo   string // body of the answer
		reason string
	}{
		{"without a body", frame(true, ws.OpClose, ""), CloseNoStatus, "", ""},
		{"1000", closeFrame(1000, ""), 1000, "\x03\xe8", ""},
		{"1001 and a reason", closeFrame(1001, "navigating away"), 1001, "\x03\xe9navigating away", "navigating away"},
		{"1011", closeFrame(1011, ""), 1011, "\x03\xf3", ""},
		{"1012", closeFrame(1012, ""), 1012, "\x03\xf4", ""},
		{"1013 and a reason", closeFrame(1013, "unavailable"), 1013, "\x03\xf5unavailable", "unavailable"},
		{"1014", closeFrame(1014, ""), 1014, "\x03\xf6", ""},
		{"3000", closeFrame(3000, ""), 3000, "\x0b\xb8", ""},
		{"4999", closeFrame(4999, "€"), 4999, "\x13\x87€", "€"},
		{"longest reason", closeFrame(1000, letters(123)), 1000, "\x03\xe8" + letters(123), letters(123)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				l := connect(t, limits(), n)
				l.write(text("last"), tt.send)
				l.expect(ws.OpClose, tt.echo)
				l.expectEOF()
				l.waitServed()
				l.saw("text last", "closed")
				l.sawNothing()
				var end *CloseError
				if err := l.ended(); !errors.As(err, &end) || end.Code != tt.code || end.Reason != tt.reason || !end.Remote {
					t.Errorf("closed by %v", err)
				}
			})
		})
	}
}

// What was queued before the peer's Close frame arrived leaves before the answer.
func TestPeerClosesWhileDataWaits(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		l := slowReader(t, limits(), n)
		fill(t, l, 500_000)
		l.write(closeFrame(1000, "bye"))
		l.endedBy(CloseNormal, true)
		l.expectFill()
		l.expectClose(CloseNormal, "bye")
		l.expectEOF()
		l.waitServed()
	})
}

// We close, and the peer answers.
func TestClose(t *testing.T) {
	tests := []struct {
		name   string
		code   uint16
		reason string
		sent   string
	}{
		{"code", CloseGoingAway, "", ""},
		{"code and reason", 4001, "replaced", "replaced"},
		{"a reason that is too long", 4001, letters(200), letters(123)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				cfg := limits()
				cfg.CloseTimeout = 2 * patience
				l := connect(t, cfg, n)
				l.Close(tt.code, tt.reason)
				l.Close(1011, "the first one counts")
				l.endedBy(tt.code, false) // at once, not when the peer has answered
				l.expectClose(tt.code, tt.sent)
				if err := l.Send(nil, Message{}); err != ErrClosed {
					t.Errorf("Send after Close: %v", err)
				}
				if err := l.Ping(); err != ErrClosed {
					t.Errorf("Ping after Close: %v", err)
				}
				l.write(text("too late"), frame(true, ws.OpPing, ""), closeFrame(tt.code, ""))
				l.expectEOF()
				l.waitServed()
				l.saw("closed")
				l.sawNothing()
			})
		})
	}
}

// Both ends close at the same time: each Close frame answers the other one.
func TestCloseCrossing(t *testing.T) {
	tests := []struct {
		name  string
		close func(c *Conn) error // what the handler does
		code  uint16
	}{
		{"Close", func(c *Conn) error { c.Close(CloseGoingAway, ""); return nil }, CloseGoingAway},
		{"error", func(*Conn) error { return &CloseError{Code: ClosePolicyViolation} }, ClosePolicyViolation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				r := newRecorder(t)
				var l *link
				ready := make(chan struct{})
				r.message = func([]byte, bool) error {
					<-ready
					return tt.close(l.Conn)
				}
				cfg := limits()
				cfg.CloseTimeout = 2 * patience // the test fails before
				l = connectTo(t, cfg, n, r)
				close(ready)
				l.write(text("x"), closeFrame(CloseNormal, ""))
				l.expectClose(tt.code, "")
				l.expectEOF()
				l.endedBy(tt.code, false)
				l.waitServed()
			})
		})
	}
}

// A handler's error ends the connection.
func TestHandlerError(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		code   uint16
		reason string
	}{
		{"code", &CloseError{Code: 4000, Reason: "why"}, 4000, "why"},
		{"too big", &CloseError{Code: CloseTooBig, Reason: "message too large"}, CloseTooBig, "message too large"},
		{"any other", errors.New("secret"), CloseProtocolError, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				r := newRecorder(t)
				r.message = func([]byte, bool) error { return tt.err }
				l := connectTo(t, limits(), n, r)
				l.write(text("1"), text("2"))
				l.expectClose(tt.code, tt.reason)
				l.write(closeFrame(tt.code, ""))
				l.expectEOF()
				l.waitServed()
				if tt.code == CloseTooBig {
					l.saw("text 1", "too large", "closed")
				} else {
					l.saw("text 1", "closed")
				}
				l.sawNothing()
			})
		})
	}
}

// All that was queued reaches a client that reads slowly, and the Close frame
// after it.
func TestCloseFlushes(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		cfg := limits()
		cfg.CloseTimeout = 2 * patience
		l := slowReader(t, cfg, n)
		fill(t, l, 800_000)
		l.Close(CloseGoingAway, "restart")
		l.endedBy(CloseGoingAway, false)
		l.expectFill()
		l.expectClose(CloseGoingAway, "restart")
		l.write(closeFrame(CloseGoingAway, ""))
		l.expectEOF()
		l.waitServed()
	})
}

// CloseTimeout bounds how long a closed connection lives on.
func TestCloseTimeout(t *testing.T) {
	tests := []struct {
		name string
		peer func(p *peer) // runs until the connection is cut
	}{
		{"a peer that does not answer", func(p *peer) {
			p.expectClose(CloseNormal, "")
			_, _ = p.r.ReadByte()
		}},
		{"a peer that only talks", func(p *peer) {
			p.expectClose(CloseNormal, "")
			for {
				if _, err := p.nc.Write(text("blah")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"a peer that does not read", func(p *peer) {
			for {
				if _, err := p.nc.Write(text("blah")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
	}
	for _, tt := range tests {
		for _, timeout := range []time.Duration{0, 7500 * time.Millisecond} {
			t.Run(tt.name+"/"+timeout.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := limits()
					cfg.CloseTimeout = timeout
					l := connect(t, cfg, pipe)
					_ = l.peer.nc.SetDeadline(time.Time{})
					start := time.Now()
					l.Close(CloseNormal, "")
					gone := make(chan struct{})
					go func() {
						defer close(gone)
						tt.peer(l.peer)
					}()
					<-l.served
					took := time.Since(start)
					<-gone
					want := timeout
					if want == 0 {
						want = DefaultCloseTimeout
					}
					if took != want {
						t.Errorf("cut after %v, want %v", took, want)
					}
				})
			})
		}
	}
	// The same on a socket, where other code waits.
	onSockets(t, func(t *testing.T, n network) {
		cfg := limits()
		cfg.CloseTimeout = 50 * time.Millisecond
		l := slowReader(t, cfg, n)
		fill(t, l, 800_000)
		l.Close(CloseNormal, "")
		l.waitServed()
	})
}

// After a violation the peer has CloseTimeout to notice.
func TestCloseTimeoutAfterViolation(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		cfg := limits()
		cfg.CloseTimeout = 50 * time.Millisecond
		l := connect(t, cfg, n)
		l.write(frame(true, 3, ""))
		l.waitServed()
		l.expectClose(CloseProtocolError, string(ws.ErrProtocolOpCodeReserved))
	})
}

func TestCut(t *testing.T) {
	t.Run("open", func(t *testing.T) {
		onNetworks(t, func(t *testing.T, n network) {
			l := connect(t, limits(), n)
			l.Cut()
			l.Cut()
			l.expectEOF()
			if err := l.ended(); err != ErrClosed {
				t.Errorf("closed by %v", err)
			}
			if err := l.Send(nil, Message{}); err != ErrClosed {
				t.Errorf("Send: %v", err)
			}
			l.Close(CloseNormal, "") // too late
			l.waitServed()
			l.saw("closed")
			l.sawNothing()
		})
	})
	t.Run("closing", func(t *testing.T) {
		onSockets(t, func(t *testing.T, n network) {
			cfg := limits()
			cfg.CloseTimeout = 2 * patience
			l := slowReader(t, cfg, n)
			fill(t, l, 800_000)
			l.Close(CloseNormal, "")
			l.endedBy(CloseNormal, false)
			l.Cut()
			l.waitServed()
			l.expectCut()
		})
	})
	t.Run("in the handler", func(t *testing.T) {
		onNetworks(t, func(t *testing.T, n network) {
			r := newRecorder(t)
			var l *link
			ready := make(chan struct{})
			r.message = func([]byte, bool) error {
				<-ready
				l.Cut()
				return nil
			}
			l = connectTo(t, limits(), n, r)
			close(ready)
			l.write(text("x"))
			l.waitServed()
			if err := l.ended(); err != ErrClosed {
				t.Errorf("closed by %v", err)
			}
		})
	})
}

// A panic in a handler is the end of its connection and of no other.
func TestPanic(t *testing.T) {
	boom := func() { panic("boom") }
	tests := []struct {
		name  string
		arm   func(r *recorder)
		ping  bool
		send  []byte
		calls []string
	}{
		{"in Message", func(r *recorder) { r.message = func([]byte, bool) error { boom(); return nil } }, false, text("x"), []string{"text x", "closed"}},
		{"in Pong", func(r *recorder) { r.pong = boom }, true, frame(true, ws.OpPong, ""), []string{"pong", "closed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				cfg := limits()
				other := connect(t, cfg, n)
				r := newRecorder(t)
				tt.arm(r)
				l := connectTo(t, cfg, n, r)
				if tt.ping {
					if err := l.Ping(); err != nil {
						t.Fatal(err)
					}
					l.expect(ws.OpPing, "")
				}
				if err := l.Send(nil, Message{Payload: []byte("queued")}); err != nil {
					t.Fatal(err)
				}
				l.expectText("queued")
				if err := l.Ping(); err != nil {
					t.Fatal(err)
				}
				l.expect(ws.OpPing, "")
				go func() { _, _ = l.peer.nc.Write(slices.Concat(tt.send, text("never seen"))) }()
				l.expectClose(CloseInternalError, "")
				var p *PanicError
				err := l.ended()
				if !errors.As(err, &p) || p.Value != "boom" || !strings.Contains(string(p.Stack), "TestPanic") {
					t.Fatalf("closed by %v", err)
				}
				if !strings.Contains(err.Error(), "boom") {
					t.Errorf("error %q", err)
				}
				l.peer.nc.Close()
				l.waitServed()
				l.saw(tt.calls...)
				l.sawNothing()

				other.write(text("alive"))
				other.saw("text alive")
			})
		})
	}
	t.Run("after Close", func(t *testing.T) {
		onNetworks(t, func(t *testing.T, n network) {
			r := newRecorder(t)
			var l *link
			ready := make(chan struct{})
			r.message = func([]byte, bool) error {
				<-ready
				l.Close(4000, "")
				panic("boom")
			}
			l = connectTo(t, limits(), n, r)
			close(ready)
			l.write(text("x"))
			var p *PanicError
			if err := l.ended(); !errors.As(err, &p) {
				t.Errorf("closed by %v", err)
			}
			l.expectClose(4000, "")
		})
	})
	t.Run("in TooLarge and Closed", func(t *testing.T) {
		onNetworks(t, func(t *testing.T, n network) {
			r := newRecorder(t)
			r.large, r.closed = boom, boom
			cfg := limits()
			l := connectTo(t, cfg, n, r)
			go func() { _, _ = l.peer.nc.Write(text(letters(cfg.MaxMessage + 1))) }()
			l.expectClose(CloseTooBig, "message too large")
			l.peer.nc.Close()
			l.waitServed()
			l.saw("too large", "closed")
		})
	})
}

func TestCloseErrorText(t *testing.T) {
	for want, err := range map[string]error{
		"closed: 1000":                         &CloseError{Code: 1000},
		"closed: 4001 replaced":                &CloseError{Code: 4001, Reason: "replaced"},
		"closed by peer: 1001":                 &CloseError{Code: 1001, Remote: true},
		"closed by peer: 1001 navigating away": &CloseError{Code: 1001, Reason: "navigating away", Remote: true},
		"closed: 1002 truncated close frame":   protocolError(CloseProtocolError, "truncated close frame"),
	} {
		if got := err.Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// However the ends of a connection meet, Serve returns, Closed is called once,
// last and alone, what was queued before a Close arrives whole and in order,
// and nobody is told that a frame is queued which is not.
func TestStress(t *testing.T) {
	ends := []struct {
		name  string
		end   func(l *link)
		whole bool // all that was queued arrives
	}{
		{"close", func(l *link) { l.Close(CloseNormal, "") }, true},
		{"cut", func(l *link) { l.Cut() }, false},
		{"close and cut", func(l *link) { l.Close(CloseNormal, ""); l.Cut() }, false},
		{"peer closes", func(l *link) { _, _ = l.peer.nc.Write(closeFrame(CloseNormal, "")) }, true},
		{"peer is lost", func(l *link) { l.peer.nc.Close() }, false},
		{"peer breaks the rules", func(l *link) { _, _ = l.peer.nc.Write(frame(true, 3, "")) }, true},
		{"everything", func(l *link) {
			var all sync.WaitGroup
			all.Go(func() { l.Close(CloseNormal, "") })
			all.Go(func() { _, _ = l.peer.nc.Write(closeFrame(CloseNormal, "")) })
			all.Go(l.Cut)
			all.Wait()
		}, false},
	}
	rounds := 3
	if testing.Short() {
		rounds = 1
	}
	for _, tt := range ends {
		t.Run(tt.name, func(t *testing.T) {
			onNetworks(t, func(t *testing.T, n network) {
				var all sync.WaitGroup
				for range rounds {
					for range 10 {
						all.Go(func() { stress(t, n, tt.end, tt.whole) })
					}
					all.Wait()
				}
			})
		})
	}
}

// stress has many goroutines send numbered messages until the connection ends.
func stress(t *testing.T, n network, end func(*link), whole bool) {
	const senders, sends = 6, 300
	l := connect(t, &Config{MaxMessage: 1000, MaxOutbox: 1 << 30, CloseTimeout: patience}, n)

	queued := make([]int, senders) // how many of a sender's messages were
	var sending sync.WaitGroup
	started := make(chan struct{}, senders)
	for i := range senders {
		sending.Go(func() {
			var batch Batch
			defer batch.Flush()
			for k := range sends {
				with := &batch
				if i%2 == 0 {
					with = nil
				}
				err := l.Send(with, Message{Prefix: []byte{byte(i)}, Payload: []byte{byte(k >> 8), byte(k)}, Binary: true})
				if err != nil {
					if err != ErrClosed {
						t.Errorf("Send: %v", err)
					}
					return
				}
				queued[i]++
				if k == 10 {
					started <- struct{}{}
				}
				if k%5 == 0 {
					batch.Flush()
					_ = l.Ping()
				}
			}
		})
	}
	got := make([]int, senders)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for {
			f, err := l.next()
			if err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					t.Error("the connection does not end")
				}
				return
			}
			switch f.Header.OpCode {
			case ws.OpPing:
			case ws.OpBinary:
				i, k := f.Payload[0], int(f.Payload[1])<<8|int(f.Payload[2])
				if k != got[i] {
					t.Errorf("sender %d: message %d where %d was due", i, k, got[i])
				}
				got[i]++
			case ws.OpClose:
				_, _ = l.peer.nc.Write(closeFrame(CloseNormal, ""))
			}
		}
	}()
	for range senders {
		<-started
	}
	end(l)
	sending.Wait()
	<-read
	l.peer.nc.Close()
	l.waitServed()
	l.saw("closed")
	l.sawNothing()
	for i := range senders {
		if whole && got[i] != queued[i] || got[i] > queued[i] {
			t.Errorf("sender %d: %d messages arrived, %d were queued", i, got[i], queued[i])
		}
	}
}
