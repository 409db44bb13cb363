package zishang

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/zishang520/engine.io-go-parser/packet"
	"github.com/zishang520/engine.io-go-parser/parser"
	eio "github.com/zishang520/engine.io/v2/engine"
	"github.com/zishang520/engine.io/v2/transports"
	"github.com/zishang520/engine.io/v2/types"

	"github.com/oodaa/signaling/server/wire"
)

// A transport carries a session's Engine.IO packets over its WebSocket. The
// library's own would read each message into a buffer that doubles from nothing
// and decode it into another: five bytes for the garbage collector for each that
// arrives, and as many again on the way out. Ours borrows its buffers.
type transport struct {
	transports.Transport
	conn       *types.WebSocketConn
	maxMessage int64

	writing sync.Mutex // one batch at a time

	mu      sync.Mutex
	over    bool           // nothing more is sent
	running sync.WaitGroup // read, and Send's goroutines
}

// An eioServer is the library's Engine.IO server, with this transport.
type eioServer struct{ eio.Server }

func newServer(opts any) eio.Server {
	s := &eioServer{eio.MakeServer()}
	s.Prototype(s)
	s.Construct(opts)
	return s
}

// CreateTransport is called for each handshake.
func (s *eioServer) CreateTransport(_ string, ctx *types.HttpContext) (transports.Transport, error) {
	t := &transport{Transport: transports.MakeTransport(), conn: ctx.Websocket, maxMessage: s.Opts().MaxHttpBufferSize()}
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

// finish waits for the transport's goroutines, which end with its connection.
func (t *transport) finish() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
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
		if !t.Writable() {
			// What this answers is written by another goroutine, which has to
			// have its turn before a client is taken for one that does not read.
			runtime.Gosched()
		}
	}
}

// receive hands a message to the listeners for packets, whose bytes are theirs
// until they return. Of one that is too large they get a byte too many.
func (t *transport) receive(kind int, message io.Reader) error {
	room := wire.Borrow(minRead)
	defer room.Free()
	n, err := room.ReadFrom(io.LimitReader(message, t.maxMessage+1))
	if err != nil {
		return err
	}
	const typeMessage = '4'
	switch p := room.B; {
	case n > t.maxMessage, kind == websocket.BinaryMessage:
		t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: types.NewBytesBuffer(p)})
	case len(p) > 0 && p[0] == typeMessage:
		t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: types.NewStringBuffer(p[1:])})
	default:
		t.OnData(types.NewStringBuffer(p))
	}
	return nil
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

// Send writes packets, on a goroutine of its own; the library sends nothing
// more before that says "ready". The write timeout of the gate bounds it.
func (t *transport) Send(packets []*packet.Packet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.SetWritable(false)
	t.running.Go(func() {
		t.writing.Lock()
		err := t.write(packets)
		t.writing.Unlock()
		if err != nil {
			t.fail(err)
		}
		t.Emit("drain")
		t.SetWritable(true)
		t.Emit("ready")
	})
}

func (t *transport) write(packets []*packet.Packet) error {
	for _, p := range packets {
		var err error
		switch data := p.Data.(type) {
		case *types.BytesBuffer:
			err = t.conn.WriteMessage(websocket.BinaryMessage, data.Bytes())
		case *types.StringBuffer:
			err = t.writeText(p.Type, data.Bytes())
		default: // a ping
			err = t.writeText(p.Type, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *transport) writeText(kind packet.Type, content []byte) error {
	room := wire.Borrow(1 + len(content))
	defer room.Free()
	return t.conn.WriteMessage(websocket.TextMessage, append(append(room.B, parser.PACKET_TYPES[kind]), content...))
}

// DoClose implements transports.Transport.
func (t *transport) DoClose(closed types.Callable) {
	if closed != nil {
		closed()
	}
	_ = t.conn.Close()
}
