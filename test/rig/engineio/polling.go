package engineio

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// separator stands between the packets of a payload.
const separator = "\x1e"

// A Poller is a client in a session over long-polling.
type Poller struct {
	*Client
	SID    string
	Query  string   // of its requests
	Unread []string // packets that were polled, and that Next has not returned yet
}

// OpenPolling opens a session.
func (c *Client) OpenPolling() *Poller {
	c.T.Helper()
	a := c.Do("GET", "EIO=4&transport=polling", "")
	if a.Status != http.StatusOK {
		c.T.Fatalf("handshake: %d %q", a.Status, a.Body)
	}
	return c.Poller(ParseOpen(c.T, a.Body).SID)
}

// Poller returns a client in a session that was opened before.
func (c *Client) Poller(sid string) *Poller {
	return &Poller{Client: c, SID: sid, Query: "EIO=4&transport=polling&sid=" + url.QueryEscape(sid)}
}

// Get polls.
func (p *Poller) Get() Answer { p.T.Helper(); return p.Do("GET", p.Query, "") }

// Later polls in the background.
func (p *Poller) Later() <-chan Answer {
	got := make(chan Answer, 1)
	go func() {
		a, err := p.Request(context.Background(), "GET", p.Query, "")
		if err != nil {
			p.T.Errorf("poll: %v", err)
		}
		got <- a
	}()
	return got
}

// Waits is Later that returns once the poll waits. The handler must be watched,
// and no other request may begin to wait meanwhile.
func (p *Poller) Waits() <-chan Answer {
	p.forgetWaiting()
	got := p.Later()
	<-p.waiting
	return got
}

// Abandon polls, as Waits, and gives up once the poll waits. The error is that
// of the poll; nil means that it was answered.
func (p *Poller) Abandon() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	p.forgetWaiting()
	gone := make(chan error, 1)
	go func() {
		_, err := p.Request(ctx, "GET", p.Query, "")
		gone <- err
	}()
	<-p.waiting
	cancel()
	return <-gone
}

func (p *Poller) forgetWaiting() {
	for len(p.waiting) > 0 {
		<-p.waiting
	}
}

// Post sends a payload.
func (p *Poller) Post(payload string) Answer { p.T.Helper(); return p.Do("POST", p.Query, payload) }

// PostMessages sends packets in one payload; those that begin with "b:" are
// binary, as over a WebSocket.
func (p *Poller) PostMessages(packets ...string) Answer {
	p.T.Helper()
	payload := make([]string, len(packets))
	for i, packet := range packets {
		if b, ok := strings.CutPrefix(packet, "b:"); ok {
			packet = "b" + base64.StdEncoding.EncodeToString([]byte(b))
		}
		payload[i] = packet
	}
	return p.Post(strings.Join(payload, separator))
}

// Send sends a payload that is taken.
func (p *Poller) Send(payload string) {
	p.T.Helper()
	if a := p.Post(payload); a.Status != http.StatusOK || a.Body != "ok" {
		p.T.Fatalf("POST %.60q: %d %q", payload, a.Status, a.Body)
	}
}

// Next is the next packet. It polls as often as it must.
func (p *Poller) Next() string {
	p.T.Helper()
	for {
		for len(p.Unread) > 0 {
			packet := p.Unread[0]
			p.Unread = p.Unread[1:]
			if packet != "2" || !p.opts.AnswerPings {
				return packet
			}
			p.Send("3")
		}
		a := p.Get()
		if a.Status != http.StatusOK {
			p.T.Fatalf("poll: %d %q", a.Status, a.Body)
		}
		p.Unread = strings.Split(a.Body, separator)
	}
}

// NextMessage is Next; what is binary begins with "b:", as over a WebSocket.
func (p *Poller) NextMessage() string {
	p.T.Helper()
	packet := p.Next()
	b, ok := strings.CutPrefix(packet, "b")
	if !ok {
		return packet
	}
	data, err := base64.StdEncoding.DecodeString(b)
	if err != nil {
		p.T.Fatalf("binary packet %.80q: %v", packet, err)
	}
	return "b:" + string(data)
}

// Expect expects packets to come next.
func (p *Poller) Expect(packets ...string) {
	p.T.Helper()
	for _, want := range packets {
		if got := p.Next(); got != want {
			p.T.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

// ExpectGone expects the session to be unknown.
func (p *Poller) ExpectGone() {
	p.T.Helper()
	if a := p.Get(); a.Status != http.StatusBadRequest {
		p.T.Errorf("poll of a closed session: %d %q", a.Status, a.Body)
	}
}

// Probe connects a WebSocket that may take the session over.
func (p *Poller) Probe() *WebSocket { p.T.Helper(); return p.Dial(p.SID) }

// Upgrade moves the session to a WebSocket.
func (p *Poller) Upgrade() *WebSocket {
	p.T.Helper()
	c := p.Probe()
	c.Send("2probe")
	c.Expect("3probe")
	c.Send("5")
	return c
}
