package engineio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// A WebSocket is a client over WebSocket. As of a Client, only the test's
// goroutine may call its methods, except for TrySend and Read.
type WebSocket struct {
	*websocket.Conn
	T testing.TB

	opts    Options
	writing sync.Mutex
}

// TryDial connects a WebSocket: for a new session if sid is empty, or else one
// that may take that session over. The caller must close it.
func (c *Client) TryDial(sid string) (*WebSocket, error) {
	dialer := websocket.Dialer{
		NetDialContext:   func(ctx context.Context, _, _ string) (net.Conn, error) { return c.opts.Dial(ctx) },
		HandshakeTimeout: c.opts.Patience,
	}
	u := "ws://server" + c.opts.Path + "?EIO=4&transport=websocket"
	if sid != "" {
		u += "&sid=" + url.QueryEscape(sid)
	}
	conn, response, err := dialer.Dial(u, nil)
	if err != nil && response != nil {
		return nil, fmt.Errorf("%w: %s", err, response.Status)
	}
	if err != nil {
		return nil, err
	}
	return &WebSocket{Conn: conn, T: c.T, opts: c.opts}, nil
}

// Dial is TryDial that succeeds. The WebSocket is closed at the end of the test.
func (c *Client) Dial(sid string) *WebSocket {
	c.T.Helper()
	w, err := c.TryDial(sid)
	if err != nil {
		c.T.Fatalf("dial: %v", err)
	}
	c.T.Cleanup(func() { w.Close() })
	return w
}

// OpenWebSocket opens a session over WebSocket.
func (c *Client) OpenWebSocket() *WebSocket {
	c.T.Helper()
	w := c.Dial("")
	ParseOpen(c.T, w.Next())
	return w
}

// TrySend sends a message, which is binary if it begins with "b:".
func (w *WebSocket) TrySend(message string) error {
	kind := websocket.TextMessage
	b, ok := strings.CutPrefix(message, "b:")
	if ok {
		kind = websocket.BinaryMessage
	}
	w.writing.Lock()
	defer w.writing.Unlock()
	return w.WriteMessage(kind, []byte(b))
}

// Send sends messages.
func (w *WebSocket) Send(messages ...string) {
	w.T.Helper()
	for _, m := range messages {
		if err := w.TrySend(m); err != nil {
			w.T.Fatalf("send %.60q: %v", m, err)
		}
	}
}

// Read returns the next message, be it a ping; binary ones begin with "b:".
func (w *WebSocket) Read() (string, error) {
	_ = w.SetReadDeadline(time.Now().Add(w.opts.Patience))
	kind, b, err := w.ReadMessage()
	if kind == websocket.BinaryMessage {
		return "b:" + string(b), err
	}
	return string(b), err
}

// read is Read that keeps pings away if the client does.
func (w *WebSocket) read() (string, error) {
	for {
		m, err := w.Read()
		if err != nil || m != "2" || !w.opts.AnswerPings {
			return m, err
		}
		// An error here is for the next Read to find, behind what still came.
		_ = w.TrySend("3")
	}
}

// Next is the next message.
func (w *WebSocket) Next() string {
	w.T.Helper()
	m, err := w.read()
	if err != nil {
		w.T.Fatalf("read: %v", err)
	}
	return m
}

// Expect expects messages to come next.
func (w *WebSocket) Expect(messages ...string) {
	w.T.Helper()
	for _, want := range messages {
		if got := w.Next(); got != want {
			w.T.Fatalf("got %.80q, want %.80q", got, want)
		}
	}
}

// Closed expects the server to close the connection next, and returns the code.
func (w *WebSocket) Closed() int {
	w.T.Helper()
	m, err := w.read()
	var end *websocket.CloseError
	if !errors.As(err, &end) {
		w.T.Fatalf("got %.80q, %v, want the end", m, err)
	}
	return end.Code
}

// ExpectClosed expects the server to close the connection next, with a code.
func (w *WebSocket) ExpectClosed(code int) {
	w.T.Helper()
	if got := w.Closed(); got != code {
		w.T.Fatalf("closed with %d, want %d", got, code)
	}
}
