package siege

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An attacker spends a server's resources from one address. Its connections end
// with ctx.
type attacker struct {
	ctx    context.Context
	addr   string // the server's
	from   string // its own
	victim string // a user who reads slowly
	toll   *toll
}

// A toll is what attackers have sent, and how many connections they have.
type toll struct{ sent, open, most atomic.Int64 }

func (t *toll) enter() {
	n := t.open.Add(1)
	for most := t.most.Load(); n > most && !t.most.CompareAndSwap(most, n); most = t.most.Load() {
	}
}

// A link is one connection of an attacker's. An error ends it, and the strategy
// goes on with the next one.
type link struct {
	net.Conn
	r    *bufio.Reader
	toll *toll
	once sync.Once
}

func (l *link) Close() error {
	l.once.Do(func() { l.toll.open.Add(-1) })
	return l.Conn.Close()
}

func (a *attacker) dial() (*link, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(a.from)}, Timeout: time.Second}
	nc, err := d.DialContext(a.ctx, "tcp", a.addr)
	if err != nil {
		return nil, err
	}
	a.toll.enter()
	l := &link{Conn: nc, r: bufio.NewReader(nc), toll: a.toll}
	context.AfterFunc(a.ctx, func() { l.Close() })
	return l, nil
}

func (l *link) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	l.toll.sent.Add(int64(n))
	return n, err
}

// request sends a request, and reads its answer.
func (l *link) request(method, target, headers, body string) (status int, answer string, err error) {
	if body != "" {
		headers += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if _, err = fmt.Fprintf(l, "%s %s HTTP/1.1\r\nHost: siege\r\n%s\r\n%s", method, target, headers, body); err != nil {
		return 0, "", err
	}
	r, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil || r.StatusCode == http.StatusSwitchingProtocols {
		return http.StatusSwitchingProtocols, "", err
	}
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

const (
	socketIO  = "/socket.io/?EIO=4&transport=websocket"
	longPoll  = "/socket.io/?EIO=4&transport=polling"
	volli     = "/signaling"
	wsHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)

// webSocket opens one; a Socket.IO client also joins its namespace.
func (a *attacker) webSocket(target string) (*link, error) {
	l, err := a.dial()
	if err != nil {
		return nil, err
	}
	if err := l.upgrade(target); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *link) upgrade(target string) error {
	status, _, err := l.request("GET", target, wsHeaders, "")
	if err == nil && status != http.StatusSwitchingProtocols {
		err = fmt.Errorf("status %d", status)
	}
	if err == nil && target == socketIO {
		_, err = l.Write(text("40"))
	}
	return err
}

// session opens a long-polling session.
func (a *attacker) session() (l *link, sid string, err error) {
	if l, err = a.dial(); err != nil {
		return nil, "", err
	}
	var open struct{ SID string }
	status, answer, err := l.request("GET", longPoll, "", "")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	if err == nil {
		err = json.Unmarshal([]byte(strings.TrimPrefix(answer, "0")), &open)
	}
	if err != nil {
		l.Close()
		return nil, "", err
	}
	return l, open.SID, nil
}

// user opens a WebSocket that reads all, and registers a user.
func (a *attacker) user(id string) (*link, error) {
	l, err := a.webSocket(socketIO)
	if err != nil {
		return nil, err
	}
	l.discard()
	_, _ = l.Write(text(fmt.Sprintf(register, id)))
	return l, nil
}

// breakOff registers a user, and ends the connection without a goodbye.
func (a *attacker) breakOff(user string) error {
	l, err := a.webSocket(socketIO)
	if err != nil {
		return err
	}
	defer l.Close()
	if _, err := l.Write(text(fmt.Sprintf(register, user))); err != nil {
		return err
	}
	if err := l.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, l.r)
	return err
}

// discard reads and drops what the server sends.
func (l *link) discard() { go func() { _, _ = io.Copy(io.Discard, l.r) }() } // ends with the connection

// flood writes frames until the connection ends.
func (l *link) flood(frames []byte) {
	for {
		if _, err := l.Write(frames); err != nil {
			return
		}
	}
}

// frame is a masked frame; the mask is zero.
func frame(fin bool, op byte, payload string) []byte {
	if fin {
		op |= 0x80
	}
	b := []byte{op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func text(payload string) []byte { return frame(true, 1, payload) }
