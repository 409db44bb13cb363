// Package engineio is a raw client of Engine.IO 4 for tests, over long-polling
// and WebSocket. It sends what it is told, and hands over what came, packet by
// packet.
//
// A text packet is written as it is on the wire, and so is a binary one that
// was polled ("b" and base64). A binary message of a WebSocket is written with
// "b:" before its bytes.
//
// The package imports nothing of ours, so that the engine's own tests can use
// it.
package engineio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Options say where the server is and how to treat it.
type Options struct {
	// Dial connects to the server.
	Dial func(context.Context) (net.Conn, error)
	// Path is where the engine is on the server.
	Path string
	// Patience is how long to wait for an answer or a message.
	Patience time.Duration
	// AnswerPings keeps pings away from the test: Next, Expect and Closed
	// answer and forget them. Otherwise they are packets like any other.
	AnswerPings bool
}

// A Client makes requests to one engine. What goes wrong ends its test, so that
// only the test's goroutine may call it, except for what returns an error.
type Client struct {
	T testing.TB

	opts    Options
	http    *http.Client
	waiting chan struct{} // a request that Watch sees has begun to wait
}

// New returns a client that leaves no connection behind at the end of the test,
// other than those of TryDial.
func New(t testing.TB, opts Options) *Client {
	c := &Client{T: t, opts: opts, waiting: make(chan struct{}, 10_000)}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return opts.Dial(ctx) },
			MaxIdleConnsPerHost: 100,
		},
		Timeout: opts.Patience,
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// Watch returns h in such a way that the client knows when a poll waits there:
// Poller.Waits and Poller.Abandon need that.
func (c *Client) Watch(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(watched{r.Context(), c.waiting}))
	})
}

// A watched context tells when somebody begins to wait for its end, as a poll
// does that has nothing to fetch.
type watched struct {
	context.Context
	waiting chan struct{}
}

func (w watched) Done() <-chan struct{} {
	select {
	case w.waiting <- struct{}{}:
	default:
	}
	return w.Context.Done()
}

// An Answer is one to an HTTP request.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Request makes an HTTP request. header holds names and values by turns.
func (c *Client) Request(ctx context.Context, method, query, body string, header ...string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://server"+c.opts.Path+"?"+query, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := c.http.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, string(b)}, err
}

// Do is Request that is answered, with whatever status.
func (c *Client) Do(method, query, body string, header ...string) Answer {
	c.T.Helper()
	a, err := c.Request(context.Background(), method, query, body, header...)
	if err != nil {
		c.T.Fatalf("%s %s: %v", method, query, err)
	}
	return a
}

// Raw sends a request on a connection of its own: method and query, and all
// that comes behind the Host header, with the empty line and the beginning of a
// body. It returns the connection, for the rest of the body and the answer.
func (c *Client) Raw(method, query, rest string) net.Conn {
	c.T.Helper()
	nc, err := c.opts.Dial(context.Background())
	if err != nil {
		c.T.Fatal(err)
	}
	c.T.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(c.opts.Patience))
	if _, err := fmt.Fprintf(nc, "%s %s?%s HTTP/1.1\r\nHost: server\r\n%s", method, c.opts.Path, query, rest); err != nil {
		c.T.Fatal(err)
	}
	return nc
}

// Open is what an open packet says. Times are in milliseconds, sizes in bytes.
type Open struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int      `json:"pingInterval"`
	PingTimeout  int      `json:"pingTimeout"`
	MaxPayload   int      `json:"maxPayload"`
}

// ParseOpen reads an open packet, which says nothing else and has a session id.
func ParseOpen(t testing.TB, packet string) (o Open) {
	t.Helper()
	content, ok := strings.CutPrefix(packet, "0")
	if !ok {
		t.Fatalf("%q is no open packet", packet)
	}
	d := json.NewDecoder(strings.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || o.SID == "" {
		t.Fatalf("open packet %q: %v", packet, err)
	}
	return o
}
