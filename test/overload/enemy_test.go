package overload

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// An enemy is a client on a bare TCP connection, so that it costs the machine
// little: what it sends is framed beforehand, what it gets is counted and not
// looked into. It reads only when it is told to.
type enemy struct {
	family rig.Family
	id     string
	conn   net.Conn
	in     *bufio.Reader
	done   chan struct{} // closed when read has ended; nil if it never ran
	news   chan struct{} // filled when something was read

	mu    sync.Mutex // guards tally
	tally tally
}

// A tally is what an enemy got.
type tally struct {
	frames, bytes int64
	acks          map[int]answer
	oks           int             // of them, those with ok: true
	errors        map[string]*int // by text
	text          string          // the last one
	same          *int            // errors[text]
	came, gone    int             // peer-connected, peer-disconnected
	other         int64
	err           error // the end of reading
	at            time.Time
}

// An answer is what acknowledged one relay.
type answer struct {
	ok    bool
	times int
}

// How an enemy connects.
type way struct {
	// tight keeps the kernel's buffers small: the smallest receive buffer, and
	// segments as on a network. On loopback they are 64 KB otherwise, and the
	// server's send buffer grows to megabytes with them.
	tight  bool
	source net.IP
}

func (w way) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: rig.Patience, KeepAlive: -1}
	if w.source != nil {
		d.LocalAddr = &net.TCPAddr{IP: w.source}
	}
	if w.tight {
		d.Control = rig.NarrowSegments
	}
	return d
}

// tightBuffers is more than the kernel takes for a tight connection, on both
// ends together; measured, it is 90 KB, and 500 KB where each small frame is
// written by itself.
const tightBuffers = 2 << 20

const oodaaPath = "/socket.io/?EIO=4&transport=websocket"

// upgradeRequest asks for a WebSocket (RFC 6455, section 4.1).
func upgradeRequest(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
}

// connect opens a connection; with an id, it is registered.
func connect(addr string, family rig.Family, id string, w way) (*enemy, error) {
	conn, err := w.dialer().Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	e := &enemy{family: family, conn: conn, in: bufio.NewReaderSize(conn, 4096)}
	e.tally.acks, e.tally.errors = make(map[int]answer), make(map[string]*int)
	if err := e.enter(id); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("enemy %q: %w", id, err)
	}
	return e, nil
}

func (e *enemy) enter(id string) error {
	_ = e.conn.SetDeadline(time.Now().Add(rig.Patience))
	defer func() { _ = e.conn.SetDeadline(time.Time{}) }()
	path := oodaaPath
	if e.family == rig.Volli {
		path = "/signaling"
	}
	if _, err := e.conn.Write(upgradeRequest(path)); err != nil {
		return err
	}
	status, err := e.in.ReadString('\n')
	if err != nil {
		return err
	}
	for line := status; strings.TrimSpace(line) != ""; {
		if line, err = e.in.ReadString('\n'); err != nil {
			return err
		}
	}
	if !strings.Contains(status, " 101 ") {
		return errors.New(strings.TrimSpace(status))
	}
	if e.family == rig.Oodaa {
		if err := e.send(frame("40")); err != nil {
			return err
		}
		if err := e.await("40"); err != nil {
			return err
		}
	}
	if id == "" {
		return nil
	}
	e.id = id
	if err := e.send(register(e.family, id)); err != nil {
		return err
	}
	if e.family == rig.Volli {
		return e.await(`{"type":"registered"`)
	}
	return e.await(`42["user-list"`)
}

// await reads up to the message that begins so.
func (e *enemy) await(prefix string) error {
	for {
		_, head, err := e.next()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", prefix, err)
		}
		if bytes.HasPrefix(head, []byte("44")) || bytes.HasPrefix(head, []byte(`42["error"`)) {
			return fmt.Errorf("waiting for %s: %s", prefix, head)
		}
		if bytes.HasPrefix(head, []byte(prefix)) {
			return nil
		}
	}
}

// send sends what was framed.
func (e *enemy) send(frames []byte) error {
	_, err := e.conn.Write(frames)
	return err
}

// Close ends the connection without a word.
func (e *enemy) Close() error {
	err := e.conn.Close()
	if e.done != nil {
		<-e.done
	}
	return err
}

// A closed is the server's Close frame.
type closed struct{ code int }

func (c *closed) Error() string { return fmt.Sprintf("closed with %d", c.code) }

// next reads one frame and returns how it begins, which is good until the next
// call. Fragments but the first (opcode 0) and Pongs (10) begin with nothing.
func (e *enemy) next() (opcode byte, head []byte, err error) {
	h, err := e.in.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	opcode = h[0] & 15
	length, size := int(h[1]&127), 2
	switch length {
	case 126:
		size = 4
	case 127:
		size = 10
	}
	if h, err = e.in.Peek(size); err != nil {
		return 0, nil, err
	}
	switch length {
	case 126:
		length = int(binary.BigEndian.Uint16(h[2:]))
	case 127:
		length = int(binary.BigEndian.Uint64(h[2:]))
	}
	if _, err = e.in.Discard(size); err != nil {
		return 0, nil, err
	}
	kept := min(length, 256)
	if head, err = e.in.Peek(kept); err != nil {
		return 0, nil, err
	}
	// What has been read stays where it is until more is read.
	if length <= e.in.Buffered() {
		_, _ = e.in.Discard(length)
	} else {
		head = bytes.Clone(head)
		if _, err = e.in.Discard(length); err != nil {
			return 0, nil, err
		}
	}
	e.tally.frames++
	e.tally.bytes += int64(size + length)
	switch opcode {
	case 8:
		code := 1005
		if len(head) >= 2 {
			code = int(binary.BigEndian.Uint16(head))
		}
		return opcode, head, &closed{code}
	case 9:
		return opcode, nil, e.send(append([]byte{0x8a, 0x80, 0, 0, 0, 0}, head...))
	case 1, 2:
		return opcode, head, nil
	}
	return opcode, nil, nil
}

// read counts all that comes, on a goroutine of its own, until Close or the end.
func (e *enemy) read() {
	e.done, e.news = make(chan struct{}), make(chan struct{}, 1)
	// A buffer that takes much at once keeps the reader cheap.
	e.in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(e.buffered()), e.conn), 128<<10)
	go func() {
		defer close(e.done)
		for {
			// The lock is not held while waiting.
			_, err := e.in.Peek(1)
			e.mu.Lock()
			for err == nil {
				if err = e.count(); e.in.Buffered() == 0 {
					break
				}
			}
			if err != nil {
				e.tally.err, e.tally.at = err, time.Now()
			}
			e.mu.Unlock()
			if err != nil {
				return
			}
			select {
			case e.news <- struct{}{}:
			default:
			}
		}
	}()
}

func (e *enemy) buffered() []byte {
	b, _ := e.in.Peek(e.in.Buffered())
	return bytes.Clone(b)
}

// count reads one frame. e.mu is held.
func (e *enemy) count() error {
	_, head, err := e.next()
	if err != nil {
		return err
	}
	switch {
	case string(head) == "2":
		return e.send(pong)
	case bytes.HasPrefix(head, []byte("43")):
		digits, result, _ := bytes.Cut(head[2:], []byte("["))
		id, err := strconv.Atoi(string(digits))
		if err != nil {
			return fmt.Errorf("acknowledgement %q", head)
		}
		ok := bytes.HasPrefix(result, []byte(`{"ok":true}`))
		if ok {
			e.tally.oks++
		}
		e.tally.acks[id] = answer{ok, e.tally.acks[id].times + 1}
	case bytes.HasPrefix(head, []byte(`42["error","`)), bytes.HasPrefix(head, []byte(`{"type":"error"`)):
		if string(head) != e.tally.text { // most are alike
			e.tally.text = string(head)
			e.tally.same = new(int)
			if n := e.tally.errors[e.tally.text]; n != nil {
				e.tally.same = n
			}
			e.tally.errors[e.tally.text] = e.tally.same
		}
		*e.tally.same++
	case bytes.HasPrefix(head, []byte(`42["peer-d`)):
		e.tally.gone++
	case bytes.HasPrefix(head, []byte(`42["peer-c`)):
		e.tally.came++
	case head != nil:
		e.tally.other++
	}
	return nil
}

// so returns what f says of the tally.
func so[T any](e *enemy, f func(t *tally) T) T {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f(&e.tally)
}

func (t *tally) refused() (n int) {
	for _, times := range t.errors {
		n += *times
	}
	return n
}

// forget starts the counting of answers anew.
func (t *tally) forget() int {
	clear(t.acks)
	clear(t.errors)
	t.text, t.oks = "", 0
	return 0
}

// until waits until the tally is as it should be. It looks whenever something
// was read.
func (e *enemy) until(t *testing.T, what string, condition func(t *tally) bool) {
	t.Helper()
	deadline := time.NewTimer(rig.Patience)
	defer deadline.Stop()
	for !so(e, condition) {
		select {
		case <-e.news:
		case <-e.done:
			if !so(e, condition) {
				t.Fatalf("%s: ended without %s: %v", e.id, what, e.last())
			}
			return
		case <-deadline.C:
			t.Fatalf("%s: not within %v: %s", e.id, rig.Patience, what)
		}
	}
}

// last is what ended the connection, as read or as written to.
func (e *enemy) last() error { return so(e, func(t *tally) error { return t.err }) }

// ended reports whether the server ended the connection.
func (e *enemy) ended() bool { return so(e, func(t *tally) bool { return t.err != nil }) }

// pong answers a heartbeat of Oodaa's family.
var pong = frame("3")

// frame is a text frame of a client's. Its mask is zero, which is as valid as
// any other, so that what it carries can be changed in place.
func frame(text string) []byte { return appendFrame(nil, 1, text) }

func appendFrame(dst []byte, opcode byte, payload string) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n <= 0xffff:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	return append(append(dst, 0, 0, 0, 0), payload...)
}

func register(family rig.Family, id string) []byte {
	if family == rig.Volli {
		return frame(fmt.Sprintf(`{"type":"register","userId":%q,"publicKey":"k"}`, id))
	}
	return frame(fmt.Sprintf(`42["register",{"userId":%q}]`, id))
}

// offer is an offer of Volli's family whose body has size bytes.
func offer(from, to string, size int) []byte {
	return frame(fmt.Sprintf(`{"type":"offer","from":%q,"to":%q,"offer":%s}`, from, to, body(size)))
}

// body is a JSON string of size bytes.
func body(size int) string { return `"` + strings.Repeat("o", max(size-2, 1)) + `"` }

// An acked is a frame with an offer of Oodaa's family, which is to be
// acknowledged under an id that can be changed.
type acked struct {
	frame []byte
	id    []byte // within frame
}

// noID stands for the id, and is as long as any.
const noID = "9999999"

func ackedOffer(from, to string, size int) acked {
	f := frame(fmt.Sprintf(`42%s["offer",{"to":%q,"from":%q,"offer":%s}]`, noID, to, from, body(size)))
	at := bytes.Index(f, []byte("42"+noID)) + 2
	return acked{f, f[at : at+len(noID)]}
}

// with is the frame with another id, good until the next call.
func (a acked) with(id int) []byte {
	copy(a.id, fmt.Sprintf("%0*d", len(noID), id+1e6))
	return a.frame
}

// packetSize is how many bytes such an offer has for an Oodaa client that gets it.
func packetSize(from string, size int) int {
	return len(fmt.Sprintf(`42["offer",{"from":%q,"offer":`, from)) + len(body(size)) + len(`}]`)
}

// frameHead is the most that a WebSocket adds to that below 64 KB.
const frameHead = 4

// repeat is a frame as often as it fits into size bytes, for one write.
func repeat(frame []byte, size int) []byte { return bytes.Repeat(frame, max(size/len(frame), 1)) }
