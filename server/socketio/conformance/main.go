// Command conformance serves the engine in the set-up that the public test
// suites of the Engine.IO and Socket.IO protocols expect.
//
// It listens on port 3000. At /engine.io/ a bare Engine.IO server echoes every
// message. At /socket.io/ there are the namespaces / and /custom: on connect,
// a socket gets "auth" with the handshake's auth object; "message" is answered
// with "message-back" and the same arguments, and "message-with-ack" by
// acknowledging them.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/cors"

	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

func main() {
	addr := flag.String("addr", ":3000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	h := newHandler(options())
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(h.shutdown(deadline), s.Shutdown(deadline))
}

// options are those that the suites expect.
func options() socketio.Options {
	return socketio.Options{
		PingInterval:   300 * time.Millisecond,
		PingTimeout:    200 * time.Millisecond,
		ConnectTimeout: time.Second,
		MaxPayload:     1000000,
		MaxOutbox:      16 << 20,
		WebSocket:      true,
		Polling:        true,
		Namespaces:     map[string]socketio.Namespace{"/": namespace{}, "/custom": namespace{}},
	}
}

type handler struct {
	http.Handler
	engineIO *socketio.EngineIO
	socketIO *socketio.Server
	loops    wire.Loops
}

// newHandler starts both engines. shutdown ends them.
func newHandler(opts socketio.Options) *handler {
	h := new(handler)
	opts.Loops = &h.loops
	h.engineIO = socketio.NewEngineIO(opts, func(s *socketio.Session) socketio.MessageHandler { return echo{s} })
	h.socketIO = socketio.New(opts)
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", h.engineIO)
	mux.Handle("/socket.io/", h.socketIO)
	h.Handler = cors.AllowAll().Handler(mux)
	return h
}

func (h *handler) shutdown(ctx context.Context) error {
	defer h.loops.Close()
	return errors.Join(h.engineIO.Shutdown(ctx), h.socketIO.Shutdown(ctx))
}

// echo sends back what it gets.
type echo struct{ session *socketio.Session }

func (e echo) Message(payload []byte, binary bool, batch *wire.Batch) (wire.Hold, error) {
	m := wire.Message{Payload: payload, Binary: binary}
	if !binary {
		m.Prefix = []byte(socketio.MessagePrefix)
	}
	_ = e.session.Send(batch, m) // an error is the session's end, which needs no care here
	return nil, nil
}

func (echo) TooLarge()     {}
func (echo) OverRate()     {}
func (echo) Closed(string) {}

type namespace struct{}

func (namespace) Connect(s socketio.Socket, auth []byte, answer func(socketio.Receiver, error)) wire.Hold {
	if len(auth) == 0 {
		auth = []byte("{}")
	}
	answer(&receiver{socket: s, auth: bytes.Clone(auth)}, nil)
	return nil
}

type receiver struct {
	socket socketio.Socket
	auth   []byte
}

func (r *receiver) Opened() {
	_ = r.socket.Emit(fmt.Appendf(nil, `["auth",%s]`, r.auth), nil, nil)
}

func (r *receiver) Event(e *socketio.Event) (wire.Hold, error) {
	if !rawjson.ValidTail(e.Rest) {
		return nil, socketio.ErrMalformed
	}
	switch string(e.Name) {
	case "message":
		_ = r.socket.Emit(append([]byte(`["message-back"`), e.Rest...), e.Attachments, e.Batch)
	case "message-with-ack":
		args := append([]byte{'['}, bytes.TrimPrefix(rawjson.SkipSpace(e.Rest), []byte{','})...)
		_ = r.socket.Ack(e.Ack, args, e.Attachments, e.Batch)
	}
	return nil, nil
}

func (r *receiver) TooLarge() {}
func (r *receiver) OverRate() {}

func (r *receiver) Limited(*socketio.Event) {}

func (r *receiver) Closed(string) {}
