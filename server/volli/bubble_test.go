package volli_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/server"
)

// All of this runs in bubbles of synctest: the clock is not the machine's, and
// goes on only when everybody waits. So times are exact.

// after asserts how long after start it is.
func after(t *testing.T, start time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(start); got != want {
		t.Errorf("after %s, want %s", got, want)
	}
}

// expectOnline asks, on a connection of its own, whether the user is online.
func (s *instance) expectOnline(user string, want bool) {
	s.t.Helper()
	c := s.open("somebody", "/ws")
	if want {
		c.online(user)
	} else {
		c.send(`{"type":"discover","userId":"` + user + `"}`)
		c.expect(`{"type":"discover-response","userId":"` + user + `","online":false}`)
	}
	c.close(ws.StatusNormalClosure, "")
	c.expectClose(ws.StatusNormalClosure, "")
}

// live makes the client answer heartbeats, and take whatever comes, until its
// connection ends.
func (c *client) live() {
	go func() {
		for {
			f, err := c.next()
			switch {
			case err != nil || f.Header.OpCode == ws.OpClose:
				return
			case f.Header.OpCode == ws.OpPing:
				_, err = c.conn.Write(frame(true, ws.OpPong, string(f.Payload)))
			case string(f.Payload) == "2" && c.socket:
				_, err = c.conn.Write(frame(true, ws.OpText, "3"))
			}
			if err != nil {
				return
			}
		}
	}()
}

func TestPingsComeAtPingInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		c := s.join("c")
		start := time.Now()
		for i := range 20 {
			c.expectFrame(ws.OpPing, "")
			after(t, start, time.Duration(i+1)*25*time.Second)
			c.write(frame(true, ws.OpPong, ""))
		}
		c.settle()
		s.expectOnline("c", true)
	})
}

// TestPingTimeoutIsThereForEveryPing, whichever of the two times is the longer.
func TestPingTimeoutIsThereForEveryPing(t *testing.T) {
	for _, tt := range []struct{ interval, timeout time.Duration }{
		{25 * time.Second, 20 * time.Second},
		{10 * time.Second, 10 * time.Second},
		{10 * time.Second, 35 * time.Second},
		{100 * time.Millisecond, time.Minute},
		{time.Minute, 100 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(tt.interval, "+", tt.timeout), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startInBubble(t, change(options(), func(o *server.Options) {
					o.PingInterval, o.PingTimeout = tt.interval, tt.timeout
				}))
				c := s.join("c")
				heard := time.Now()
				for i := range 12 {
					c.expectFrame(ws.OpPing, "")
					after(t, heard, tt.interval)
					time.Sleep([]time.Duration{0, tt.timeout - 1, tt.timeout / 2}[i%3])
					c.write(frame(true, ws.OpPong, ""))
					heard = time.Now()
				}
				c.expectFrame(ws.OpPing, "")
				after(t, heard, tt.interval)
				c.expectFrame(ws.OpClose, string(ws.NewCloseFrameBody(1011, "ping timeout")))
				after(t, heard, tt.interval+tt.timeout)
			})
		})
	}
}

// TestAnyMessageIsASignOfLife: what the client says puts the ping off.
func TestAnyMessageIsASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		c := s.join("c")
		start := time.Now()
		for range 10 {
			time.Sleep(24 * time.Second)
			c.settle()
		}
		c.expectFrame(ws.OpPing, "")
		after(t, start, 265*time.Second)
		time.Sleep(20*time.Second - 1)
		c.settle() // in the last moment, and instead of the pong
		c.expectFrame(ws.OpPing, "")
		after(t, start, 310*time.Second-1)
	})
}

func TestSilentPeerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		c := s.join("c")
		start := time.Now()
		c.expectFrame(ws.OpPing, "")
		after(t, start, 25*time.Second)
		time.Sleep(20*time.Second - 1)
		s.expectOnline("c", true)
		c.expectFrame(ws.OpClose, string(ws.NewCloseFrameBody(1011, "ping timeout")))
		after(t, start, 45*time.Second)
		synctest.Wait()
		s.expectOnline("c", false)
		// It is silent to the end.
		c.expectEnd()
		after(t, start, 50*time.Second)
	})
}

// TestVanishedPeerIsClosed: it takes nothing any more, so that neither ping nor
// Close can be written.
func TestVanishedPeerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		s.join("c")
		time.Sleep(45*time.Second - 1)
		s.expectOnline("c", true)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		s.expectOnline("c", false)
		// A relay to it is answered at once.
		a := s.join("a")
		a.send(`{"type":"offer","from":"a","to":"c","offer":1}`)
		a.expectError("User c is not online")
	})
}

// TestVanishedPeerIsAnnounced to Oodaa's clients.
func TestVanishedPeerIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		o := s.openSocketIO("o")
		start := time.Now()
		s.join("c")
		o.expect(`42["peer-connected",{"peerId":"c"}]`)
		o.expect("2")
		o.send("3")
		o.expect(`42["peer-disconnected",{"peerId":"c"}]`)
		after(t, start, 45*time.Second)
	})
}

func TestRegisterTimeout(t *testing.T) {
	tests := []struct {
		name string
		do   func(c *client)
	}{
		{"silent", func(*client) {}},
		{"discovers", func(c *client) {
			c.send(`{"type":"discover","userId":"x"}`)
			c.expect(`{"type":"discover-response","userId":"x","online":false}`)
		}},
		{"fails to register", func(c *client) {
			c.send(`{"type":"register","userId":"x"}`)
			c.expectError("Missing required fields")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startInBubble(t, change(options(), func(o *server.Options) { o.RegisterTimeout = 20 * time.Second }))
				start := time.Now()
				c := s.open("c", "/signaling")
				time.Sleep(10 * time.Second)
				tt.do(c)
				c.expectClose(1008, "not registered")
				after(t, start, 20*time.Second)
			})
		})
	}
	t.Run("registers in the last moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := startInBubble(t, change(options(), func(o *server.Options) { o.RegisterTimeout = 20 * time.Second }))
			c := s.open("c", "/signaling")
			time.Sleep(20*time.Second - 1)
			c.send(`{"type":"register","userId":"c","publicKey":"key"}`)
			c.expect(`{"type":"registered","success":true,"userId":"c"}`)
			c.live()
			time.Sleep(time.Hour)
			s.expectOnline("c", true)
		})
	})
	// Nothing else is closed by then, and either family alike.
	t.Run("by default a minute", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := startInBubble(t, options())
			start := time.Now()
			v, o := s.open("v", "/signaling"), s.openSocketIO("o")
			registered := s.join("registered")
			registered.live()
			o.live()
			v.expectFrame(ws.OpPing, "")
			v.write(frame(true, ws.OpPong, ""))
			v.expectFrame(ws.OpPing, "")
			v.write(frame(true, ws.OpPong, ""))
			v.expectClose(1008, "not registered")
			after(t, start, time.Minute)
			s.expectOnline("registered", true)
		})
	})
}

// TestTakeoverAndDeadlines: those of the former holder touch the name no more.
func TestTakeoverAndDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		s.join("c") // and takes nothing any more
		time.Sleep(30 * time.Second)
		c := s.join("c")
		c.live()
		time.Sleep(time.Hour)
		s.expectOnline("c", true)
	})
}

// census are the log lines that say how many are online.
func (s *instance) census() (lines []map[string]any) {
	for _, line := range s.log.lines(slog.LevelInfo) {
		if line["msg"] == "clients counted" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestUsersAreCountedInTheLogOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) { o.RegisterTimeout = time.Hour }))
		v, w, o, p, unregistered := s.join("v"), s.join("w"), s.openSocketIO("o"), s.openSocketIO("p"), s.open("u", "/")
		for _, c := range []*client{o, p} {
			c.send(`42["register",{"userId":"` + c.name + `"}]`)
		}
		all := []*client{v, w, o, p, unregistered}
		for _, c := range all {
			c.live()
		}
		time.Sleep(time.Minute - 1)
		if lines := s.census(); len(lines) > 0 {
			t.Fatalf("too early: %v", lines)
		}
		for i, want := range []struct{ users, connections float64 }{{4, 5}, {3, 4}, {2, 3}, {1, 2}, {0, 1}, {0, 0}, {0, 0}} {
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			lines := s.census()
			if len(lines) != i+1 {
				t.Fatalf("%d lines after %d minutes: %v", len(lines), i+1, lines)
			}
			line := lines[i]
			if line["level"] != "INFO" || line["users"] != want.users || line["connections"] != want.connections {
				t.Errorf("minute %d: got %v, want %+v", i+1, line, want)
			}
			if i < len(all) {
				_ = all[i].conn.Close()
			}
			time.Sleep(time.Minute - 1)
		}
	})
}

// TestLogs: clients come, call and go without a line at info, of either family
// alike; at debug there are names, and never what clients say to each other.
func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		v, w, o := s.open("v", "/signaling?token=SECRET"), s.join("w"), s.openSocketIO("o")
		v.send(`{"type":"register","userId":"alice","publicKey":"SECRET"}`)
		v.text()
		o.expect(`42["peer-connected",{"peerId":"alice"}]`)
		o.send(`42["register",{"userId":"oodaa"}]`)
		o.text()
		v.send(`{"type":"offer","from":"alice","to":"oodaa","offer":"SECRET"}`)
		o.text()
		o.send(`42["answer",{"to":"alice","from":"oodaa","answer":"SECRET"}]`)
		v.text()
		v.send(`SECRET`)
		v.text()
		v.send(`{"type":"SECRET"}`)
		v.text()
		v.close(1000, "")
		v.expectClose(1000, "")
		_ = w.conn.Close()
		_ = o.conn.Close()
		synctest.Wait()
		if lines := s.log.lines(slog.LevelInfo); len(lines) > 0 {
			t.Errorf("at info: %v", lines)
		}
		named := false
		for _, line := range s.log.lines(slog.LevelDebug) {
			text := fmt.Sprint(line)
			if strings.Contains(text, "SECRET") {
				t.Errorf("tells: %s", text)
			}
			named = named || strings.Contains(text, "alice")
		}
		if !named {
			t.Error("even at debug nobody has a name")
		}
		// A refusal is logged, and the first one says what would allow it.
		s.upgrade("/ws", "Origin", "https://evil.example.com")
		s.upgrade("/ws", "Origin", "https://evil.example.com")
		lines := s.log.lines(slog.LevelInfo)
		if len(lines) != 3 || lines[0]["setting"] != "CORS_ORIGINS=https://evil.example.com" || lines[1]["status"] != 403.0 || lines[2]["path"] != "/ws" {
			t.Errorf("of two refusals: %v", lines)
		}
	})
}

const rateLimited = `{"type":"error","message":"Rate limit exceeded","code":"rate_limited"}`

// What comes with an empty budget is dropped and answered; then the connection is
// not read until the debt is paid.
func TestMessageRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) { o.MessageRate, o.MessageBurst = 10, 20 }))
		a, b := s.join("a"), s.join("b") // one of their 20
		offer := func(n int) string {
			return `{"type":"offer","from":"a","to":"b","offer":` + strconv.Itoa(n) + `}`
		}
		var frames []byte
		for n := 1; n <= 25; n++ {
			frames = append(frames, frame(true, ws.OpText, offer(n))...)
		}
		a.write(frames)
		start := time.Now()
		go a.send(offer(100))
		for n := 1; n <= 19; n++ {
			b.expect(offer(n))
		}
		for range 6 {
			a.expect(rateLimited)
		}
		b.expect(offer(100))
		if took := time.Since(start).Round(time.Millisecond); took != 700*time.Millisecond { // six, and the next
			t.Errorf("read again after %v", took)
		}
		b.settle() // got no more, and may speak

		// Whatever it is that comes too often.
		frames = nil
		for _, message := range []string{`{"type":"discover","userId":"b"}`, `{"type":"register","userId":"z","publicKey":"k"}`, `{}`, `no JSON`} {
			frames = append(frames, frame(true, ws.OpText, message)...)
		}
		a.write(frames)
		for range 4 {
			a.expect(rateLimited)
		}

		// And no more than the burst is ever saved.
		time.Sleep(20 * time.Second)
		a.write(slices.Repeat(frame(true, ws.OpText, discoverA), 21))
		for range 20 {
			a.expect(`{"type":"discover-response","userId":"a","online":true,"publicKey":"key"}`)
		}
		a.expect(rateLimited)
	})
}

// A further name costs ten packets, the first one.
func TestNamesCostTen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) { o.MessageRate, o.MessageBurst = 10, 20 }))
		a := s.join("a")
		var frames []byte
		for _, name := range []string{"a", "b", "c", "d"} {
			frames = append(frames, frame(true, ws.OpText, `{"type":"register","userId":"`+name+`","publicKey":"key"}`)...)
		}
		a.write(frames)
		for _, name := range []string{"a", "b", "c"} {
			a.expect(`{"type":"registered","success":true,"userId":"` + name + `"}`)
		}
		a.expect(rateLimited)
	})
}

func TestConnectionThatStaysOverTheRateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) {
			o.MessageRate, o.MessageBurst, o.RegisterTimeout = 10, 20, 0
			o.PingInterval = time.Hour
		}))
		// One is at the limit, one above it, and one far above it now and then.
		within, over, bursts := s.open("within", "/ws"), s.open("over", "/ws"), s.open("bursts", "/ws")
		start := time.Now()
		closed := make(chan time.Duration, 1)
		go func() { // ends with the connection
			for {
				if _, err := over.conn.Write(slices.Repeat(frame(true, ws.OpText, discoverA), 5)); err != nil {
					return
				}
			}
		}()
		go func() {
			for {
				f, err := over.next()
				if err != nil {
					t.Error(err)
					break
				}
				if f.Header.OpCode == ws.OpClose {
					if want := ws.NewCloseFrame(ws.NewCloseFrameBody(1008, "over the message rate")); describe(f) != describe(want) {
						t.Errorf("got %s, want %s", describe(f), describe(want))
					}
					break
				}
			}
			closed <- time.Since(start)
			_ = over.conn.Close()
		}()
		for second := range 30 {
			for range 10 {
				within.send(discoverA)
				within.expect(offlineA)
			}
			if second%5 == 0 {
				bursts.write(slices.Repeat(frame(true, ws.OpText, `{}`), 100))
				for range 100 {
					bursts.text()
				}
			}
			time.Sleep(time.Second)
		}
		if lines := s.log.lines(slog.LevelInfo); len(lines) != 1 || lines[0]["reason"] != "over the message rate" {
			t.Errorf("in the log: %v", lines)
		}
		if after := <-closed; after < 10*time.Second || after > 14*time.Second {
			t.Errorf("closed after %s", after)
		}
		within.settle()
		time.Sleep(2 * time.Second)
		bursts.settle()
	})
}

func TestMessageRateOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) { o.MessageRate, o.MessageBurst = 0, 1 }))
		c := s.open("c", "/ws")
		for range 12 {
			for range 300 {
				c.send(discoverA)
			}
			for range 300 {
				c.expect(offlineA)
			}
			time.Sleep(time.Second)
		}
	})
}

// TestRateLimit: upgrades are counted among all requests of one address, and
// refused with 429.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, change(options(), func(o *server.Options) { o.RateLimit = 5 }))
		a := s.join("a")
		s.open("b", "/")
		s.open("c", "/signaling")
		s.request(http.MethodGet, "/")
		s.request(http.MethodGet, "/signaling")
		for _, path := range []string{"/", "/signaling", "/ws"} {
			answer, body, conn, _ := s.upgrade(path)
			if conn != nil || answer.StatusCode != http.StatusTooManyRequests {
				t.Fatalf("%s: %s", path, answer.Status)
			}
			expectJSON(t, body, `{"error":"Rate limit exceeded","code":"rate_limited"}`)
		}
		a.settle() // who is in does not notice

		answer, _, _, _ := s.upgrade("/ws")
		wait, err := strconv.Atoi(answer.Header.Get("Retry-After"))
		if err != nil || wait < 1 || wait > 120 {
			t.Fatalf("Retry-After: %q", answer.Header.Get("Retry-After"))
		}
		time.Sleep(time.Duration(wait-1)*time.Second - 1)
		if answer, _, conn, _ := s.upgrade("/ws"); conn != nil {
			t.Errorf("%s before Retry-After was over", answer.Status)
		}
		time.Sleep(time.Second + time.Millisecond)
		s.open("d", "/ws").settle()
	})
}

// beginStop stops the server, and returns when that waits for clients.
func (s *instance) beginStop() (start time.Time, stopped <-chan struct{}) {
	start = time.Now()
	ended := make(chan struct{})
	go func() {
		s.stop()
		close(ended)
	}()
	synctest.Wait()
	return start, ended
}

// TestShutdown: newcomers are refused while the last ones are on their way out.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startInBubble(t, options())
		slow, quick, offer := s.join("slow"), s.join("quick"), `{"type":"offer","from":"quick","to":"slow","offer":1}`
		quick.send(offer)
		synctest.Wait()
		start, stopped := s.beginStop()

		answer, body, conn, _ := s.upgrade("/ws")
		if conn != nil || answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("upgrade while stopping: %s", answer.Status)
		}
		expectJSON(t, body, `{"error":"Server unavailable","code":"unavailable"}`)
		if answer, _, _, _ := s.request(http.MethodGet, "/ready"); answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("/ready while stopping: %s", answer.Status)
		}

		quick.expectClose(1001, "server shutting down")
		after(t, start, 0)
		// What was queued still leaves, before the Close.
		slow.expect(offer)
		slow.expectFrame(ws.OpClose, string(ws.NewCloseFrameBody(1001, "server shutting down")))
		<-stopped
		after(t, start, 5*time.Second) // it did not answer
		slow.expectEnd()
	})
}

// TestShutdownDuringHandshake: a client whose handshake is being answered when
// the server stops is waited for, and told.
func TestShutdownDuringHandshake(t *testing.T) {
	for path, reason := range map[string]string{"/ws": "server shutting down", socketIO: ""} {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := startInBubble(t, options())
				conn, r := s.ask(http.MethodGet, path, handshake...)
				deaf, _ := s.ask(http.MethodGet, path, handshake...)
				synctest.Wait() // both answers are being written
				start, stopped := s.beginStop()

				answer, err := http.ReadResponse(r, nil)
				if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("%+v, %v", answer, err)
				}
				c := &client{s: s, t: t, name: "c", conn: conn, r: r}
				if path == socketIO {
					c.text()
				}
				c.expectClose(1001, reason)
				after(t, start, 0)
				<-stopped
				after(t, start, 5*time.Second) // for the one that reads nothing
				_ = deaf.Close()
			})
		})
	}
}

// TestSlowConsumer: what does not fit is refused to its sender, and nobody else is
// held up, other senders to the same client included. The client is cut only if it
// takes nothing for PingTimeout.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := change(options(), func(o *server.Options) {
			o.MaxMessage, o.MaxOutbox, o.MessageRate = 10_000, 90_000, 0
		})
		s := startInBubble(t, o)
		a, b, c := s.join("a"), s.join("b"), s.join("c")
		slow := s.join("slow")
		offer := func(from string) string {
			return `{"type":"offer","from":"` + from + `","to":"slow","offer":"` + strings.Repeat("x", 9000) + `"}`
		}
		for range 2 {
			a.send(offer("a"))
		}
		a.settle() // no error: they wait for slow
		a.send(offer("a"))
		a.expectError("User slow is not responding")
		c.send(offer("c"))
		c.settle()
		a.call(b)
		a.send(`{"type":"discover","userId":"slow"}`)
		a.expect(`{"type":"discover-response","userId":"slow","online":true,"publicKey":"key"}`)

		for _, from := range []string{"a", "a", "c"} {
			slow.expect(offer(from))
		}
		a.send(offer("a"))
		a.settle()
		slow.expect(offer("a"))

		a.send(offer("a"))
		a.settle()
		time.Sleep(o.PingTimeout - time.Second) // the bubble's time
		a.send(`{"type":"discover","userId":"slow"}`)
		a.expect(`{"type":"discover-response","userId":"slow","online":true,"publicKey":"key"}`)
		time.Sleep(o.PingTimeout / 4)
		a.send(`{"type":"discover","userId":"slow"}`)
		a.expect(`{"type":"discover-response","userId":"slow","online":false}`)
	})
}
