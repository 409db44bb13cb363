package volli_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/server"
)

const sizeLimit = 4000

// padded is a message with so many bytes in all; format has a %s for what fills
// it.
func padded(format string, size int) string {
	return fmt.Sprintf(format, strings.Repeat("x", size-len(format)+len("%s")))
}

// TestMaxMessage: the limit is the one message's own, either way.
func TestMaxMessage(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			opts := change(options(), func(o *server.Options) { o.MaxMessage, o.Engine = sizeLimit, engine.start })

			t.Run("from the client", func(t *testing.T) {
				s := start(t, opts)
				a, b := s.join("a"), s.join("b")
				offer := `{"type":"offer","from":"a","to":"b","offer":"%s"}`
				for _, size := range []int{sizeLimit - 1, sizeLimit} {
					a.send(padded(offer, size))
					b.expect(padded(offer, size))
				}
				a.send(padded(offer, sizeLimit+1))
				a.expect(tooLarge)
				a.expectClose(ws.StatusMessageTooBig, "message too large")
				b.settle()
				b.offline("a")
			})

			// A Volli client's message grows by no byte on its way to another.
			t.Run("bytes and not characters count", func(t *testing.T) {
				s := start(t, opts)
				a := s.join("a")
				a.send(`{"type":"offer","from":"a","to":"a","offer":"` + strings.Repeat("é", 1900) + `"}`)
				a.text()
				a.send(`{"type":"offer","from":"a","to":"a","offer":"` + strings.Repeat("é", 2000) + `"}`)
				a.expect(tooLarge)
				a.expectClose(ws.StatusMessageTooBig, "message too large")
			})

			// Translated to Oodaa's form, a message never grows.
			t.Run("to Oodaa's client", func(t *testing.T) {
				s := start(t, opts)
				v, o := s.join("v"), s.openSocketIO("o")
				o.send(`42["register",{"userId":"o"}]`)
				o.text()
				for _, format := range []string{
					`{"type":"offer","from":"v","to":"o","offer":"%s"}`,
					`{"type":"ice-candidate","from":"v","to":"o","candidate":"%s"}`,
				} {
					v.send(padded(format, sizeLimit))
					if got := o.text(); len(got) < sizeLimit-40 {
						t.Errorf("got %d bytes", len(got))
					}
				}
				v.settle()
				o.settle()
			})

			// To Volli's it may: the sender is told, and nobody's connection ends.
			t.Run("to Volli's client", func(t *testing.T) {
				s := start(t, opts)
				v := s.join("v")
				o := s.openSocketIO("o")
				o.send(`42["register",{"userId":"\u0001\u0001\u0001"}]`)
				o.text()
				room := sizeLimit - len(`{"type":"offer","from":"\u0001\u0001\u0001","to":"v","offer":""}`)
				offer := func(n int) string {
					return "420[\"offer\",{\"to\":\"v\",\"from\":\"\\u0001\\u0001\\u0001\",\"offer\":\"" + strings.Repeat("x", n) + `"}]`
				}
				o.send(offer(room))
				if got := v.text(); len(got) != sizeLimit {
					t.Errorf("got %d bytes", len(got))
				}
				o.expect(`430[{"ok":true}]`)
				o.send(offer(room + 1))
				o.expect(`42["error","Message too large"]`)
				o.expect(`430[{"ok":false,"error":"Message too large","code":"too_large"}]`)
				v.settle()
				o.settle()
			})
		})
	}
}

// TestDefaultMaxMessage at the size that the contract names.
func TestDefaultMaxMessage(t *testing.T) {
	s := start(t, options())
	a, b := s.join("a"), s.join("b")
	offer := padded(`{"type":"offer","from":"a","to":"b","offer":"%s"}`, 1_000_000)
	for range 3 {
		a.send(offer)
		b.expect(offer)
	}
	a.send(offer + " ")
	a.expect(tooLarge)
	a.expectClose(ws.StatusMessageTooBig, "message too large")
}

// TestRelayThatNoOutboxTakes: the sender is told, and the target goes on.
func TestRelayThatNoOutboxTakes(t *testing.T) {
	s := start(t, change(options(), func(o *server.Options) { o.MaxMessage, o.MaxOutbox = 50_000, 40_000 }))
	a, b := s.join("a"), s.join("b")
	offer := `{"type":"offer","from":"a","to":"b","offer":"%s"}`
	a.send(padded(offer, 40_000))
	a.expect(tooLarge)
	a.send(padded(offer, 10_000))
	b.expect(padded(offer, 10_000))
	b.settle()
}

// TestBinaryHasNoVolliForm: values that JSON cannot hold.
func TestBinaryHasNoVolliForm(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			s := start(t, change(options(), func(o *server.Options) { o.Engine = engine.start }))
			v, o := s.join("v"), s.openSocketIO("o")
			o.send(`42["register",{"userId":"o"}]`)
			o.expect(`42["user-list",{"users":["v"]}]`)
			o.write(join(
				frame(true, ws.OpText, `451-7["offer",{"to":"v","from":"o","offer":{"x":{"_placeholder":true,"num":0}}}]`),
				frame(true, ws.OpBinary, "\x00\x01")))
			o.expect(`42["error","User v not found"]`)
			o.expect(`437[{"ok":false,"error":"User v not found","code":"not_found"}]`)
			// One outside the body is dropped, and the rest passes.
			o.write(join(
				frame(true, ws.OpText, `451-8["offer",{"to":"v","from":"o","offer":1.0,"x":{"_placeholder":true,"num":0}}]`),
				frame(true, ws.OpBinary, "\x00\x01")))
			v.expect(`{"type":"offer","from":"o","to":"v","offer":1.0}`)
			o.expect(`438[{"ok":true}]`)
			v.settle()
			o.settle()
		})
	}
}

// TestTakeoverRace: many connections claim one name at the same time. One has
// it in the end, and all others were closed.
func TestTakeoverRace(t *testing.T) {
	s := start(t, options())
	const claimants = 100
	register := `{"type":"register","userId":"x","publicKey":"key"}`
	var clients []*client
	for range claimants {
		clients = append(clients, s.open("x", "/ws"))
	}
	begin := make(chan struct{})
	replaced := make(chan bool, claimants)
	for _, c := range clients {
		go func() {
			<-begin
			if _, err := c.conn.Write(frame(true, ws.OpText, register)); err != nil {
				t.Error(err)
			}
			f, err := c.next()
			if err == nil && f.Header.OpCode == ws.OpText {
				if want := `{"type":"registered","success":true,"userId":"x"}`; string(f.Payload) != want {
					t.Errorf("got %s", f.Payload)
				}
				// The holder gets the offer that is made when all is over.
				f, err = c.next()
			}
			switch {
			case err != nil:
				t.Error(err)
				replaced <- true
			case f.Header.OpCode == ws.OpText:
				replaced <- false
			default:
				if want := ws.NewCloseFrame(ws.NewCloseFrameBody(4001, "replaced")); describe(f) != describe(want) {
					t.Errorf("got %s", describe(f))
				}
				_, _ = c.conn.Write(frame(true, ws.OpClose, string(f.Payload)))
				replaced <- true
			}
		}()
	}
	close(begin)
	for range claimants - 1 {
		if !<-replaced {
			t.Fatal("a holder before all others were replaced")
		}
	}
	a := s.join("a")
	a.online("x")
	a.send(`{"type":"offer","from":"a","to":"x","offer":1}`)
	if <-replaced {
		t.Error("nobody got the offer")
	}
	if v := s.stats(); v.users != 2 {
		t.Errorf("%d users, want 2", v.users)
	}
	a.settle()
}

// TestRegisteredComesFirst: what others send to a name comes behind the answer
// to its register.
func TestRegisteredComesFirst(t *testing.T) {
	s := start(t, change(options(), func(o *server.Options) { o.MessageRate = 0 }))
	const callers, rounds = 3, 100
	var calling sync.WaitGroup
	defer calling.Wait()
	for i := range callers {
		caller := s.join(fmt.Sprint("caller", i))
		calls := join(
			frame(true, ws.OpText, fmt.Sprintf(`{"type":"offer","from":"caller%d","to":"x","offer":1}`, i)),
			frame(true, ws.OpText, `[]`))
		calling.Go(func() {
			for { // until the connection is closed below
				if _, err := caller.conn.Write(calls); err != nil {
					return
				}
				for answered := false; !answered; {
					f, err := caller.next()
					if err != nil {
						return
					}
					answered = string(f.Payload) == `{"type":"error","message":"Invalid message format","code":"invalid_format"}`
				}
			}
		})
		defer func() { _ = caller.conn.Close() }()
	}
	for range rounds {
		x := s.open("x", "/ws")
		x.send(`{"type":"register","userId":"x","publicKey":"key"}`)
		x.expect(`{"type":"registered","success":true,"userId":"x"}`)
		_ = x.conn.Close()
	}
}

// TestOrder: many messages at once arrive in order, from several at once, and
// none is lost.
func TestOrder(t *testing.T) {
	s := start(t, change(options(), func(o *server.Options) { o.MessageRate = 0 }))
	const senders, count = 5, 400
	target := s.join("target")
	for i := range senders {
		c := s.join(fmt.Sprint("sender", i))
		go func() {
			var all []byte
			for n := range count {
				all = append(all, frame(true, ws.OpText, fmt.Sprintf(`{"type":"ice-candidate","from":"sender%d","to":"target","candidate":[%d]}`, i, n))...)
			}
			// In pieces that end anywhere.
			for part := range slices.Chunk(all, 777+100*i) {
				if _, err := c.conn.Write(part); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	var next [senders]int
	for range senders * count {
		var i, n int
		got := target.text()
		if _, err := fmt.Sscanf(got, `{"type":"ice-candidate","from":"sender%d","to":"target","candidate":[%d]}`, &i, &n); err != nil || next[i] != n {
			t.Fatalf("got %s, want number %d of %d", got, next[i], i)
		}
		next[i]++
	}
	target.settle()
}
