//go:build zishang

package zishang

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	sio "github.com/zishang520/socket.io/v2/socket"

	"github.com/oodaa/signaling/server/socketio"
)

// The library as it comes is run in processes of their own, most of which must
// die of it: these tests say why the gate, the tap, the raw send and the
// recovers are there. One that fails means that its trap is gone. That each of
// them is closed in our engine is for the tests that they name.

const childEnv = "ZISHANG_TEST_CHILD"

var children = map[string]func(){
	"heartbeat": childHeartbeat,
	"stalled":   childStalled,
	"event":     childEvent,
	"panic":     childPanic,
	"bytes":     childBytes,
	"order":     childOrder,
	"engine":    childEngine,
}

// runChild runs a child and returns what it wrote.
func runChild(t *testing.T, name string, env ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*childTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(append(os.Environ(), childEnv+"="+name), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestLibraryTraps(t *testing.T) {
	for _, test := range []struct {
		child, want string
	}{
		// gate: TestEarlyFrames
		{"heartbeat", "invalid memory address or nil pointer dereference"},
		// gate: TestReaderThatNeverReads
		{"stalled", "still there"},
		// tap: TestTranscripts/ignored_packets
		{"event", "interface conversion: interface {} is nil, not []interface {}"},
		// tap: TestOrder
		{"order", "out of order"},
		// raw send: TestTranscripts/bytes_are_kept
		{"bytes", `42["echo",1]`},
		// recover: TestPanics
		{"panic", "panic: on purpose"},
	} {
		t.Run(test.child, func(t *testing.T) {
			t.Parallel()
			out, err := runChild(t, test.child)
			if !strings.Contains(out, test.want) {
				t.Errorf("the library got over it: %v\n%.2000s", err, out)
			}
		})
	}
}

// A library is a server with the library as it comes.
type library struct {
	addr    string
	sockets chan *sio.Socket // those that it keeps
}

// newLibrary calls bind, if it is not nil, for each socket before it can receive.
func newLibrary(bind func(*sio.Socket)) *library {
	log.SetOutput(io.Discard) // what net/http says of broken connections
	l := &library{sockets: make(chan *sio.Socket, 100)}
	server := sio.NewServer(nil, nil)
	server.Use(func(socket *sio.Socket, next func(*sio.ExtendedError)) {
		if bind != nil {
			bind(socket)
		}
		next(nil)
	})
	_ = server.On("connection", func(args ...any) { l.sockets <- args[0].(*sio.Socket) })
	l.addr = httptest.NewServer(server.ServeHandler(nil)).Listener.Addr().String()
	return l
}

// join tries to connect until the library does not lose the CONNECT packet that
// comes right behind the upgrade, and waits until it keeps the socket.
func (l *library) join() (*websocket.Conn, *sio.Socket) {
	for {
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+l.addr+handshakePath, nil)
		if err != nil {
			panic(err)
		}
		_ = conn.WriteMessage(1, []byte("40"))
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _, _ = conn.ReadMessage() // the handshake
		if _, _, err := conn.ReadMessage(); err == nil {
			_ = conn.SetReadDeadline(time.Time{})
			return conn, <-l.sockets
		}
		conn.Close()
	}
}

// childTime is how long a child tries to meet its end.
const childTime = 15 * time.Second

func childHeartbeat() {
	l := newLibrary(nil)
	var attack sync.WaitGroup
	for range 8 {
		attack.Go(func() {
			for start := time.Now(); time.Since(start) < childTime; {
				conn, err := net.Dial("tcp", l.addr)
				if err != nil {
					continue
				}
				_, _ = conn.Write([]byte(upgradeRequest))
				if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
					_, _ = conn.Write([]byte(frame("3")))
				}
				conn.Close()
			}
		})
	}
	attack.Wait()
}

func childStalled() {
	conn, socket := newLibrary(nil).join()
	defer conn.Close()
	for range 100 {
		_ = socket.Emit("x", strings.Repeat("x", 1_000_000))
	}
	time.Sleep(3 * time.Second) // ten times the timeout in TestReaderThatNeverReads
	if socket.Connected() {
		fmt.Println("still there")
	}
}

func childEvent() {
	conn, _ := newLibrary(nil).join()
	defer conn.Close()
	_ = conn.WriteMessage(1, []byte("42"))
	time.Sleep(childTime)
}

func childPanic() {
	conn, _ := newLibrary(func(s *sio.Socket) {
		_ = s.On("x", func(...any) { panic("on purpose") })
	}).join()
	defer conn.Close()
	_ = conn.WriteMessage(1, []byte(`42["x"]`))
	time.Sleep(childTime)
}

func childBytes() {
	conn, _ := newLibrary(func(s *sio.Socket) {
		_ = s.On("echo", func(args ...any) { _ = s.Emit("echo", args...) })
	}).join()
	defer conn.Close()
	_ = conn.WriteMessage(1, []byte(`42["echo",1.0]`))
	_, p, err := conn.ReadMessage()
	fmt.Println(string(p), err)
}

func childOrder() {
	const n = 10_000
	done := make(chan struct{})
	var (
		mu         sync.Mutex
		got, moved int
	)
	conn, _ := newLibrary(func(s *sio.Socket) {
		_ = s.On("x", func(args ...any) {
			mu.Lock()
			defer mu.Unlock()
			if int(args[0].(float64)) != got {
				moved++
			}
			if got++; got == n {
				close(done)
			}
		})
	}).join()
	defer conn.Close()
	for i := range n {
		_ = conn.WriteMessage(1, fmt.Appendf(nil, `42["x",%d]`, i))
	}
	<-done
	if moved > 0 {
		fmt.Println(moved, "out of order")
	}
}

const secret = "c2VjcmV0"

// childEngine has a session carry a secret past every part of our engine.
func childEngine() {
	t := &childT{}
	s := serve(t, defaults())
	c := s.dial()
	c.send(`40{"token":"` + secret + `"}`)
	c.expectPrefix("40")
	r := s.main.next()
	c.send(`42["echo","`+secret+`"]`, `451-["echo","`+secret+`",{"_placeholder":true,"num":0}]`)
	c.sendBinary([]byte(secret))
	c.expectPrefix("42")
	c.expectPrefix("45")
	c.expectBinary([]byte(secret))
	c.send(`42{"` + secret + `"`)
	c.expectClose(1000)
	r.waitClosed()
	fmt.Println("done")
}

// A childT stands for a testing.T in a child.
type childT struct{ testing.TB }

func (*childT) Helper()                   {}
func (*childT) Cleanup(func())            {}
func (*childT) Errorf(f string, a ...any) { fmt.Printf(f+"\n", a...) }
func (*childT) Fatalf(f string, a ...any) { fmt.Printf(f+"\n", a...); os.Exit(1) }
func (*childT) Fatal(a ...any)            { fmt.Println(a...); os.Exit(1) }

func TestNothingIsLogged(t *testing.T) {
	out, err := runChild(t, "engine", "DEBUG=*")
	if err != nil || out != "done\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// An engine survives clients whose first frames arrive at any moment of the
// handshake, and loses none of these frames.
func TestEarlyFrames(t *testing.T) {
	const n = 400
	opts := defaults()
	opts.PingInterval = time.Minute // no pings among what is compared
	s := serve(t, opts)
	frames := frame("3") + frame("40") + frame(`42["echo",1]`) + frame("3")
	for _, test := range []struct {
		name  string
		write func(c *rawClient, r *bufio.Reader)
	}{
		{"with the request", func(c *rawClient, r *bufio.Reader) {
			c.write(upgradeRequest + frames)
			c.readUpgrade(r)
		}},
		{"right behind the request", func(c *rawClient, r *bufio.Reader) {
			c.write(upgradeRequest)
			c.write(frames)
			c.readUpgrade(r)
		}},
		{"half a frame with the request", func(c *rawClient, r *bufio.Reader) {
			c.write(upgradeRequest + frames[:10])
			c.readUpgrade(r)
			c.write(frames[10:])
		}},
		{"as soon as it is answered", func(c *rawClient, r *bufio.Reader) {
			c.write(upgradeRequest)
			c.readUpgrade(r)
			c.write(frames)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var clients sync.WaitGroup
			for range 8 {
				clients.Go(func() {
					for range n / 8 {
						c := s.dialTCP()
						r := bufio.NewReader(c)
						test.write(c, r)
						c.expectText(r, "0{", "40{", `42["echo",1]`)
						c.Close()
					}
				})
			}
			clients.Wait()
		})
	}
}

func (c *rawClient) write(s string) {
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Error(err)
	}
}

func (c *rawClient) readUpgrade(r *bufio.Reader) {
	_ = c.SetDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		c.t.Errorf("upgrade: %v %v", resp, err)
	}
}

// expectText reads text messages with these beginnings.
func (c *rawClient) expectText(r *bufio.Reader, prefixes ...string) {
	for _, prefix := range prefixes {
		var message []byte
		for final := false; !final; {
			var head [2]byte
			if _, err := io.ReadFull(r, head[:]); err != nil {
				c.t.Errorf("read: %v, want %s", err, prefix)
				return
			}
			final = head[0]&0x80 != 0
			length := int(head[1])
			if length == 126 {
				var more [2]byte
				_, _ = io.ReadFull(r, more[:])
				length = int(more[0])<<8 | int(more[1])
			}
			p := make([]byte, length)
			_, _ = io.ReadFull(r, p)
			message = append(message, p...)
		}
		if !bytes.HasPrefix(message, []byte(prefix)) {
			c.t.Errorf("read %.100q, want %s", message, prefix)
			return
		}
	}
}

// A client that takes nothing is cut, though little waits for it.
func TestReaderThatNeverReads(t *testing.T) {
	opts := defaults()
	opts.MaxOutbox = 1 << 30
	opts.PingInterval = time.Minute
	s := serve(t, opts, func(e *engine) { e.writeTimeout = 300 * time.Millisecond })
	_, r := s.join()
	message := []byte(`["x","` + strings.Repeat("x", 1_000_000) + `"]`)
	for range 100 { // more than the kernel takes
		if r.Emit(message, nil, nil) != nil {
			break
		}
	}
	r.waitClosed()
}

func TestPanics(t *testing.T) {
	const message = "on purpose"
	for _, test := range []struct {
		where string
		set   func(*namespace)
		send  []string
	}{
		{"Connect", func(n *namespace) { n.refuse = func([]byte) error { panic(message) } }, []string{"40"}},
		{"Opened", func(n *namespace) { n.opened = func(*receiver) { panic(message) } }, []string{"40"}},
		{"Event", func(n *namespace) {
			n.handle = func(*receiver, *socketio.Event) error { panic(message) }
		}, []string{"40", `42["x"]`, `42["x"]`}},
		{"Closed, when the client leaves", func(n *namespace) {
			n.closed = func(*receiver) { panic(message) }
		}, []string{"40", "41"}},
		{"Closed, when the session ends", func(n *namespace) {
			n.closed = func(*receiver) { panic(message) }
		}, []string{"40", "44"}},
		{"TooLarge", func(n *namespace) {
			n.large = func(*receiver) { panic(message) }
		}, []string{"40", "42" + strings.Repeat("x", testMaxPayload)}},
	} {
		t.Run(test.where, func(t *testing.T) {
			gate := &countingGate{}
			panicked := make(chan string, 10)
			opts := defaults()
			opts.Gate = gate
			opts.Panicked = func(v any, stack []byte) { panicked <- fmt.Sprint(v, " ", string(stack)) }
			s := serve(t, opts)

			bystander := s.dial()
			bystander.send("40/other")
			bystander.expectPrefix("40/other,{")

			test.set(s.main)
			c := s.dial()
			c.send(test.send...)
			for {
				if _, _, err := c.read(); err != nil {
					break
				}
			}
			c.conn.Close()
			select {
			case p := <-panicked:
				if !strings.HasPrefix(p, message+" ") || !strings.Contains(p, "traps_test.go") {
					t.Errorf("panicked: %s", p)
				}
			case <-time.After(patience):
				t.Error("nobody was told")
			}
			bystander.send(`42/other,["echo"]`)
			bystander.expect(`42/other,["echo"]`)
			eventually(t, "released", func() bool { return gate.released.Load() == 1 })
			if len(panicked) > 0 {
				t.Errorf("panicked twice: %s", <-panicked)
			}
		})
	}
}
