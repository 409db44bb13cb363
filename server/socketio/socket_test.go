package socketio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// onTransports runs a test with a connected socket and functions that send
// packets to the server and read the next one from it.
func onTransports(t *testing.T, change func(*Options), prepare func(*room), f func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string)) {
	setUp := func(t *testing.T) *socketSite {
		s := sockets(t, loopback{}, change)
		if prepare != nil {
			prepare(s.room)
		}
		return s
	}
	t.Run("websocket", func(t *testing.T) {
		s := setUp(t)
		c, m := s.connected()
		f(t, s, m, c.Send, c.Next)
	})
	t.Run("polling", func(t *testing.T) {
		s := setUp(t)
		p, m := s.connectedPolling()
		f(t, s, m, func(messages ...string) { _ = p.PostMessages(messages...) }, p.NextMessage)
	})
}

func TestSocketSends(t *testing.T) {
	tests := []struct {
		name string
		send func(m *member) error
		want []string
	}{
		{"event", func(m *member) error { return m.Emit([]byte(`["a", 1.0]`), nil, nil) }, []string{`42["a", 1.0]`}},
		{"binary event", func(m *member) error {
			return m.Emit([]byte(`["a",{"_placeholder":true,"num":0}]`), [][]byte{{1, 2}, {}}, nil)
		}, []string{`452-["a",{"_placeholder":true,"num":0}]`, "b:\x01\x02", "b:"}},
		{"ack", func(m *member) error { return m.Ack(12, []byte(`[{"ok":true}]`), nil, nil) }, []string{`4312[{"ok":true}]`}},
		{"ack 0", func(m *member) error { return m.Ack(0, []byte(`[]`), nil, nil) }, []string{`430[]`}},
		{"binary ack", func(m *member) error { return m.Ack(3, []byte(`[1]`), [][]byte{[]byte("x")}, nil) }, []string{`461-3[1]`, "b:x"}},
		{"batch", func(m *member) error {
			var b wire.Batch
			defer b.Flush()
			return errors.Join(m.Emit([]byte(`["a"]`), nil, &b), m.Emit([]byte(`["b"]`), [][]byte{{9}}, &b), m.Emit([]byte(`["c"]`), nil, &b))
		}, []string{`42["a"]`, `451-["b"]`, "b:\x09", `42["c"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
				if err := tt.send(m); err != nil {
					t.Fatal(err)
				}
				for _, want := range tt.want {
					if got := next(); got != want {
						t.Fatalf("got %q, want %q", got, want)
					}
				}
			})
		})
	}
}

func TestSocketReceives(t *testing.T) {
	tests := []struct {
		name string
		send []string
		want []string
	}{
		{"event", []string{`42["a", 1.0]`}, []string{`["a", 1.0]`}},
		{"several", []string{`42["a"]`, `42["b"]`, `42["c"]`}, []string{`["a"]`, `["b"]`, `["c"]`}},
		{"ack", []string{`427["a"]`}, []string{`7 ["a"]`}},
		{"binary", []string{`452-["a",{"_placeholder":true,"num":1}]`, "b:\x00\xff", "b:"}, []string{"[\"a\",{\"_placeholder\":true,\"num\":1}] b:\x00\xff b:"}},
		{"binary without attachments", []string{`42["a"]`, `451-12["b"]`, "b:x", `42["c"]`}, []string{`["a"]`, `12 ["b"] b:x`, `["c"]`}},
		{"number", []string{`42[1,2]`}, []string{`[1,2]`}},
		{"another namespace", []string{`40/other`, `42/other,["o"]`, `42["a"]`}, []string{`["a"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
				send(tt.send...)
				for _, want := range tt.want {
					if got := receive(t, "event", m.events); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				}
				if len(m.events) > 0 {
					t.Errorf("got %q as well", <-m.events)
				}
			})
		})
	}
}

func TestEvent(t *testing.T) {
	check := func(m *member, e *Event) error {
		switch string(e.Args) {
		case `["offer",{"a":1}]`:
			if string(e.Name) != "offer" || string(e.Rest) != `,{"a":1}]` || e.Ack != NoAck || e.Attachments != nil || e.Batch == nil {
				m.t.Errorf("%+v", e)
			}
		case `[ 5 ,"x"]`:
			if e.Name != nil || string(e.Rest) != ` ,"x"]` || e.Ack != 0 {
				m.t.Errorf("%+v", e)
			}
		case `["b",{"_placeholder":true,"num":0}]`:
			if len(e.Attachments) != 1 || string(e.Attachments[0]) != "x" || e.Ack != 3 {
				m.t.Errorf("%+v", e)
			}
		default:
			m.t.Errorf("args %q", e.Args)
		}
		return m.Emit([]byte(`["echo"]`), nil, e.Batch)
	}
	onTransports(t, nil, func(r *room) { r.event = check }, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		send(`42["offer",{"a":1}]`, `420[ 5 ,"x"]`, `451-3["b",{"_placeholder":true,"num":0}]`, "b:x")
		for range 3 {
			if got := next(); got != `42["echo"]` {
				t.Errorf("got %q", got)
			}
		}
	})
}

func TestSocket(t *testing.T) {
	onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		if m.Info() != 1 {
			t.Errorf("info %v", m.Info())
		}
		if since := time.Since(m.Socket.Opened()); since < 0 || since > time.Minute {
			t.Errorf("opened %v ago", since)
		}
		if m.ID() == "" || len(m.ID()) < 20 {
			t.Errorf("id %q", m.ID())
		}
	})
}

func TestDisconnect(t *testing.T) {
	onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		send("40/other")
		other := s.next()
		if got, want := next(), `40/other,{"sid":"`+other.ID()+`"}`; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		_ = m.emit(`["last"]`)
		var all sync.WaitGroup
		for range 10 {
			all.Go(m.Disconnect)
		}
		all.Wait()
		if err := m.emit(`["late"]`); err != ErrClosed {
			t.Errorf("Emit after Disconnect: %v", err)
		}
		if err := m.Ack(1, []byte("[]"), nil, nil); err != ErrClosed {
			t.Errorf("Ack after Disconnect: %v", err)
		}
		ended(t, m.end, "server namespace disconnect")
		ended(t, other.end, "server namespace disconnect")
		for _, want := range []string{`42["last"]`, "41"} {
			if got := next(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// A client may leave a namespace while its session, and the server, go on.
func TestLeave(t *testing.T) {
	onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		send(`42["last"]`, "41", "40")
		ended(t, m.end, "client namespace disconnect")
		if got := receive(t, "event", m.events); got != `["last"]` {
			t.Errorf("got %q", got)
		}
		if err := m.emit(`["late"]`); err != ErrClosed {
			t.Errorf("Emit after the end: %v", err)
		}
		m.Disconnect() // which is too late, and does nothing
		again := s.next()
		if got, want := next(), `40{"sid":"`+again.ID()+`"}`; got != want || again.ID() == m.ID() {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := again.emit(`["hello"]`); err != nil {
			t.Error(err)
		}
		if got := next(); got != `42["hello"]` {
			t.Errorf("got %q", got)
		}
	})
}

func TestConnectRefused(t *testing.T) {
	tests := []struct {
		name  string
		err   error
		want  string
		close bool
	}{
		{"connect error", &ConnectError{Message: "Unauthorized"}, `44{"message":"Unauthorized"}`, false},
		{"connect error that closes", &ConnectError{Message: "Rate limit exceeded", Close: true}, `44{"message":"Rate limit exceeded"}`, true},
		{"wrapped", fmt.Errorf("no: %w", &ConnectError{Message: "Unauthorized"}), `44{"message":"Unauthorized"}`, false},
		{"any other", errors.New(`no "way"`), `44{"message":"no \"way\""}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := sockets(t, loopback{}, nil)
			s.room.connect = func(_ *member, auth []byte) error {
				if string(auth) == `{"token":"x"}` {
					return nil
				}
				return tt.err
			}
			c := s.OpenWebSocket()
			c.Send(`40`)
			c.Expect(tt.want)
			if tt.close {
				c.ExpectClosed(1000)
				return
			}
			c.Send(`40{"token":"x"}`)
			c.Expect(`40{"sid":"` + s.next().ID() + `"}`)

			p := s.OpenPolling()
			p.Send("40")
			p.Expect(tt.want)
			p.Send(`40{"token":"x"}`)
			p.Expect(`40{"sid":"` + s.next().ID() + `"}`)
		})
	}
}

// What a Receiver sends in its first call comes behind the CONNECT reply.
func TestOpened(t *testing.T) {
	s := sockets(t, loopback{}, nil)
	s.room.connect = func(m *member, _ []byte) error {
		if err := m.emit(`["before the reply"]`); err != nil {
			t.Errorf("Emit in Connect: %v", err)
		}
		return nil
	}
	s.room.opened = func(m *member) { _ = m.emit(`["hello"]`) }
	c := s.OpenWebSocket()
	c.Send("40")
	c.Expect(`42["before the reply"]`, `40{"sid":"`+s.next().ID()+`"}`, `42["hello"]`)
}

// A Receiver's panic ends its session, and no other.
func TestReceiverPanics(t *testing.T) {
	t.Parallel()
	boom := func() { panic("boom") }
	tests := []struct {
		name string
		arm  func(r *room)
		send string
		last bool // the receiver is told of the end
	}{
		{"Connect", func(r *room) { r.connect = func(*member, []byte) error { boom(); return nil } }, "40/other", false},
		{"Opened", func(r *room) { r.opened = func(*member) { boom() } }, "40/other", true},
		{"Event", func(r *room) { r.event = func(*member, *Event) error { boom(); return nil } }, `42["x"]`, true},
		{"TooLarge", func(r *room) { r.large = func(*member) { boom() } }, "4" + strings.Repeat("x", testMaxPayload), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			panics := make(chan string, 10)
			tell := func(o *Options) {
				o.Panicked = func(v any, stack []byte) {
					panics <- fmt.Sprintf("%v %v", v, strings.Contains(string(stack), "TestReceiverPanics"))
				}
			}
			onTransports(t, tell, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
				other, bystander := s.connected()
				tt.arm(s.room)
				send(tt.send)
				if got := receive(t, "panic", panics); got != "boom true" {
					t.Errorf("panic %s", got)
				}
				receive(t, "end", m.end)
				s.room.event = nil
				other.Send(`42["alive"]`)
				if got := receive(t, "event", bystander.events); got != `["alive"]` {
					t.Errorf("got %q", got)
				}
				if len(panics) > 0 {
					t.Errorf("another panic: %s", <-panics)
				}
			})
		})
	}
}

// A session may end while a CONNECT packet is answered. The receiver is opened and
// closed all the same.
func TestSessionEndsWhileASocketConnects(t *testing.T) {
	onTransports(t, nil, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		s.room.connect = func(m *member, _ []byte) error { m.Close("over"); return nil }
		send("40/other")
		receive(t, "end", m.end)
	})
}

// Attachments count together against the limit of a message.
func TestAttachmentsTooLarge(t *testing.T) {
	half := "b:" + strings.Repeat("x", testMaxPayload/2)
	two := `452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	t.Run("websocket", func(t *testing.T) {
		s := sockets(t, loopback{}, nil)
		s.room.large = func(m *member) { _ = m.emit(`["error","Message too large"]`) }
		c, m := s.connected()
		c.Send(two, half, half)
		receive(t, "event", m.events)
		c.Send(two, half, half+"x")
		c.Expect(`42["error","Message too large"]`)
		c.ExpectClosed(1009)
		ended(t, m.end, "transport close")
	})
	t.Run("polling", func(t *testing.T) {
		s := sockets(t, loopback{}, nil)
		s.room.large = func(m *member) { _ = m.emit(`["error","Message too large"]`) }
		p, m := s.connectedPolling()
		b := "b" + base64.StdEncoding.EncodeToString([]byte(half[2:]))
		p.Send(two)
		p.Send(b)
		p.Send(b)
		receive(t, "event", m.events)
		p.Send(two)
		p.Send(b)
		if a := p.Post("b" + base64.StdEncoding.EncodeToString([]byte(half[2:]+"x"))); a.Status != http.StatusBadRequest {
			t.Errorf("%+v", a)
		}
		ended(t, m.end, "transport error")
		p.Expect(`42["error","Message too large"]`, "1")
		p.ExpectGone()
	})
}

// A message that is too large is told to every socket of the session.
func TestTooLarge(t *testing.T) {
	onTransports(t, nil, func(r *room) {
		r.large = func(m *member) { _ = m.emit(`["error","Message too large"]`) }
	}, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		send("40/other")
		other := s.next()
		next()
		send("42[" + strings.Repeat("x", testMaxPayload))
		got := []string{next(), next()}
		if got[0] > got[1] {
			got[0], got[1] = got[1], got[0]
		}
		if got[0] != `42/other,["error","Message too large"]` || got[1] != `42["error","Message too large"]` {
			t.Errorf("got %q", got)
		}
		for _, m := range []*member{m, other} {
			if reason := receive(t, "end", m.end); !strings.HasPrefix(reason, "transport") || len(m.large) != 1 {
				t.Errorf("closed by %q, TooLarge called %d times", reason, len(m.large))
			}
		}
	})
}

// Packets with attachments are never torn apart, whoever sends meanwhile.
func TestEmitIsAtomic(t *testing.T) {
	const senders, sends = 6, 200
	onTransports(t, func(o *Options) { o.MaxOutbox = 64 << 20 }, nil, func(t *testing.T, s *socketSite, m *member, send func(...string), next func() string) {
		var all sync.WaitGroup
		for i := range senders {
			all.Go(func() {
				var batch wire.Batch
				for k := range sends {
					with := &batch
					if k%2 == 0 {
						with = nil
					}
					id := fmt.Sprintf("%d-%d", i, k)
					if err := m.Emit([]byte(`["`+id+`"]`), [][]byte{[]byte("one " + id), []byte("two " + id)}, with); err != nil {
						t.Errorf("Emit: %v", err)
					}
					if k%5 == 0 {
						batch.Flush()
					}
				}
				batch.Flush()
			})
		}
		due := make([]int, senders)
		for range senders * sends {
			head := next()
			var i, k int
			if _, err := fmt.Sscanf(head, `452-["%d-%d"]`, &i, &k); err != nil || k != due[i] {
				t.Fatalf("got %q, %v, due %v", head, err, due)
			}
			due[i]++
			for _, want := range []string{"b:one ", "b:two "} {
				if got := next(); got != fmt.Sprintf("%s%d-%d", want, i, k) {
					t.Fatalf("got %q behind %q", got, head)
				}
			}
		}
		all.Wait()
	})
}

// Sessions and sockets are closed from elsewhere while their clients post: each
// is told once, at the end, and never while another call runs.
func TestCloseWhilePosting(t *testing.T) {
	s := sockets(t, loopback{}, func(o *Options) { o.MaxOutbox = 4 << 10 })
	s.room.event = func(m *member, e *Event) error {
		if rand.IntN(20) == 0 {
			m.Disconnect()
		}
		return m.Emit([]byte(`["echo"]`), nil, e.Batch)
	}
	ends := []func(m *member){
		func(m *member) { m.Disconnect() },
		func(m *member) { m.Socket.(*socket).client.session.Close("enough") },
		func(m *member) { m.Socket.(*socket).client.session.abort("enough") },
		func(m *member) { m.Socket.(*socket).client.session.Cut() },
		func(m *member) {
			for m.emit(`["fill"]`) == nil {
				continue
			}
		},
	}
	var all sync.WaitGroup
	var opening sync.Mutex
	for range 6 {
		all.Go(func() {
			for range 12 {
				opening.Lock()
				p, m := s.connectedPolling()
				opening.Unlock()
				var busy sync.WaitGroup
				busy.Go(func() {
					for {
						a, err := p.Request(context.Background(), "POST", p.Query, `42["x"]`+"\x1e"+`42["y"]`)
						if err != nil || a.Status != http.StatusOK || len(m.end) > 0 {
							return
						}
					}
				})
				if rand.IntN(2) == 0 {
					busy.Go(func() {
						for {
							a, err := p.Request(context.Background(), "GET", p.Query, "")
							if err != nil || a.Status != http.StatusOK {
								return
							}
						}
					})
				}
				busy.Go(func() {
					for range rand.IntN(20) {
						select {
						case <-m.events:
						case reason := <-m.end: // by the handler
							m.end <- reason
							return
						}
					}
					ends[rand.IntN(len(ends))](m)
				})
				busy.Wait()
				receive(t, "end", m.end)
			}
		})
	}
	all.Wait()
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	for i, m := range s.room.all {
		if len(m.end) > 0 {
			t.Errorf("socket %d was closed again, by %q", i, <-m.end)
		}
	}
}
