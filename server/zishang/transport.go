//go:build zishang

package zishang

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io-go-parser/parser"
	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// A transport carries a session's Engine.IO packets over its WebSocket. The
// library's own would read each message into a buffer that doubles from nothing
// and decode it into another, and start a goroutine for what is sent, to write
// packet by packet. Ours borrows its buffers, and writes what waits together.
type transport struct {
	transports.Transport
	conn       *types.WebSocketConn
	gated      *gatedConn // below it
	maxMessage int64
	textOnly   bool // the client takes no binary frames
	budget     wire.Budget
	overRate   func() // ends a session that has overdrawn its budget for too long; set before anything is read

	mu       sync.Mutex
	queue    wire.Queue
	inflight int            // bytes that are being written
	writing  bool           // by a goroutine, which will write what is queued meanwhile
	over     bool           // nothing more is queued
	running  sync.WaitGroup // read, and the goroutine that writes
	idle     chan struct{}  // filled when nothing waits any more
}

// An eioServer is the library's Engine.IO server, with this transport.
type eioServer struct {
	eio.Server
	limits *wire.Limits
}

func newServer(opts any, limits *wire.Limits) eio.Server {
	s := &eioServer{eio.MakeServer(), limits}
	s.Prototype(s)
	s.Construct(opts)
	return s
}

// CreateTransport is called for each handshake.
func (s *eioServer) CreateTransport(_ string, ctx *types.HttpContext) (transports.Transport, error) {
	t := &transport{
		Transport:  transports.MakeTransport(),
		conn:       ctx.Websocket,
		gated:      ctx.Response().(*gate).conn,
		maxMessage: s.Opts().MaxHttpBufferSize(),
		textOnly:   ctx.Query().Peek("b64") != "",
		budget:     wire.Budget{Limits: s.limits},
		idle:       make(chan struct{}, 1),
	}
	t.conn.SetReadLimit(maxAnnounced)
	t.Prototype(t)
	t.Construct(ctx)
	t.SetWritable(true)
	_ = t.conn.Once("close", func(...any) { t.OnClose() })
	t.running.Go(t.read)
	return t, nil
}

// maxAnnounced is the longest message that gorilla/websocket begins to read. A
// longer one it refuses for its header, with a Close frame that nothing may
// follow; receive's limit leaves room to say why.
const maxAnnounced = 1 << 40

// refuse drops what is queued, and has nothing more queued: a Close frame is next,
// or was the last.
func (t *transport) refuse() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.queue.Drop()
}

// finish waits for the transport's goroutines, which end with its connection.
func (t *transport) finish() {
	t.refuse()
	t.running.Wait()
}

// Name is the transport's in the library.
func (t *transport) Name() string { return transports.WEBSOCKET }

// HandlesUpgrades implements transports.Transport.
func (t *transport) HandlesUpgrades() bool { return true }

func (t *transport) read() {
	for {
		kind, message, err := t.conn.NextReader()
		if err == nil {
			err = t.receive(kind, message)
		}
		if err != nil {
			t.fail(err)
			return
		}
		if t.waiting() > 0 {
			// What this answers is written by another goroutine, which has to
			// have its turn before a client is taken for one that does not read.
			runtime.Gosched()
		}
	}
}

// receive hands a message to the listeners for packets, whose bytes are theirs
// until they return. Of one that is too large they get a byte too many.
func (t *transport) receive(kind int, message io.Reader) error {
	begun := time.Now()
	room := wire.Borrow(minRead)
	defer room.Free()
	n, err := room.ReadFrom(io.LimitReader(message, t.maxMessage+1))
	if err != nil {
		return err
	}
	defer t.pay(n, begun)
	switch p := room.B; {
	case n > t.maxMessage, kind == websocket.BinaryMessage:
		t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBuffer(p)})
	case len(p) > 0 && p[0] == socketio.MessagePrefix[0]:
		t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBuffer(p[1:])})
	case len(p) > 0 && p[0] == socketio.BinaryPrefix:
		t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBuffer(socketio.DecodeBase64(p[1:]))})
	default:
		t.OnData(types.NewStringBuffer(p))
	}
	return nil
}

// pay charges a message of n bytes, and waits until the budget is no debt any more.
// Nobody waits longer for the end of a session than that takes, a second at most.
func (t *transport) pay(n int64, begun time.Time) {
	pause, over := t.budget.Settle(int(n), begun)
	if over {
		t.overRate()
	}
	time.Sleep(pause)
}

// minRead is the least that is borrowed for a message.
const minRead = 512

// fail ends the transport: the connection is lost, or of no use any more.
func (t *transport) fail(err error) {
	if websocket.IsUnexpectedCloseError(err) || errors.Is(err, net.ErrClosed) {
		t.OnClose()
	} else {
		t.OnError("websocket error", err)
	}
}

// Send takes the library's own packets: handshakes and pings.
func (t *transport) Send(packets []*packet.Packet) {
	for _, p := range packets {
		var content []byte
		if data, ok := p.Data.(types.BufferInterface); ok {
			content = data.Bytes()
		}
		t.put(wire.Message{Prefix: []byte{parser.PACKET_TYPES[p.Type]}, Payload: content})
	}
	t.Emit("drain")
}

// waiting is how many bytes are yet to be written.
func (t *transport) waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inflight + t.queue.Size()
}

// put queues messages, with nothing between them, and sees to it that they are
// written. Their bytes are the caller's again on return.
func (t *transport) put(messages ...wire.Message) {
	if t.textOnly {
		messages = socketio.TextMessages(messages)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	for i := range messages {
		t.queue.Put(&messages[i])
	}
	t.start()
}

// pong queues the answer to a ping of the WebSocket's.
func (t *transport) pong(payload []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		t.queue.PutPong(payload)
		t.start()
	}
}

// start sees to it that what is queued is written. mu is held.
func (t *transport) start() {
	if !t.writing {
		t.writing = true
		t.running.Go(t.write)
	}
}

// write writes until nothing waits. The gate bounds how long a client may take.
func (t *transport) write() {
	for {
		t.mu.Lock()
		frames := t.queue
		t.queue = wire.Queue{}
		t.inflight = frames.Size()
		t.writing = t.inflight > 0
		t.mu.Unlock()
		if frames.Size() == 0 {
			select {
			case t.idle <- struct{}{}:
			default:
			}
			return
		}
		if err := t.gated.writeFrames(&frames, t.wrote); err != nil {
			t.refuse()
			t.fail(err)
		}
	}
}

// wrote takes note that n bytes more have been written.
func (t *transport) wrote(n int) {
	t.mu.Lock()
	t.inflight -= n
	t.mu.Unlock()
}

// DoClose implements transports.Transport.
func (t *transport) DoClose(closed types.Callable) {
	if closed != nil {
		closed()
	}
	_ = t.conn.Close()
}
