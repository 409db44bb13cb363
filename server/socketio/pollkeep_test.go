package socketio

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/oodaa/signaling/server/wire"
)

// keeping has relays kept. Where proxied, a WebSocket's client acknowledges them by a
// pong.
func keeping(proxied bool) func(*Options) {
	return func(o *Options) {
		unhurried(o)
		o.Proxied = func(*http.Request) bool { return proxied }
	}
}

// relay queues relay n, with some attachments.
func (m *member) relay(n, attachments int) {
	m.t.Helper()
	var parts [][]byte
	for i := range attachments {
		parts = append(parts, []byte{byte(n), byte(i), 0x1e})
	}
	if err := m.Relay(fmt.Appendf(nil, `["offer",%d]`, n), parts, wire.Receipt{From: m, Accepted: wire.Instant(n)}, nil); err != nil {
		m.t.Fatal(err)
	}
}

// back takes back what is not acknowledged, as the numbers of the relays.
func (m *member) back() (numbers []int) {
	m.t.Helper()
	m.Unacknowledged(func(receipt wire.Receipt, args []byte, attachments [][]byte) {
		n := int(receipt.Accepted)
		if receipt.From != m || string(args) != fmt.Sprintf(`["offer",%d]`, n) {
			m.t.Errorf("took back %s with %v", args, receipt)
		}
		for i, a := range attachments {
			if !bytes.Equal(a, []byte{byte(n), byte(i), 0x1e}) {
				m.t.Errorf("relay %d, attachment %d: %x", n, i, a)
			}
		}
		numbers = append(numbers, n, len(attachments))
	})
	return numbers
}

func (m *member) expectBack(want ...int) {
	m.t.Helper()
	if got := m.back(); fmt.Sprint(got) != fmt.Sprint(want) {
		m.t.Errorf("took back %v, want %v (relay, attachments)", got, want)
	}
	if again := m.back(); len(again) > 0 {
		m.t.Errorf("took back %v again", again)
	}
}

// A relay is acknowledged by the client's next poll, or by its upgrade (contract,
// section 11).
func TestPollingKeepsRelays(t *testing.T) {
	t.Run("queued", func(t *testing.T) {
		_, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
		m.relay(1, 0)
		m.relay(2, 2)
		m.relay(3, 0)
		m.expectBack(1, 0, 2, 2, 3, 0)
	})
	t.Run("fetched", func(t *testing.T) {
		p, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
		_ = m.emit(`["a"]`)
		m.relay(1, 0)
		m.relay(2, 2)
		p.Get()
		m.relay(3, 1)
		m.expectBack(1, 0, 2, 2, 3, 1)
	})
	t.Run("next poll", func(t *testing.T) {
		p, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
		m.relay(1, 1)
		p.Get()
		m.relay(2, 1)
		p.Get()
		waits := p.Waits()
		m.expectBack()
		m.relay(3, 0)
		<-waits
		m.expectBack(3, 0)
	})
	t.Run("upgrade", func(t *testing.T) {
		p, m := sockets(t, loopback{}, keeping(true)).connectedPolling()
		m.relay(1, 1)
		p.Get()
		m.relay(2, 2)
		_ = m.emit(`["a"]`)
		m.relay(3, 0)
		p.Upgrade() // what it does not read, it does not answer
		within(t, "upgraded", func() bool { return m.Socket.(*socket).client.session.conn.Load() != nil })
		m.expectBack(2, 2, 3, 0)
	})
	t.Run("cut", func(t *testing.T) {
		_, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
		m.relay(1, 0)
		m.Socket.(*socket).client.session.Cut()
		receive(t, "end", m.end)
		m.expectBack(1, 0)
	})
	t.Run("not asked to", func(t *testing.T) {
		_, m := sockets(t, loopback{}, unhurried).connectedPolling()
		m.relay(1, 0)
		m.expectBack()
	})
}

// What else is queued for a client leaves when its relays are taken back.
func TestPollingTakesBackRelaysOnly(t *testing.T) {
	p, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
	_ = m.emit(`["a"]`)
	m.relay(1, 2)
	_ = m.emit(`["b"]`)
	m.relay(2, 0)
	m.expectBack(1, 2, 2, 0)
	m.relay(3, 0)
	_ = m.emit(`["c"]`)
	p.Expect(`42["a"]`, `42["b"]`, `42["offer",3]`, `42["c"]`)
	m.expectBack(3, 0)
}

// One poll brings a whole relay, and no more packets than Python's client takes.
func TestPollBringsWholeRelays(t *testing.T) {
	p, m := sockets(t, loopback{}, keeping(false)).connectedPolling()
	for range maxPollPackets - 1 {
		_ = m.emit(`["a"]`)
	}
	m.relay(1, 1)
	m.relay(2, MaxAttachments)
	m.relay(3, MaxAttachments)
	for _, want := range []int{maxPollPackets - 1, 2 + 1 + MaxAttachments, 1 + MaxAttachments} {
		if got := strings.Count(p.Get().Body, "\x1e") + 1; got != want {
			t.Errorf("a poll brought %d packets, want %d", got, want)
		}
	}
	m.expectBack(3, MaxAttachments)
}

// What is kept is accounted for, and not longer than it is kept.
func TestPollingKeepsWithinTheOutbox(t *testing.T) {
	const most = 64 << 10
	p, m := sockets(t, loopback{}, func(o *Options) { keeping(false)(o); o.MaxOutbox = most }).connectedPolling()
	polling := m.Socket.(*socket).client.session.polling
	waiting := polling.waiting
	if got := waiting(); got != 0 {
		t.Fatalf("%d bytes wait for a client that is not sent anything", got)
	}
	var err error
	n := 0
	for ; err == nil; n++ {
		if got := waiting(); got > most {
			t.Fatalf("%d bytes wait, of %d", got, most)
		}
		err = m.Relay([]byte(`["offer",1]`), nil, wire.Receipt{From: m}, nil)
	}
	if err != ErrFull || n < 100 {
		t.Fatalf("relay %d: %v", n, err)
	}
	for fetched := 0; fetched < n-1; fetched += maxPollPackets {
		p.Get()
	}
	waits := p.Waits()
	if got := waiting(); got != 0 {
		t.Errorf("%d bytes wait for a client that has polled again", got)
	}
	_ = m.emit(`["a"]`)
	<-waits
}
