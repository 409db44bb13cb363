package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A poller is a client of Oodaa's family on HTTP long-polling, which it never
// leaves (Engine.IO protocol 4, "HTTP long-polling").
type poller struct {
	id     string
	url    string
	http   *http.Client
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	in     chan rig.Message
	done   chan struct{} // closed when the reader has ended
	quiet  time.Duration // how long the server may say nothing

	posting sync.Mutex // there is one post at a time

	mu      sync.Mutex // guards what follows
	acks    int
	err     error
	orderly bool // the server ended the session in its words
}

// dialPolling opens a session and connects to the namespace.
func dialPolling(addr string) (*poller, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &poller{
		url:    "http://" + addr + "/socket.io/?EIO=4&transport=polling",
		http:   &http.Client{Transport: new(http.Transport)},
		ctx:    ctx,
		cancel: cancel,
		in:     make(chan rig.Message, 1<<14),
		done:   make(chan struct{}),
	}
	err := p.open()
	if err != nil {
		close(p.done)
		p.Close()
		return nil, err
	}
	go p.read()
	if err = p.post("40"); err == nil {
		_, err = p.Await("connect")
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *poller) open() error {
	ctx, cancel := context.WithTimeout(p.ctx, rig.Patience)
	defer cancel()
	body, err := p.request(ctx, http.MethodGet, "")
	if err != nil {
		return err
	}
	var handshake struct {
		SID                       string
		PingInterval, PingTimeout int64 // milliseconds
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &handshake); err != nil || handshake.SID == "" {
		return fmt.Errorf("handshake %q: %w", body, err)
	}
	p.url += "&sid=" + handshake.SID
	p.quiet = time.Duration(handshake.PingInterval+handshake.PingTimeout)*time.Millisecond + time.Second
	return nil
}

func (p *poller) request(ctx context.Context, method, body string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return "", err
	}
	got, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", answer.Status, got)
	}
	return string(got), nil
}

// postTimeout is how long the server may take for a post.
const postTimeout = 8 * time.Second

// post sends a packet. As with real clients, a failure ends the session, but
// what the poll is just getting may say why.
func (p *poller) post(packet string) error {
	p.posting.Lock()
	defer p.posting.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, postTimeout)
	defer cancel()
	_, err := p.request(ctx, http.MethodPost, packet)
	if err != nil {
		time.AfterFunc(time.Second, p.cancel)
	}
	return err
}

// read polls until the session ends, or Close, or until the server does not ping
// any more. Posts end with it.
func (p *poller) read() {
	defer close(p.done)
	defer close(p.in)
	defer p.cancel()
	for {
		ctx, cancel := context.WithTimeout(p.ctx, p.quiet)
		payload, err := p.request(ctx, http.MethodGet, "")
		cancel()
		if err != nil {
			p.fail(err)
			return
		}
		for packet := range strings.SplitSeq(payload, "\x1e") {
			over, err := p.take(packet)
			if err != nil {
				p.fail(err)
			}
			if over {
				return
			}
		}
	}
}

// take handles one packet; over is true for the session's last.
func (p *poller) take(packet string) (over bool, err error) {
	m := rig.Message{At: time.Now()}
	switch {
	case packet == "1":
		p.mu.Lock()
		p.orderly = true
		p.mu.Unlock()
		return true, nil
	case packet == "2":
		return false, p.post("3")
	case packet == "6":
		return false, nil
	case strings.HasPrefix(packet, "40"):
		m.Event = "connect"
	case packet == "41":
		m.Event = "disconnect"
	case strings.HasPrefix(packet, "42"):
		var args []json.RawMessage
		if err := json.Unmarshal([]byte(packet[2:]), &args); err != nil || len(args) == 0 {
			return false, fmt.Errorf("event %q: %w", packet, err)
		}
		if err := json.Unmarshal(args[0], &m.Event); err != nil {
			return false, err
		}
		if len(args) > 1 {
			m.Args = args[1]
		}
	case strings.HasPrefix(packet, "43"):
		id, args, _ := strings.Cut(packet[2:], "[")
		m.Event, m.Args = "ack:"+id, json.RawMessage(strings.TrimSuffix(args, "]"))
	default:
		return false, fmt.Errorf("unexpected packet %q", packet)
	}
	select {
	case p.in <- m:
		return false, nil
	case <-p.ctx.Done():
		return true, p.ctx.Err()
	}
}

func (p *poller) fail(err error) {
	p.mu.Lock()
	p.err = errors.Join(p.err, err)
	p.mu.Unlock()
}

// Err is why the client ended.
func (p *poller) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// endedInOrder reports whether the server ended the session in its words.
func (p *poller) endedInOrder() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orderly && p.err == nil
}

func (p *poller) Done() <-chan struct{}     { return p.done }
func (p *poller) Inbox() <-chan rig.Message { return p.in }

// Close ends the client without a word to the server.
func (p *poller) Close() {
	p.cancel()
	<-p.done
	p.http.CloseIdleConnections()
}

// Await is as the rig's.
func (p *poller) Await(events ...string) (rig.Message, error) {
	deadline := time.NewTimer(rig.Patience)
	defer deadline.Stop()
	for {
		select {
		case m, ok := <-p.in:
			if !ok {
				return m, fmt.Errorf("waiting for %v: ended: %w", events, p.Err())
			}
			for _, e := range events {
				if m.Event == e {
					return m, nil
				}
			}
			if m.Event == "error" {
				return m, fmt.Errorf("waiting for %v: error %s", events, m.Args)
			}
		case <-deadline.C:
			return rig.Message{}, fmt.Errorf("waiting for %v: nothing within %v", events, rig.Patience)
		}
	}
}

func (p *poller) Register(id string) error {
	if err := p.post(fmt.Sprintf(`42["register",{"userId":%q}]`, id)); err != nil {
		return err
	}
	if _, err := p.Await("user-list"); err != nil {
		return err
	}
	p.id = id
	return nil
}

func (p *poller) Send(to, body string, ack bool) (acknowledged string, err error) {
	id := ""
	if ack {
		p.mu.Lock()
		p.acks++
		id = fmt.Sprint(p.acks)
		p.mu.Unlock()
		acknowledged = "ack:" + id
	}
	return acknowledged, p.post(fmt.Sprintf(`42%s["ice-candidate",{"to":%q,"from":%q,"candidate":%s}]`, id, to, p.id, body))
}
