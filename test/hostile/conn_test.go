package hostile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A conn is one connection of an attacker's. The first thing that is not as
// expected is kept, and ends what is expected; end returns it.
type conn struct {
	*net.TCPConn
	r   *bufio.Reader
	err error
}

// tcp connects, and says nothing.
func (s *server) tcp() *conn {
	nc, err := net.DialTimeout("tcp", s.Addr, rig.Patience)
	if err != nil {
		return &conn{err: err}
	}
	c := &conn{TCPConn: nc.(*net.TCPConn), r: bufio.NewReader(nc)}
	c.fail(c.SetDeadline(time.Now().Add(rig.Patience)))
	return c
}

// fail keeps the first error.
func (c *conn) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// end closes the connection and returns what was wrong.
func (c *conn) end() error {
	if c.TCPConn != nil {
		c.Close()
	}
	return c.err
}

// put writes. That the server has closed shows when its answer is read.
func (c *conn) put(bytes ...string) {
	for _, b := range bytes {
		if c.err == nil {
			_, _ = io.WriteString(c.TCPConn, b)
		}
	}
}

// lost reports whether err says that the server has ended the connection.
func lost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// gone reads on until the server has ended the connection.
func (c *conn) gone() {
	if c.err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, c.r); err != nil && !lost(err) {
		c.err = fmt.Errorf("waiting for the end of the connection: %w", err)
	}
}

// An answer is one HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// answer reads the answer to a request with the method.
func (c *conn) answer(method string) answer {
	if c.err != nil {
		return answer{}
	}
	response, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.err = fmt.Errorf("instead of an answer: %w", err)
		return answer{}
	}
	a := answer{status: response.StatusCode, header: response.Header}
	if a.status == http.StatusSwitchingProtocols {
		return a
	}
	body, err := io.ReadAll(response.Body)
	if err != nil && !lost(err) {
		c.err = fmt.Errorf("instead of the body of %d: %w", a.status, err)
	}
	a.body = string(body)
	return a
}

// status reads an answer, which must be one of these.
func (c *conn) status(statuses ...int) answer {
	a := c.answer(http.MethodGet)
	c.fail(a.is(statuses...))
	return a
}

func (a answer) is(statuses ...int) error {
	for _, status := range statuses {
		if a.status == status {
			return nil
		}
	}
	return fmt.Errorf("answered %d %.200q instead of %d", a.status, a.body, statuses)
}

const oodaaPath = "/socket.io/?EIO=4&transport=websocket"

// handshake is the request for a WebSocket (RFC 6455, section 4.1). More is of
// headers, each with its line's end.
func handshake(path string, more ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(more, "") + "\r\n"
}

// upgraded connects a WebSocket, and reads no further than the answer.
func (s *server) upgraded(path string) *conn {
	c := s.tcp()
	c.put(handshake(path))
	c.status(http.StatusSwitchingProtocols)
	return c
}

// opened is a Socket.IO client in no namespace.
func (s *server) opened() *conn {
	c := s.upgraded(oodaaPath)
	c.expect("0{…")
	return c
}

// joined is a Socket.IO client in the namespace.
func (s *server) joined() *conn {
	c := s.opened()
	c.put(text("40"))
	c.expect("40{…")
	return c
}

// registered is a Socket.IO client that has a name.
func (s *server) registered(id string) *conn {
	c := s.joined()
	c.put(text(`42["register",{"userId":"` + id + `"}]`))
	c.expect(`42["user-list",…`)
	return c
}

// volli is a client of Volli's without a name.
func (s *server) volli() *conn { return s.upgraded("/signaling") }

// volliRegistered is a client of Volli's that has one.
func (s *server) volliRegistered(id string) *conn {
	c := s.volli()
	c.put(text(`{"type":"register","userId":"` + id + `","publicKey":"k"}`))
	c.expect(`{"type":"registered",…`)
	return c
}

// A message is what the server sent: a whole message, or a Close frame, whose
// payload is without the code.
type message struct {
	op      byte
	code    int
	payload string
}

func (m message) String() string {
	if m.op == opClose {
		return fmt.Sprintf("close %d %q", m.code, m.payload)
	}
	return fmt.Sprintf("%.200q", m.payload)
}

// readFrame reads a frame of the server's (RFC 6455, section 5.2).
func (c *conn) readFrame() (first byte, payload []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	switch {
	case head[1]&0x80 != 0:
		return 0, nil, errors.New("a masked frame")
	case length == 126:
		_, err = io.ReadFull(c.r, head[2:4])
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case length == 127:
		_, err = io.ReadFull(c.r, head[2:10])
		length = binary.BigEndian.Uint64(head[2:])
	}
	if err != nil {
		return 0, nil, err
	}
	if length > 16<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes", length)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(c.r, payload)
	return head[0], payload, err
}

// next reads the next message that is no heartbeat, which it answers, and
// nothing about other users.
func (c *conn) next() message {
	var m message
	for c.err == nil {
		first, payload, err := c.readFrame()
		if err != nil {
			c.err = fmt.Errorf("instead of a frame: %w", err)
			break
		}
		switch op := first & 0xf; op {
		case opPing:
			c.put(frame(fin|opPong, string(payload)))
			continue
		case opPong:
			return message{op: opPong, payload: string(payload)}
		case opClose:
			m = message{op: opClose, code: 1005}
			if len(payload) >= 2 {
				m.code, m.payload = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return m
		case opContinuation:
			m.payload += string(payload)
		default:
			m = message{op: op, payload: string(payload)}
		}
		switch {
		case first&fin == 0:
		case m.op == opText && m.payload == "2":
			c.put(text("3"))
		case m.op == opText && strings.HasPrefix(m.payload, `42["peer-`):
		default:
			return m
		}
	}
	return m
}

// expect reads these messages. One that ends with "…" is the beginning of what
// is expected.
func (c *conn) expect(messages ...string) {
	for _, want := range messages {
		m := c.next()
		if c.err != nil {
			c.err = fmt.Errorf("waiting for %.200q: %w", want, c.err)
			return
		}
		if prefix, ok := strings.CutSuffix(want, "…"); m.op == opClose || m.payload != want && !(ok && strings.HasPrefix(m.payload, prefix)) {
			c.err = fmt.Errorf("got %v instead of %.200q", m, want)
			return
		}
	}
}

// closed reads the server's Close frame, which must have one of these codes,
// answers it, and reads to the end of the connection.
func (c *conn) closed(codes ...int) {
	m := c.next()
	if c.err != nil {
		c.err = fmt.Errorf("waiting for a Close frame with %d: %w", codes, c.err)
		return
	}
	if m.op != opClose {
		c.err = fmt.Errorf("got %v instead of a Close frame with %d", m, codes)
		return
	}
	known := false
	for _, code := range codes {
		known = known || m.code == code
	}
	if !known {
		c.err = fmt.Errorf("got %v instead of a Close frame with %d", m, codes)
		return
	}
	c.put(closing(1000, ""))
	c.gone()
}

// cutOff fails unless the server ends the connection without a Close frame.
func (c *conn) cutOff() {
	if c.err != nil {
		return
	}
	switch m := c.next(); {
	case c.err == nil:
		c.err = fmt.Errorf("got %v instead of the end of the connection", m)
	case lost(c.err):
		c.err = nil
	}
}
