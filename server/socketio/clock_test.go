package socketio

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// A watch measures the time in a bubble.
type watch struct {
	t     *testing.T
	start time.Time
}

// inBubble runs a test whose clock runs only while everybody waits.
func inBubble(t *testing.T, f func(t *testing.T, w watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, watch{t, time.Now()}) })
}

// is expects a time since the start.
func (w watch) is(want time.Duration) {
	w.t.Helper()
	if got := time.Since(w.start); got != want {
		w.t.Errorf("at %v, want %v", got, want)
	}
}

// sleep sleeps until a time since the start, and until all that was due then is
// done.
func (w watch) sleep(until time.Duration) {
	w.t.Helper()
	time.Sleep(until - time.Since(w.start))
	synctest.Wait()
	w.is(until)
}

// reasonOf is why a session has ended, once all that is due now is done: its client
// may see the end before its handler does.
func reasonOf(m *bareSession) string {
	synctest.Wait()
	select {
	case reason := <-m.end:
		return reason
	default:
		return ""
	}
}

func TestPollingHeartbeat(t *testing.T) {
	t.Run("ping and pong", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, nil, nil).polled()
			p.Expect("2")
			w.is(25 * time.Second)
			w.sleep(30 * time.Second)
			p.Send("3")
			p.Expect("2")
			w.is(55 * time.Second)
			w.sleep(75*time.Second - time.Nanosecond)
			p.Send("3")
			w.sleep(76 * time.Second)
			if reason := reasonOf(m); reason != "" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
	t.Run("a pong that nobody asked for", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, _ := bare(t, pipes{}, nil, nil).polled()
			w.sleep(10 * time.Second)
			p.Send("3")
			p.Expect("2")
			w.is(25 * time.Second)
		})
	})
	t.Run("no pong", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, nil, nil).polled()
			p.Expect("2", "1")
			w.is(45 * time.Second)
			p.ExpectGone()
			if reason := reasonOf(m); reason != "ping timeout" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
	t.Run("no poll", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, nil, nil)
			p, m := b.polled()
			w.sleep(45*time.Second - time.Nanosecond)
			if _, polling := b.Connections(); polling != 1 || reasonOf(m) != "" {
				t.Error("closed before its time")
			}
			w.sleep(45 * time.Second)
			if _, polling := b.Connections(); polling != 0 || reasonOf(m) != "ping timeout" {
				t.Error("not closed in time")
			}
			p.ExpectGone()
		})
	})
	t.Run("messages are no pong", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, nil, nil).polled()
			for s := 1; s < 45; s++ {
				w.sleep(time.Duration(s) * time.Second)
				p.Send("4x")
			}
			w.sleep(45 * time.Second)
			if reason := reasonOf(m); reason != "ping timeout" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
}

func TestWebSocketHeartbeat(t *testing.T) {
	t.Run("ping and pong", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			c, m := bare(t, pipes{}, nil, nil).dialled()
			c.Expect("2")
			w.is(25 * time.Second)
			w.sleep(45*time.Second - time.Nanosecond)
			c.Send("3")
			c.Expect("2")
			w.is(70*time.Second - time.Nanosecond)
			c.ExpectClosed(1000)
			w.is(90*time.Second - time.Nanosecond)
			if reason := reasonOf(m); reason != "ping timeout" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
	t.Run("over an upgrade", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, nil, nil).polled()
			w.sleep(20 * time.Second)
			c := p.Upgrade()
			c.Expect("2")
			w.is(25 * time.Second)
			c.Send("3")
			c.Expect("2")
			w.is(50 * time.Second)
			c.ExpectClosed(1000)
			w.is(70 * time.Second)
			if reason := reasonOf(m); reason != "ping timeout" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
	t.Run("asked over polling, answered over WebSocket", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, _ := bare(t, pipes{}, nil, nil).polled()
			p.Expect("2")
			c := p.Upgrade()
			c.Send("3")
			c.Expect("2")
			w.is(50 * time.Second)
		})
	})
}

// A WebSocket that does not take the session over in time is closed, and the
// session goes on polling.
func TestUpgradeTimeout(t *testing.T) {
	quiet := func(o *Options) { o.PingInterval = time.Hour }
	t.Run("no probe", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, quiet, nil).polled()
			c := p.Probe()
			c.ExpectClosed(1000)
			w.is(10 * time.Second)
			p.Send("4x")
			if got := <-m.got; got != "x" {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("no upgrade", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, _ := bare(t, pipes{}, quiet, nil).polled()
			c := p.Probe()
			c.Send("2probe")
			c.Expect("3probe")
			p.Expect("6")
			c.ExpectClosed(1000)
			w.is(10 * time.Second)
			synctest.Wait()
			waiting := p.Later() // it waits again
			w.sleep(time.Minute)
			p.Upgrade()
			if a := <-waiting; a.Body != "6" {
				t.Errorf("the poll: %q", a.Body)
			}
		})
	})
	t.Run("at the last moment", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			p, m := bare(t, pipes{}, quiet, nil).polled()
			c := p.Probe()
			c.Send("2probe")
			c.Expect("3probe")
			w.sleep(10*time.Second - time.Nanosecond)
			c.Send("5")
			w.sleep(time.Minute)
			c.Send("4x")
			if got := <-m.got; got != "x" {
				t.Errorf("got %q", got)
			}
		})
	})
}

// A session that is in no namespace is closed in time.
func TestConnectTimeout(t *testing.T) {
	const never = 0
	tests := []struct {
		name    string
		timeout time.Duration // of the options
		client  func(w watch, s *socketSite, c *engineio.WebSocket)
		want    time.Duration
	}{
		{"never connected", time.Minute, func(watch, *socketSite, *engineio.WebSocket) {}, time.Minute},
		{"no timeout", 0, func(watch, *socketSite, *engineio.WebSocket) {}, never},
		{"connected late", time.Minute, func(w watch, _ *socketSite, c *engineio.WebSocket) {
			w.sleep(time.Minute - time.Nanosecond)
			c.Send("40")
		}, never},
		{"refused", time.Minute, func(w watch, _ *socketSite, c *engineio.WebSocket) {
			w.sleep(30 * time.Second)
			c.Send("40/random")
		}, time.Minute},
		{"left", time.Minute, func(w watch, _ *socketSite, c *engineio.WebSocket) {
			c.Send("40")
			w.sleep(100 * time.Second)
			c.Send("41")
			synctest.Wait()
		}, 160 * time.Second},
		{"left one of two", time.Minute, func(w watch, _ *socketSite, c *engineio.WebSocket) {
			c.Send("40", "40/other")
			w.sleep(100 * time.Second)
			c.Send("41")
		}, never},
		{"left and came back", time.Minute, func(w watch, _ *socketSite, c *engineio.WebSocket) {
			c.Send("40", "41")
			w.sleep(30 * time.Second)
			c.Send("40")
		}, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w watch) {
				s := sockets(t, pipes{}, func(o *Options) {
					o.PingInterval = 100 * time.Hour
					o.ConnectTimeout = tt.timeout
				})
				c := s.OpenWebSocket()
				end := make(chan time.Duration, 1)
				go func() { // read, so that everything is taken
					for {
						if _, err := c.Read(); err != nil {
							end <- time.Since(w.start)
							return
						}
					}
				}()
				tt.client(w, s, c)
				w.sleep(time.Hour)
				select {
				case at := <-end:
					if at != tt.want {
						t.Errorf("closed after %v, want %v", at, tt.want)
					}
				default:
					if tt.want != never {
						t.Errorf("not closed, want after %v", tt.want)
					}
					c.Close()
					<-end
				}
			})
		})
	}
}

// A polling client that was told to go has a while to fetch the rest.
func TestCloseWaitsForPoll(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprint(comes), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w watch) {
				b := bare(t, pipes{}, nil, nil)
				p, m := b.polled()
				_ = m.text("one")
				_ = m.text("two")
				m.Close("enough")
				if err := m.text("three"); err != ErrClosed {
					t.Errorf("Send after Close: %v", err)
				}
				if reason := reasonOf(m); reason != "enough" {
					t.Errorf("closed by %q", reason)
				}
				w.sleep(wire.DefaultCloseTimeout - time.Nanosecond)
				if comes {
					p.Expect("4one", "4two", "1")
				} else {
					w.sleep(wire.DefaultCloseTimeout)
				}
				if _, polling := b.Connections(); polling != 0 {
					t.Error("the session is not forgotten")
				}
				p.ExpectGone()
			})
		})
	}
}

// Neither a body that does not come nor an answer that is not read holds a
// session for ever.
func TestStalledRequests(t *testing.T) {
	for name, query := range map[string]string{
		"body":                       "",
		"body for no session":        "EIO=4&transport=polling&sid=unknown",
		"body instead of handshake":  "EIO=4&transport=polling",
		"body for unknown transport": "EIO=4&transport=pigeon",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w watch) {
				b := bare(t, pipes{}, nil, nil)
				p, m := b.polled()
				if query == "" {
					query = p.Query
				}
				w.sleep(time.Second)
				nc := b.Raw("POST", query, "Content-Length: 10\r\n\r\n4half")
				answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
				if err != nil || answer.StatusCode != http.StatusBadRequest {
					t.Errorf("answer %v, %v", answer, err)
				}
				w.is(46 * time.Second)
				if reason := reasonOf(m); reason != "ping timeout" { // no pong comes by while a POST runs
					t.Errorf("closed by %q", reason)
				}
			})
		})
	}
	t.Run("answer", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, nil, nil)
			p, m := b.polled()
			b.Raw("GET", p.Query, "\r\n")
			w.sleep(time.Second)
			_ = m.text("that nobody reads")
			w.sleep(20 * time.Second)
			p.Send("3") // to a ping that it has not fetched
			reason := <-m.end
			w.is(46 * time.Second)
			if reason != "transport error" {
				t.Errorf("closed by %q", reason)
			}
		})
	})
}

// A request that is refused outright does not hold anything either.
func TestRefusedWhileDraining(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		b := bare(t, pipes{}, nil, nil)
		p, m := b.polled()
		shut := make(chan error)
		go func() { shut <- b.Shutdown(context.Background()) }()
		synctest.Wait()
		if a := b.Do("GET", "EIO=4&transport=polling", ""); a.Status != http.StatusServiceUnavailable {
			t.Errorf("handshake: %d %q", a.Status, a.Body)
		}
		if _, err := b.TryDial(""); err == nil {
			t.Error("a WebSocket was let in")
		}
		if _, err := b.TryDial(p.SID); err == nil {
			t.Error("an upgrade was let in")
		}
		p.Expect("1")
		if reason := <-m.end; reason != "server shutting down" {
			t.Errorf("closed by %q", reason)
		}
		if err := <-shut; err != nil {
			t.Error(err)
		}
		w.is(0)
	})
}

// A ping is fetched before what waits, but not between a packet and its
// attachments, and only its answer is a sign of life.
func TestPollingPing(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		s := sockets(t, pipes{}, nil)
		p, m := s.connectedPolling()
		for range maxPollPackets - 1 {
			_ = m.emit(`["a"]`)
		}
		_ = m.Emit([]byte(`["b"]`), [][]byte{[]byte("x")}, nil)
		_ = m.emit(`["c"]`)
		w.sleep(24 * time.Second)
		for range maxPollPackets { // one poll, up to the attachment
			p.Next()
		}
		w.sleep(25 * time.Second)
		p.Send("3") // to a ping that is still here
		p.Expect("beA==", "2", `42["c"]`)
		w.sleep(44 * time.Second)
		p.Send("3")
		p.Expect("2")
		w.is(69 * time.Second)
		w.sleep(89 * time.Second)
		if got := reasonOf(&bareSession{end: m.end}); got != "ping timeout" {
			t.Errorf("closed by %q", got)
		}
	})
}
