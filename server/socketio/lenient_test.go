package socketio

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/server/wire"
	"github.com/oodaa/signaling/test/rig/engineio"
)

// What some clients in the field send, and stock socket.io takes.

// probed opens a WebSocket for p's session, and has its probe answered.
func probed(p *engineio.Poller) *engineio.WebSocket {
	p.T.Helper()
	c := p.Probe()
	c.Send("2probe")
	c.Expect("3probe")
	return c
}

// unhurried sessions have no heartbeat while a test runs.
func unhurried(o *Options) { o.PingInterval = time.Hour }

// TestIgnoredPackets has a client send packets that are the server's to send.
func TestIgnoredPackets(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	c, direct := b.dialled()
	for _, packet := range []string{"0", `0{"sid":"x"}`, "5", "6", "6probe"} {
		c.Send(packet, "4"+packet)
		if got := receive(t, "message", direct.got); got != packet {
			t.Errorf("behind %q: got %q", packet, got)
		}
		p.Send(packet + "\x1e4" + packet)
		if got := receive(t, "message", m.got); got != packet {
			t.Errorf("behind %q while polling: got %q", packet, got)
		}
	}
	upgraded := p.Upgrade() // and Swift's noop right behind it
	upgraded.Send("6", "4on")
	if got := receive(t, "message", m.got); got != "on" {
		t.Errorf("behind the upgrade: got %q", got)
	}
}

// TestTextOnly has clients that take and send binary messages in base64.
func TestTextOnly(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	for _, textOnly := range []bool{false, true} {
		t.Run(fmt.Sprint(textOnly), func(t *testing.T) {
			// A session's handshake decides, whatever transport it moves to.
			query, want := "EIO=4&transport=polling", "b:\x00\xff"
			if textOnly {
				query, want = query+"&b64=1", "bAP8="
			}
			answer := b.Do("GET", query, "")
			p := b.Poller(engineio.ParseOpen(t, answer.Body).SID)
			m := b.next()
			send := func() {
				if err := m.Send(nil, Messages([]byte(MessagePrefix), []byte("head"), [][]byte{{0, 255}})...); err != nil {
					t.Error(err)
				}
			}
			send()
			p.Expect("4head", "bAP8=")
			send()
			c := probed(p)
			p.Expect("4head", "bAP8=") // released by the probe, and there was something
			send()
			c.Send("5")
			c.Expect("4head", want)
			send()
			c.Expect("4head", want)
			c.Send("bAP8", "b_-8=\r\n", "b!")
			for _, want := range []string{"b:\x00\xff", "b:\xff\xef", "b:"} {
				if got := receive(t, "message", m.got); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

// TestInvalidUTF8 posts what is not UTF-8.
func TestInvalidUTF8(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	p.Send("4a\xffb\xe2\x82\x1e4c")
	for _, want := range []string{"a\ufffdb\ufffd", "c"} {
		if got := receive(t, "message", m.got); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestContentLength has answers that proxies and clients know the length of.
func TestContentLength(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	if err := m.text(strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	for _, a := range []engineio.Answer{p.Get(), p.Post("4a")} {
		if got := a.Header.Get("Content-Length"); a.Status != http.StatusOK || got != fmt.Sprint(len(a.Body)) {
			t.Errorf("Content-Length %q for %d bytes, status %d", got, len(a.Body), a.Status)
		}
	}
}

// TestProbeReleases has a client poll on while its probe is answered, as it does
// behind a proxy that holds the answer back.
func TestProbeReleases(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		p, _ := bare(t, pipes{}, unhurried, nil).polled()
		c := probed(p)
		w.is(0)
		for i := range 30 {
			p.Expect("6")
			w.is(time.Duration(i+1) * releaseInterval)
		}
		c.Send("5", "4x")
		synctest.Wait()
	})
}

// TestOneProbe has a second probe of the same session refused before it is a
// WebSocket.
func TestOneProbe(t *testing.T) {
	b := bare(t, loopback{}, nil, nil)
	p, m := b.polled()
	refused := func(what string) {
		t.Helper()
		if c, err := b.TryDial(p.SID); err == nil || !strings.Contains(err.Error(), "400") {
			t.Errorf("%s: %v, %v", what, c, err)
		}
	}
	first := p.Probe()
	refused("while there is a probe")
	first.Send("2probe")
	first.Expect("3probe")
	refused("while a probe is answered")
	first.Close()
	var second *engineio.WebSocket
	within(t, "a new probe, once the first is gone", func() bool {
		c, err := b.TryDial(p.SID)
		second = c
		return err == nil
	})
	second.Send("2probe")
	second.Expect("3probe")
	second.Send("5")
	b.upgraded(m)
	// A session that is on a WebSocket takes another one, and closes it at once.
	for range 3 {
		b.Dial(p.SID).ExpectClosed(websocket.CloseNormalClosure)
	}
	second.Send("4x")
	if got := receive(t, "message", m.got); got != "x" {
		t.Errorf("got %q", got)
	}
}

// TestWebSocketOvertakesUpgrade has another WebSocket arrive before the upgrade
// packet that was sent before it.
func TestWebSocketOvertakesUpgrade(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		b := bare(t, pipes{}, unhurried, nil)
		p, m := b.polled()
		c := probed(p)
		other := make(chan *engineio.WebSocket)
		go func() { other <- p.Probe() }()
		synctest.Wait()
		c.Send("5", "4x")
		(<-other).ExpectClosed(websocket.CloseNormalClosure)
		if got := <-m.got; got != "x" {
			t.Errorf("got %q", got)
		}
		w.is(0)
	})
}

// TestPollOvertakesUpgrade has a client poll behind its upgrade packet, and the
// poll arrive first.
func TestPollOvertakesUpgrade(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		b := bare(t, pipes{}, unhurried, nil)
		p, m := b.polled()
		c := probed(p)
		waiting := p.Waits()
		c.Send("5")
		if a := <-waiting; a.Status != http.StatusBadRequest {
			t.Errorf("answered %d %q", a.Status, a.Body)
		}
		w.is(0)
		c.Send("4x")
		if got := <-m.got; got != "x" {
			t.Errorf("got %q", got)
		}
	})
}

// TestLatePoll has a poll arrive behind the client's own close packet, as it does
// where both are sent at once.
func TestLatePoll(t *testing.T) {
	inBubble(t, func(t *testing.T, w watch) {
		b := bare(t, pipes{}, unhurried, nil)
		p, m := b.polled()
		p.Send("1")
		if reason := reasonOf(m); reason != "transport close" {
			t.Errorf("closed by %q", reason)
		}
		w.sleep(lateTimeout - time.Nanosecond)
		p.Expect("6")
		p.ExpectGone()

		p, _ = b.polled()
		p.Send("1")
		w.sleep(2*lateTimeout - time.Nanosecond)
		p.ExpectGone()
	})
}

// TestShutdownDuringUpgrade stops the server after a probe was answered. The
// client gets the end behind its upgrade: in a poll, stock clients miss it.
func TestShutdownDuringUpgrade(t *testing.T) {
	begin := func(b *bareSite) (*engineio.Poller, *bareSession, *engineio.WebSocket) {
		p, m := b.polled()
		c := probed(p)
		p.Expect("6")
		if err := m.text("queued"); err != nil {
			t.Error(err)
		}
		return p, m, c
	}
	shutdown := func(b *bareSite) <-chan error {
		shut := make(chan error, 1)
		go func() { shut <- b.Shutdown(context.Background()) }()
		synctest.Wait()
		return shut
	}
	t.Run("upgrades", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, unhurried, nil)
			_, m, c := begin(b)
			shut := shutdown(b)
			w.sleep(lateTimeout - time.Nanosecond)
			c.Send("5")
			c.Expect("4queued")
			c.ExpectClosed(websocket.CloseGoingAway)
			if reason := reasonOf(m); reason != reasonShutdown {
				t.Errorf("closed by %q", reason)
			}
			if err := <-shut; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("polls on", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, unhurried, nil)
			p, _, _ := begin(b)
			p.Expect("4queued")
			shut := shutdown(b)
			for p.Next() == "6" {
			}
			w.is(releaseInterval + lateTimeout) // the first noop came before the stop
			if err := <-shut; err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("gives its upgrade up", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w watch) {
			b := bare(t, pipes{}, unhurried, nil)
			p, _, c := begin(b)
			p.Expect("4queued")
			shut := shutdown(b)
			c.Close()
			for p.Next() == "6" {
			}
			if took := time.Since(w.start); took >= lateTimeout {
				t.Errorf("took %v", took)
			}
			if err := <-shut; err != nil {
				t.Error(err)
			}
		})
	})
}

// TestShutdownWhilePolling stops the server while much waits for a client. A stop
// waits for it as long as it keeps fetching, and not long for one that is gone.
func TestShutdownWhilePolling(t *testing.T) {
	const queued = 2*maxPollPackets + 1
	for _, fetches := range []bool{true, false} {
		t.Run(fmt.Sprint(fetches), func(t *testing.T) {
			inBubble(t, func(t *testing.T, w watch) {
				b := bare(t, pipes{}, unhurried, nil)
				p, m := b.polled()
				for range queued {
					if err := m.text("x"); err != nil {
						t.Fatal(err)
					}
				}
				shut := make(chan error, 1)
				go func() { shut <- b.Shutdown(context.Background()) }()
				synctest.Wait()
				want := wire.DefaultCloseTimeout
				if fetches {
					want = 0
					for i := range queued {
						if i%maxPollPackets == 0 {
							want += wire.DefaultCloseTimeout - time.Nanosecond
							w.sleep(want)
						}
						p.Expect("4x")
					}
					p.Expect("1")
				}
				if err := <-shut; err != nil {
					t.Error(err)
				}
				w.is(want)
			})
		})
	}
}
