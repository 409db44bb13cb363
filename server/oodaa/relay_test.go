package oodaa

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// TestNothingVanishes relays to a user whom connections take from each other
// all the time. Each relay arrives once, in order, or is answered with an error.
func TestNothingVanishes(t *testing.T) {
	const senders, each, holders = 8, 500, 40
	s := newServer(t)
	now := time.Now()
	sources := make([]*testClient, senders)
	for i := range sources {
		sources[i] = s.connect(fmt.Sprint("A", i), now)
		sources[i].register(fmt.Sprint("a", i))
	}
	targets := make([]*testClient, holders)
	for i := range targets {
		targets[i] = s.connect(fmt.Sprint("B", i), now)
	}

	var wg sync.WaitGroup
	turns := make(chan struct{}) // each after so many relays
	wg.Go(func() {
		for i, b := range targets {
			<-turns
			if i%3 == 0 && i > 0 { // nobody is there from here to the next turn
				targets[i-1].Disconnect()
				targets[i-1].Closed("transport close")
				continue
			}
			if err := b.send(`["register",{"userId":"bob"}]`, socketio.NoAck, nil); err != nil {
				t.Error(err)
			}
			if i%3 == 2 {
				targets[i-1].Closed("server namespace disconnect")
			}
		}
	})
	for i, a := range sources {
		wg.Go(func() {
			for n := range each {
				args := fmt.Sprintf(`["ice-candidate",{"to":"bob","from":"a%d","candidate":"%d.%d"}]`, i, i, n)
				if err := a.send(args, int64(n), nil); err != nil {
					t.Error(err)
				}
				if n%(senders*each/holders) == 0 {
					turns <- struct{}{}
				}
			}
		})
	}
	wg.Wait()

	arrived := make(map[string]int)
	for _, b := range targets {
		last := make([]int, senders)
		for _, heard := range b.take() {
			var sender, n int
			if _, err := fmt.Sscanf(heard, `["ice-candidate",{"from":"a%d","candidate":"`, &sender); err != nil {
				continue
			}
			_, number, _ := strings.Cut(heard, `"candidate":"`)
			if _, err := fmt.Sscanf(number, "%d.%d", &sender, &n); err != nil {
				t.Fatal(err)
			}
			if n < last[sender] {
				t.Errorf("%d.%d came after %d", sender, n, last[sender])
			}
			last[sender] = n
			arrived[fmt.Sprintf("%d.%d", sender, n)]++
		}
	}
	total, delivered, errors := 0, 0, 0
	for i, a := range sources {
		for _, heard := range a.take() {
			id, outcome, acked := strings.Cut(heard, " [{")
			if !acked {
				if heard == `["error","User bob not found"]` {
					errors++
				}
				continue
			}
			total++
			want := 0
			switch outcome {
			case `"ok":true}]`:
				want = 1
				delivered++
			case `"ok":false,"error":"User bob not found","code":"not_found"}]`:
				errors--
			default:
				t.Errorf("got %s", heard)
			}
			if got := arrived[fmt.Sprint(i, ".", id)]; got != want {
				t.Errorf("%d.%s, acknowledged with %s, arrived %d times", i, id, outcome, got)
			}
		}
	}
	if total != senders*each || errors != 0 {
		t.Errorf("%d acknowledgements, and %d errors too many", total, errors)
	}
	if delivered == 0 || delivered == total {
		t.Errorf("%d of %d were delivered", delivered, total)
	}
}

// batched is a Socket that keeps the batch that it was last given.
type batched struct {
	testClient
	batch *wire.Batch
	given bool
}

func (b *batched) queue(batch *wire.Batch) error { b.batch, b.given = batch, true; return nil }

func (b *batched) Emit(_ []byte, _ [][]byte, batch *wire.Batch) error { return b.queue(batch) }
func (b *batched) Relay(_ []byte, _ [][]byte, _ wire.Receipt, batch *wire.Batch) error {
	return b.queue(batch)
}
func (b *batched) Ack(_ int64, _ []byte, _ [][]byte, batch *wire.Batch) error { return b.queue(batch) }

// TestBatches has all that one event causes wait for the end of what arrived
// with it.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		a, b := new(batched), new(batched)
		for _, c := range []*batched{a, b} {
			receiver, err := s.accept(c)
			if err != nil {
				t.Fatal(err)
			}
			c.Receiver, c.server, c.since = receiver, s, time.Now()
			receiver.Opened()
		}
		var batch wire.Batch
		send := func(c *batched, args string, ack int64) {
			p := socketio.Packet{Data: []byte(args)}
			name, rest, _ := p.EventName()
			if _, err := c.Event(&socketio.Event{Name: name, Args: p.Data, Rest: rest, Ack: ack, Batch: &batch}); err != nil {
				t.Errorf("%s: %v", args, err)
			}
			synctest.Wait()
		}
		expect := func(what string, c *batched, want *wire.Batch) {
			t.Helper()
			if !c.given || c.batch != want {
				t.Errorf("%s: %p, %v, want %p", what, c.batch, c.given, want)
			}
			a.given, b.given = false, false
		}
		send(a, `["register",{"userId":"a"}]`, socketio.NoAck)
		expect("list", a, &batch)
		send(b, `["register",{"userId":"b"}]`, socketio.NoAck)
		send(a, `["get-users"]`, socketio.NoAck)
		expect("list", a, &batch)
		send(a, `["ping"]`, socketio.NoAck)
		expect("pong", a, &batch)
		send(a, `["offer",{"to":"b","from":"a","offer":1}]`, socketio.NoAck)
		expect("relay", b, &batch)
		send(a, `["offer",{"to":"b","from":"a","offer":1}]`, 1)
		expect("acknowledgement", a, &batch)
		send(a, `["offer",{}]`, socketio.NoAck)
		expect("error", a, &batch)
		a.TooLarge()
		expect("error that is the last", a, nil)
		if code := s.hub.Find([]byte("b")).Peer.Relay(&hub.Relay{From: a.user(s), Payload: []byte("1")}); code != hub.OK {
			t.Errorf("code %d", code)
		}
		expect("relay of another gateway", b, nil)
	})
}

func (b *batched) user(s *server) *hub.User { return s.hub.Find([]byte("a")) }

func TestCounts(t *testing.T) {
	s := newServer(t)
	a, b := s.connect("A", time.Now()), s.connect("B", time.Now())
	a.register("alice")
	for _, args := range []string{
		relayToBob, `["offer",{}]`, `["ice-candidate",1]`, `["register"]`, `["answer",{"to":"alice","from":"bob","answer":1}]`,
		`["custom-message",{"to":"alice","from":"alice","message":1}]`, `["custom-message",{"to":"alice","from":"alice","message":2}]`,
	} {
		if err := a.send(args, 1, nil); err != nil {
			t.Error(err)
		}
	}
	if err := b.send(relayToBob, 1, nil); err != nil {
		t.Error(err)
	}
	b.TooLarge()
	b.Receiver.(*client).refuseEarly(nil) // no register came
	wantRelays := map[string]uint64{"offer": 0, "answer": 0, "ice-candidate": 0, "custom-message": 2}
	if got := s.gateway.Handlers.Counters.Relays(); !maps.Equal(got, wantRelays) {
		t.Errorf("relays %v, want %v", got, wantRelays)
	}
	wantErrors := map[string]uint64{
		"User <to> not found": 1, "Invalid offer data": 1, "Invalid ICE candidate data": 1, "Invalid user ID": 1,
		"Sender mismatch": 1, "Not registered": 1, "Message too large": 1,
	}
	if got := s.errors(); !maps.Equal(got, wantErrors) {
		t.Errorf("errors %v, want %v", got, wantErrors)
	}
}

// TestLogs has everything happen that is logged, and looks for what must not be.
func TestLogs(t *testing.T) {
	const user, body = "alice-the-user", "secret-of-the-body"
	for level, users := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		t.Run(level.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var text bytes.Buffer
				s := newServer(t)
				s.handlers.Log = slog.New(slog.NewJSONHandler(&text, &slog.HandlerOptions{Level: level}))
				a, b, c := s.connect("A", time.Now()), s.connect("B", time.Now()), s.connect("C", time.Now())
				a.register(user)
				b.register(user)
				s.settle()
				offer := fmt.Sprintf(`["offer",{"to":"%s","from":"%s","offer":"%s"}]`, user, user, body)
				for _, args := range []string{offer, `["offer",{"to":"` + body + `","from":"` + user + `","offer":1}]`, offer + "}"} {
					_ = b.send(args, 1, nil)
				}
				b.limited(offer, 2)
				b.OverRate()
				s.settle()
				if !b.ended {
					t.Error("not disconnected")
				}
				time.Sleep(time.Minute)
				s.settle()
				if !c.ended {
					t.Error("not disconnected")
				}
				if log := text.String(); strings.Contains(log, body) || strings.Contains(log, user) != users || !strings.Contains(log, "socket-B") {
					t.Errorf("got %s", log)
				}
			})
		})
	}
}

// raced reports whether the race detector is on, with which pools lose things.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}

// idle is a Socket that takes everything and keeps none of it.
type idle struct {
	testClient
	bytes int
}

func (i *idle) Emit(args []byte, _ [][]byte, _ *wire.Batch) error {
	i.bytes += len(args)
	return nil
}

func (i *idle) Relay(args []byte, _ [][]byte, _ wire.Receipt, _ *wire.Batch) error {
	i.bytes += len(args)
	return nil
}

func (i *idle) Ack(_ int64, args []byte, _ [][]byte, _ *wire.Batch) error {
	i.bytes += len(args)
	return nil
}

// idlePair is alice, who sends, and bob, to whom.
func idlePair(s *server) (alice, bob *idle) {
	alice, bob = &idle{}, &idle{}
	for i, c := range []*idle{alice, bob} {
		receiver, err := s.accept(c)
		if err != nil {
			s.t.Fatal(err)
		}
		c.Receiver, c.server, c.since = receiver, s, time.Now()
		receiver.Opened()
		c.register([]string{"alice", "bob"}[i])
	}
	return alice, bob
}

const candidate = `["ice-candidate",{"to":"bob","from":"alice","candidate":{"candidate":"candidate:842163049 1 udp 1677729535 203.0.113.7 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw","sdpMid":"0","sdpMLineIndex":0}}]`

var relayed = []struct {
	name string
	args string
	ack  int64
}{
	{"candidate", candidate, socketio.NoAck},
	{"offer of 4 KB", `["offer",{"to":"bob","from":"alice","offer":{"sdp":"` + strings.Repeat(`a=x\r\n`, 600) + `"}}]`, socketio.NoAck},
	{"candidate, acknowledged", candidate, 7},
}

// TestRelayAllocatesNothing is of all between the engines of two clients.
func TestRelayAllocatesNothing(t *testing.T) {
	if raced() {
		t.Skip("pools lose things")
	}
	for _, tt := range relayed {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			alice, bob := idlePair(s)
			p := socketio.Packet{Data: []byte(tt.args)}
			name, rest, err := p.EventName()
			if err != nil || !json.Valid(p.Data) {
				t.Fatal("no event", err)
			}
			e := &socketio.Event{Name: name, Args: p.Data, Rest: rest, Ack: tt.ack, Batch: new(wire.Batch)}
			if _, err := alice.Event(e); err != nil { // bob has been told who is there
				t.Fatal(err)
			}
			before := bob.bytes
			const runs = 100
			allocs := testing.AllocsPerRun(runs, func() {
				if _, err := alice.Event(e); err != nil {
					t.Error(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
			if want := (runs + 1) * (len(tt.args) - len(`"to":"bob",`)); bob.bytes-before != want {
				t.Errorf("%d bytes arrived, want %d", bob.bytes-before, want)
			}
		})
	}
}

func BenchmarkRelay(b *testing.B) {
	for _, bb := range relayed {
		b.Run(bb.name, func(b *testing.B) {
			s := newServer(b)
			alice, _ := idlePair(s)
			p := socketio.Packet{Data: []byte(bb.args)}
			e := &socketio.Event{Args: p.Data, Ack: bb.ack}
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if e.Name, e.Rest, err = p.EventName(); err != nil {
					b.Fatal(err)
				}
				if _, err := alice.Event(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
