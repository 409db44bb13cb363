//go:build zishang

package zishang

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// Both engines are to understand a client alike: what its packets mean, which
// are refused, and what it gets for them. Here both run, and get the same frames.

// A recording is what became of one session.
type recording struct {
	released chan struct{}

	mu   sync.Mutex
	told []string // to the Receivers, in order
	ends []string // the same, of all sockets at the end, whose order is open
	sent []string // to the client
}

func (r *recording) tell(format string, args ...any) {
	r.mu.Lock()
	r.told = append(r.told, fmt.Sprintf(format, args...))
	r.mu.Unlock()
}

func (r *recording) tellEnd(format string, args ...any) {
	r.mu.Lock()
	r.ends = append(r.ends, fmt.Sprintf(format, args...))
	r.mu.Unlock()
}

func (r *recording) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.ends)
	return strings.Join(slices.Concat([]string{"told:"}, r.told, r.ends, []string{"sent:"}, r.sent), "\n  ")
}

// A subject is one engine that keeps recordings.
type subject struct {
	engine socketio.Engine
	http   *httptest.Server

	mu         sync.Mutex
	recordings map[string]*recording
}

const differentialMax = 1000

func newSubject(t testing.TB, construct func(socketio.Options) (socketio.Engine, error)) *subject {
	s := &subject{recordings: make(map[string]*recording)}
	opts := defaults()
	opts.PingInterval = time.Minute // a ping of Engine.IO's is another matter
	opts.MaxPayload = differentialMax
	opts.Gate = s
	opts.Namespaces = map[string]socketio.Namespace{"/": recorded("/"), "/other": recorded("/other")}
	var err error
	if s.engine, err = construct(opts); err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s.engine)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.engine.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		s.http.Close()
	})
	return s
}

const runHeader = "X-Run"

// Admit finds the recording that a session is for.
func (s *subject) Admit(r *http.Request) (socketio.Admission, *socketio.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return socketio.Admission{Info: s.recordings[r.Header.Get(runHeader)]}, nil
}

// Release ends a recording.
func (s *subject) Release(a socketio.Admission) { close(a.Info.(*recording).released) }

// recorded is a namespace, by name, that records and echoes.
type recorded string

func (n recorded) Connect(s socketio.Socket, auth []byte, answer func(socketio.Receiver, error)) wire.Hold {
	r := s.Info().(*recording)
	r.tell("%s connect %q", n, auth)
	if bytes.Contains(auth, []byte("refuse")) {
		answer(nil, &socketio.ConnectError{Message: "refused <&>", Close: bytes.Contains(auth, []byte("close"))})
		return nil
	}
	answer(&recorder{s, r, n}, nil)
	return nil
}

type recorder struct {
	socketio.Socket
	*recording
	namespace recorded
}

func (r *recorder) Opened() { r.tell("%s opened", r.namespace) }

func (r *recorder) Event(e *socketio.Event) (wire.Hold, error) {
	r.tell("%s event %q nil=%v %q %q %q %d", r.namespace, e.Name, e.Name == nil, e.Args, e.Rest, e.Attachments, e.Ack)
	if !json.Valid(e.Args) {
		return nil, socketio.ErrMalformed
	}
	if string(e.Name) == "bye" {
		r.Disconnect()
		return nil, nil
	}
	_ = r.Emit(e.Args, e.Attachments, e.Batch)
	if e.Ack != socketio.NoAck {
		_ = r.Ack(e.Ack, e.Args, e.Attachments, e.Batch)
	}
	return nil, nil
}

func (r *recorder) TooLarge() { r.tellEnd("%s too large", r.namespace) }

func (r *recorder) Limited(e *socketio.Event) { r.tell("%s limited %q", r.namespace, e.Args) }

func (r *recorder) OverRate() { r.tellEnd("%s over rate", r.namespace) }

func (r *recorder) Closed(reason string) { r.tellEnd("%s closed: %s", r.namespace, reason) }

// runs numbers the recordings.
var runs atomic.Int64

// run gives the engine frames of a client's, each a text frame or, behind a zero
// byte, a binary one.
func (s *subject) run(frames [][]byte) (*recording, error) {
	r := &recording{released: make(chan struct{})}
	id := fmt.Sprint(runs.Add(1))
	s.mu.Lock()
	s.recordings[id] = r
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.recordings, id)
		s.mu.Unlock()
	}()
	dialer := websocket.Dialer{NetDial: net.Dial}
	conn, _, err := dialer.Dial("ws://"+s.http.Listener.Addr().String()+handshakePath, http.Header{runHeader: {id}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	// The library may end a session whose client did not wait for it to begin
	// without ever sending this.
	_, handshake, err := conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	r.sent = append(r.sent, handshakeKeys(handshake))
	for _, f := range frames {
		kind := websocket.TextMessage
		if len(f) > 0 && f[0] == 0 {
			kind, f = websocket.BinaryMessage, f[1:]
		}
		_ = conn.WriteMessage(kind, f) // it may have been closed; that shows below
	}
	// What was queued before is still sent, then a Close frame.
	_ = conn.WriteMessage(websocket.TextMessage, []byte("1"))
	for {
		kind, p, err := conn.ReadMessage()
		if err != nil {
			var end *websocket.CloseError
			if !errors.As(err, &end) {
				return nil, fmt.Errorf("the connection ended with %w", err)
			}
			r.sent = append(r.sent, fmt.Sprintf("close %d", end.Code)) // the library gives no reasons
			break
		}
		r.sent = append(r.sent, fmt.Sprintf("%d %q", kind, normal(p)))
	}
	_ = conn.Close()
	select {
	case <-r.released:
	case <-time.After(patience):
		return nil, errors.New("the session was not released")
	}
	return r, nil
}

var socketID = regexp.MustCompile(`^(40(?:/[^,]*,)?\{"sid":")[^"]*("\})$`)

// normal is a message with a fixed socket id.
func normal(p []byte) []byte { return socketID.ReplaceAll(p, []byte("${1}id${2}")) }

// handshakeKeys is the open packet without its session id, in a fixed order.
func handshakeKeys(p []byte) string {
	var handshake map[string]any
	if len(p) == 0 || p[0] != '0' || json.Unmarshal(p[1:], &handshake) != nil {
		return fmt.Sprintf("no handshake: %q", p)
	}
	handshake["sid"] = ""
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(handshake)) {
		fmt.Fprintf(&b, "%s=%v ", key, handshake[key])
	}
	return b.String()
}

// acceptedEnds are the frames for which both engines end the session, but
// differ in how they do it. What happened before has to be the same.
var acceptedEnds = []struct {
	why  string
	when func(frame []byte) bool
}{
	{"the library refuses what is no Engine.IO packet before we get to see it, and cuts the connection without a Close frame, and without what was queued",
		func(f []byte) bool {
			return len(f) == 0 || f[0] != 0 && (f[0] < '0' || f[0] > '6')
		}},
	{"so it does with a ping, which is the server's to send",
		func(f []byte) bool { return len(f) > 0 && f[0] == '2' }},
	{"invalid UTF-8 is an error of the WebSocket to one engine, and of the packet to the other",
		func(f []byte) bool { return len(f) > 0 && f[0] != 0 && !utf8.Valid(f) }},
}

// endsDiffer reports whether one of the frames ends a session in ways that differ.
func endsDiffer(frames [][]byte) bool {
	for _, f := range frames {
		for _, accepted := range acceptedEnds {
			if accepted.when(f) {
				return true
			}
		}
	}
	return false
}

var reason = regexp.MustCompile(`closed: .*`)

// agreesButForItsEnd reports whether the library's recording r tells the same as
// the other's, until the end: the client need not have got all that was queued.
func (r *recording) agreesButForItsEnd(want *recording) bool {
	told := func(r *recording) string {
		return reason.ReplaceAllString(strings.Join(slices.Concat(r.told, r.ends), "\n"), "")
	}
	sent := r.sent[:len(r.sent)-1]
	return told(r) == told(want) && len(sent) < len(want.sent) && slices.Equal(sent, want.sent[:len(sent)])
}

const frameSeparator = 0x1e

var differentialSeeds = []string{
	"", "42", "40", "40\x1e42", "40\x1e42[\"a\"]", "40\x1e42[\"a\",{\"b\":1.50}]\x1e4217[\"ack\",\"\\u00e9\"]",
	"40{\"token\":\"x\"}\x1e41\x1e40", "40{\"refuse\":1}\x1e40", "40{\"refuse\":1,\"close\":1}\x1e40", "40/other,\x1e42/other,7[\"a\"]\x1e40\x1e42[1]",
	"40/none,{}\x1e40\x1e41", "40/other", "40/other?a=1,{}", "40/,{}", "40//,", "40/\",{}", "40,", "405{}",
	"40\x1e451-[\"a\",{\"_placeholder\":true,\"num\":0}]\x1e\x00bytes", "40\x1e452-1[\"a\"]\x1e\x00\x1e\x00y\x1e42[\"b\"]", "40\x1e450-[\"a\"]", "40\x1e451-\x1e\x00x",
	"40\x1e\x00x", "40\x1e451-[\"a\"]\x1e42[\"b\"]", "40\x1e451-[\"a\"]\x1e3\x1e\x00x", "40\x1e451-[\"a\"", "40\x1e4511-[\"a\"]", "40\x1e451-[\"a\"]\x1e451-[\"a\"]",
	"40\x1e431[]", "40\x1e431[\x1e42[\"a\"]", "40\x1e43", "40\x1e451-/other,[\"a\"]", "40\x1e40/other\x1e451-/other,9[\"a\"]\x1e\x00x", "40\x1e461-1[]\x1e\x00x", "40\x1e44", "40\x1e44{}", "40\x1e47", "40\x1e4", "40\x1e45", "40\x1e46-",
	"40\x1e42[\"connect\"]", "40\x1e42[\"a\"", "40\x1e42[\"a\",]", "40\x1e42[]", "40\x1e42{}", "40\x1e42[null]", "40\x1e42 [\"a\"]", "40\x1e42[ \"a\" , 1 ]",
	"40\x1e42[\"\\ud83d\\ude00\"]", "40\x1e42[\"\\ud800\"]", "40\x1e42999999999999999[\"a\"]", "40\x1e429999999999999999[\"a\"]", "40\x1e42007[\"a\"]",
	"40\x1e3", "40\x1e1", "40\x1e0", "40\x1e5", "40\x1e6", "40\x1e42[\"bye\"]\x1e42[\"a\"]", "40\x1e41\x1e42[\"a\"]", "40\x1e40",
	"40\x1e42[\"\xff\"]", "40\x1e3\xff\x1e42[\"a\"]", "40\x1e3" + strings.Repeat("x", differentialMax), "40\x1e0" + strings.Repeat("x", differentialMax), "40\x1ex" + strings.Repeat("x", differentialMax), "40\x1e4x\x1e\x00" + strings.Repeat("x", 3*differentialMax), "40\x1e42[\"a\",\"" + strings.Repeat("x", differentialMax-9) + "\"]", "40\x1e42[\"a\",\"" + strings.Repeat("x", differentialMax-8) + "\"]",
	"40\x1e452-[\"a\"]\x1e\x00" + strings.Repeat("x", differentialMax) + "\x1e\x00y", "40\x1e451-[\"a\"]\x1e\x00" + strings.Repeat("x", differentialMax+1),
	"40\x1e42[\"a\",\"" + strings.Repeat("x", 3*differentialMax), "40\x1e451-[\"a\"]\x1e\x00" + strings.Repeat("x", 3*differentialMax),
	"451-[\"a\"]\x1e\x00x", "452-[\"a\"]\x1e\x00" + strings.Repeat("x", differentialMax), "451-[\"a\"]", "40\x1e451-/other,[\"a\"]\x1e41",
	"40\x1e451-[\"a\"]\x1ebAAH/", "40\x1e451-[\"a\"]\x1eb!", "40\x1e451-[\"a\"]\x1eb", "40\x1ebAA", "40\x1e451-[\"a\"]\x1eb" + strings.Repeat("A", differentialMax), "40\x1e42" + strings.Repeat("9", 19) + "[\"a\"]", "40\x1e42" + strings.Repeat("9", 20) + "[\"a\"]", "40\x1e5\x1e6\x1e0\x1e42[\"a\"]",
	"40\x1e42/other,[\"a\"]", "40\x1e40/other\x1e41/other,\x1e42/other,[\"a\"]",
}

func FuzzEnginesAgree(f *testing.F) {
	for _, seed := range differentialSeeds {
		f.Add([]byte(seed))
	}
	native := newSubject(f, func(opts socketio.Options) (socketio.Engine, error) { return socketio.New(opts), nil })
	library := newSubject(f, New)
	f.Fuzz(func(t *testing.T, input []byte) {
		frames := bytes.Split(input, []byte{frameSeparator})
		if len(frames) > 40 {
			t.Skip("more of the same")
		}
		want, err := native.run(frames)
		if err != nil {
			t.Fatalf("native: %v", err)
		}
		got, err := library.run(frames)
		if err != nil {
			t.Fatalf("zishang: %v", err)
		}
		if a, b := want.String(), got.String(); a != b && !(endsDiffer(frames) && got.agreesButForItsEnd(want)) {
			t.Errorf("native\n%s\n\nzishang\n%s", a, b)
		}
	})
}
