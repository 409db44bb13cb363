package socketio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// A pump sends numbered messages to a session until it is stopped.
type pump struct {
	stop chan struct{}
	sent chan int // how many were queued, at the end
}

func startPump(t *testing.T, m *bareSession, pace chan struct{}) *pump {
	p := &pump{make(chan struct{}), make(chan int, 1)}
	go func() {
		for i := 0; ; i++ {
			select {
			case <-p.stop:
				p.sent <- i
				return
			case <-pace: // nothing when it is closed or nil
			default:
			}
			if err := m.text(strconv.Itoa(i)); err != nil {
				t.Errorf("message %d: %v", i, err)
				p.sent <- i
				return
			}
			if i%20 == 19 {
				select {
				case <-pace:
				case <-p.stop:
				}
			}
		}
	}()
	return p
}

// Messages that are sent, both ways, while the transport changes: none is lost,
// none comes twice, and all keep their order.
func TestUpgradeLosesNothing(t *testing.T) {
	const upgrades, atOnce = 200, 8
	b := bare(t, loopback{}, nil, nil)
	todo := make(chan struct{}, upgrades)
	for range upgrades {
		todo <- struct{}{}
	}
	close(todo)
	var all sync.WaitGroup
	var opening sync.Mutex // so that a poller and its session come together
	for range atOnce {
		all.Go(func() {
			for range todo {
				opening.Lock()
				p, m := b.polled()
				opening.Unlock()
				if err := upgradeUnderLoad(t, p, m); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// upgradeUnderLoad does what a real client does: it polls, probes, stops to
// poll when its poll has returned, and goes on over the WebSocket.
func upgradeUnderLoad(t *testing.T, p *engineio.Poller, m *bareSession) error {
	pace := make(chan struct{}, 1)
	pump := startPump(t, m, pace)
	next := 0
	got := func(packet string) error {
		if packet == "6" {
			return nil
		}
		if packet != "4"+strconv.Itoa(next) {
			return fmt.Errorf("got %q where message %d was due", packet, next)
		}
		if next++; next%20 == 0 {
			select {
			case pace <- struct{}{}:
			default:
			}
		}
		return nil
	}
	posted := 0
	post := func() error {
		a, err := p.Request(context.Background(), "POST", p.Query, fmt.Sprintf("4%d\x1e4%d", posted, posted+1))
		if err != nil || a.Body != "ok" {
			return fmt.Errorf("POST: %v, %v", a, err)
		}
		posted += 2
		return nil
	}
	poll := func() error {
		a, err := p.Request(context.Background(), "GET", p.Query, "")
		if err != nil || a.Status != http.StatusOK {
			return fmt.Errorf("poll: %v, %v", a, err)
		}
		for packet := range strings.SplitSeq(a.Body, "\x1e") {
			if err := got(packet); err != nil {
				return err
			}
		}
		return nil
	}
	for range rand.IntN(3) {
		if err := post(); err != nil {
			return err
		}
		if err := poll(); err != nil {
			return err
		}
	}

	polling := make(chan error, 1)
	paused := make(chan struct{})
	go func() {
		for {
			if err := poll(); err != nil {
				polling <- err
				return
			}
			select {
			case <-paused:
				polling <- nil
				return
			default:
			}
		}
	}()
	c, err := p.TryDial(p.SID)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.TrySend("2probe"); err != nil {
		return err
	}
	if packet, err := c.Read(); err != nil || packet != "3probe" {
		return fmt.Errorf("probe: %q, %v", packet, err)
	}
	if err := post(); err != nil {
		return err
	}
	close(paused)
	if err := <-polling; err != nil {
		return err
	}
	if err := c.TrySend("5"); err != nil {
		return err
	}
	for range 20 {
		if err := c.TrySend("4" + strconv.Itoa(posted)); err != nil {
			return err
		}
		posted++
		packet, err := c.Read()
		if err != nil {
			return err
		}
		if err := got(packet); err != nil {
			return err
		}
	}
	close(pump.stop)
	for sent := <-pump.sent; next < sent; {
		packet, err := c.Read()
		if err != nil {
			return fmt.Errorf("after message %d of %d: %w", next, sent, err)
		}
		if err := got(packet); err != nil {
			return err
		}
	}
	for i := range posted {
		if in := receive(t, "message", m.got); in != strconv.Itoa(i) {
			return fmt.Errorf("the server got %q where %d was due", in, i)
		}
	}
	if len(m.got) > 0 {
		return fmt.Errorf("the server got %q as well", <-m.got)
	}
	return nil
}

// A session that ends while its handler is busy and an upgrade waits for that
// is still told of its end, once.
func TestCloseDuringUpgrade(t *testing.T) {
	for name, end := range map[string]func(m *bareSession, c *engineio.WebSocket){
		"Close": func(m *bareSession, _ *engineio.WebSocket) { m.Close("enough") },
		"abort": func(m *bareSession, _ *engineio.WebSocket) { m.abort("enough") },
		"cut":   func(m *bareSession, _ *engineio.WebSocket) { m.Cut() },
		"probe lost, then Close": func(m *bareSession, c *engineio.WebSocket) {
			c.Close()
			m.Close("enough")
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				busy, idle := make(chan struct{}), make(chan struct{})
				b := bare(t, loopback{}, func(o *Options) { o.Loops = nil }, func(_ *bareSession, message string) error {
					if message == "busy" {
						close(busy)
						<-idle
					}
					return nil
				})
				p, m := b.polled()
				c := p.Probe()
				c.Send("2probe")
				c.Expect("3probe")
				posted := make(chan struct{})
				go func() {
					defer close(posted)
					_, _ = p.Request(context.Background(), "POST", p.Query, "4busy")
				}()
				<-busy
				c.Send("5") // waits for the handler
				end(m, c)
				close(idle)
				receive(t, "end", m.end)
				<-posted
			}
		})
	}
}

// The same where the end comes while the upgrade is being made, which is what
// keeps the handler busy then.
func TestCloseWithinUpgrade(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	for range 30 {
		p, m := b.polled()
		c := p.Probe()
		c.Send("2probe")
		c.Expect("3probe")
		m.Session.mu.Lock()
		closing := make(chan struct{})
		go func() {
			close(closing)
			m.Close("enough") // waits, mostly as the first
		}()
		<-closing
		c.Send("5")
		within(t, "the upgrade has begun", func() bool {
			free := m.Session.inbox.TryLock()
			if free {
				m.Session.inbox.Unlock()
			}
			return !free
		})
		m.Session.mu.Unlock()
		ended(t, m.end, "enough")
		c.Close()
	}
}

// Sessions end in all ways at once while they upgrade.
func TestUpgradeRaces(t *testing.T) {
	b := bare(t, loopback{}, nil, func(m *bareSession, message string) error { return m.text(message) })
	ends := []func(p *engineio.Poller, m *bareSession, c *engineio.WebSocket){
		func(_ *engineio.Poller, m *bareSession, _ *engineio.WebSocket) { m.Close("enough") },
		func(_ *engineio.Poller, m *bareSession, _ *engineio.WebSocket) { m.abort("enough") },
		func(_ *engineio.Poller, m *bareSession, _ *engineio.WebSocket) { m.Cut() },
		func(_ *engineio.Poller, _ *bareSession, c *engineio.WebSocket) { c.Close() },
		func(_ *engineio.Poller, _ *bareSession, c *engineio.WebSocket) {
			_ = c.TrySend("1")
		},
		func(p *engineio.Poller, _ *bareSession, _ *engineio.WebSocket) {
			_, _ = p.Request(context.Background(), "POST", p.Query, "1")
		},
		func(p *engineio.Poller, _ *bareSession, _ *engineio.WebSocket) {
			_, _ = p.Request(context.Background(), "POST", p.Query, "abc")
		},
		func(p *engineio.Poller, _ *bareSession, _ *engineio.WebSocket) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			go cancel()
			_, _ = p.Request(ctx, "GET", p.Query, "")
		},
		func(p *engineio.Poller, m *bareSession, _ *engineio.WebSocket) {
			for range 20 {
				_ = m.text("x")
			}
		},
	}
	var all sync.WaitGroup
	var opening sync.Mutex
	for worker := range 8 {
		all.Go(func() {
			for range 15 {
				opening.Lock()
				p, m := b.polled()
				opening.Unlock()
				c, err := p.TryDial(p.SID)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.TrySend("2probe")
				if packet, err := c.Read(); err != nil || packet != "3probe" {
					t.Errorf("probe: %q, %v", packet, err)
					return
				}
				var ending sync.WaitGroup
				ending.Go(func() {
					_ = c.TrySend("5")
					_ = c.TrySend("4x")
				})
				ending.Go(func() { ends[rand.IntN(len(ends))](p, m, c) })
				if worker%2 == 0 {
					ending.Go(func() { ends[rand.IntN(2)](p, m, c) })
				}
				ending.Wait()
				m.Close("at last")
				receive(t, "end", m.end)
				c.Close()
			}
		})
	}
	all.Wait()
}

// A body that was on its way when the session moved to a WebSocket: what is in
// it is handled while nothing else is, and not after the end.
func TestPostDuringUpgrade(t *testing.T) {
	open := func(t *testing.T, length int, handle func(*bareSession, string) error) (*engineio.Poller, *bareSession, *engineio.WebSocket, net.Conn) {
		b := bare(t, loopback{}, nil, handle)
		p, m := b.polled()
		nc := b.Raw("POST", p.Query, "Expect: 100-continue\r\nContent-Length: "+strconv.Itoa(length)+"\r\n\r\n")
		if _, err := io.ReadFull(nc, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil {
			t.Fatal(err)
		}
		c := p.Upgrade()
		b.upgraded(m)
		return p, m, c, nc
	}
	finish := func(nc net.Conn, body string) {
		_, _ = io.WriteString(nc, body)
		_, _ = nc.Read(make([]byte, 100)) // the answer
	}
	t.Run("too large while the handler is busy", func(t *testing.T) {
		busy, idle := make(chan struct{}), make(chan struct{})
		_, m, c, nc := open(t, len("4busy"), func(_ *bareSession, message string) error {
			if message == "busy" {
				close(busy)
				<-idle
			}
			return nil
		})
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			finish(nc, "4busy")
		}()
		<-busy
		c.Send("4" + strings.Repeat("x", testMaxPayload))
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_, _ = c.Read()
		}()
		select {
		case <-closed: // too early; the calls have met
		case <-time.After(20 * time.Millisecond):
		}
		close(idle)
		<-closed
		<-answered
		ended(t, m.end, "transport close")
		if n := len(m.large); n != 1 {
			t.Errorf("TooLarge was called %d times", n)
		}
	})
	for name, body := range map[string]string{
		"message after the end":   "4p",
		"too large after the end": "4" + strings.Repeat("x", testMaxPayload),
		"garbage after the end":   "abc",
	} {
		t.Run(name, func(t *testing.T) {
			_, m, c, nc := open(t, len(body), nil)
			c.Send("4w")
			c.Close()
			ended(t, m.end, "transport close")
			finish(nc, body)
			if len(m.got) != 1 || len(m.large) != 0 || len(m.end) != 0 {
				t.Errorf("%d messages, %d too large, %d ends after the end", len(m.got)-1, len(m.large), len(m.end))
			}
		})
	}
}

// What waits for a poll goes over the WebSocket, in one piece with what is sent
// meanwhile, and attachments stay with their packet.
func TestUpgradeTakesQueueAlong(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	for i := range 100 {
		if err := m.Send(nil,
			wire.Message{Prefix: []byte("4head "), Payload: []byte(strconv.Itoa(i))},
			wire.Message{Binary: true, Payload: []byte(strconv.Itoa(i))},
		); err != nil {
			t.Fatal(err)
		}
	}
	c := p.Upgrade()
	for i := range 100 {
		c.Expect(fmt.Sprint("4head ", i), fmt.Sprint("b:", i))
	}
}

// An upgradingContext is that of a poll whose client moves to a WebSocket just
// when the poll begins to wait, and gives it up.
type upgradingContext struct {
	context.Context
	upgrade func()
}

func (c upgradingContext) Done() <-chan struct{} {
	c.upgrade()
	gone := make(chan struct{})
	close(gone)
	return gone
}

// A poll that is left behind by an upgrade takes nothing along when it fails.
func TestUpgradeLeavesPollBehind(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	for range 20 { // it may also see the upgrade first
		p, m := b.polled()
		c := p.Probe()
		ctx := upgradingContext{t.Context(), func() {
			c.Send("2probe")
			c.Expect("3probe")
			c.Send("5")
			b.upgraded(m)
		}}
		r := httptest.NewRequestWithContext(ctx, "GET", "/?"+p.Query, nil)
		b.ServeHTTP(httptest.NewRecorder(), r)
		c.Send("4x")
		select {
		case <-m.got:
		case reason := <-m.end:
			t.Fatalf("closed by %q", reason)
		case <-time.After(patience):
			t.Fatal("nothing arrives")
		}
		if websocket, polling := b.Connections(); websocket == 0 || polling != 0 || b.Established(r) {
			t.Fatal("the session is not counted as what it is")
		}
	}
}
