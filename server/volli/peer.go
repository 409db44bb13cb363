package volli

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// closeReplaced is the close code for a client whose name another connection
// took.
const closeReplaced = 4001

// connections numbers the connections for the log.
var connections atomic.Uint64

// peer is one client. It handles what its connection reads, and is what the
// others reach it through.
type peer struct {
	hub.Member
	gateway *Gateway
	conn    *wire.Conn
	id      string
	opened  time.Time

	heartbeat wire.Deadline
	register  wire.Deadline // for registering; then, that of the token
	heard     atomic.Int64  // nanoseconds after opened of the last frame
	pinged    time.Duration // after opened, the last time; owned by heartbeat

	// answering is held while the client registers, so that what others send
	// to its name comes behind the answer.
	answering sync.Mutex

	// owned by the connection's reader
	rate      wire.Rate
	bearer    string       // token of the handshake's headers
	challenge *challenge   // that waits for its proof
	renewal   *wire.Repeat // nil: it has not asked for ICE servers

	grant atomic.Pointer[auth.Grant] // of the token; nil where there are none
	ends  atomic.Int64               // Unix nanoseconds of when the token ends the registration; 0: never
}

func newPeer(g *Gateway, conn *wire.Conn) *peer {
	p := &peer{
		gateway: g,
		conn:    conn,
		id:      "v" + strconv.FormatUint(connections.Add(1), 10),
		opened:  time.Now(),
	}
	g.Hub.Join(&p.Member, p, nil)
	g.Deadlines.Set(&p.heartbeat, p.opened.Add(g.PingInterval), (*heartbeat)(p))
	if g.RegisterTimeout > 0 {
		g.Deadlines.Set(&p.register, p.opened.Add(g.RegisterTimeout), p)
	}
	return p
}

// Expired closes the connection of a client that has not registered in time, or
// whose token has expired.
func (p *peer) Expired(at time.Time) {
	g := p.gateway
	if p.User() == nil {
		p.conn.Close(wire.ClosePolicyViolation, "not registered")
		return
	}
	if ends := p.ends.Load(); ends == 0 || at.UnixNano() < ends {
		return // it registered meanwhile
	}
	g.Log.Debug("token expired", "connection", p.id)
	g.Hub.Release(&p.Member)
	g.Handlers.Counts.VolliError(events.Unauthorized)
	_ = p.conn.Send(nil, wire.Message{Payload: appendError(nil, events.Unauthorized.VolliText(nil))}) // as in send
	p.conn.Close(wire.ClosePolicyViolation, "token expired")
}

// heartbeat is a peer as the owner of its heartbeat's deadline.
type heartbeat peer

// Expired pings a silent client, and closes one that stays silent.
func (h *heartbeat) Expired(time.Time) {
	g := h.gateway
	now, heard := time.Since(h.opened), time.Duration(h.heard.Load())
	due := heard + g.PingInterval
	ping := false
	if now >= due {
		if ping = h.pinged <= heard; ping {
			h.pinged = now
		}
		if due = h.pinged + g.PingTimeout; now >= due {
			h.conn.Close(wire.CloseInternalError, "ping timeout")
			return
		}
	}
	// Set before the ping is sent, whose answer sets it again.
	g.Deadlines.Set(&h.heartbeat, h.opened.Add(due), h)
	if ping && h.conn.Ping() != nil {
		g.Deadlines.Stop(&h.heartbeat)
	}
}

func (p *peer) hear(now time.Time) { p.heard.Store(int64(now.Sub(p.opened))) }

// Pong takes note that the client is there.
func (p *peer) Pong() {
	now := time.Now()
	p.hear(now)
	p.gateway.Deadlines.Set(&p.heartbeat, now.Add(p.gateway.PingInterval), (*heartbeat)(p))
}

// TooLarge tells the client why it will be closed.
func (p *peer) TooLarge() { p.fail(events.TooLarge, nil) }

// Closed makes the client one that is gone.
func (p *peer) Closed(err error) {
	g := p.gateway
	g.Deadlines.Stop(&p.heartbeat)
	g.Deadlines.Stop(&p.register)
	p.renewal.Stop()
	g.remove(p)
	g.Hub.Leave(&p.Member)
	var panicked *wire.PanicError
	if errors.As(err, &panicked) {
		g.Panicked(panicked.Value, panicked.Stack)
	}
	g.Log.Debug("disconnected", "connection", p.id, "reason", err.Error())
}

var (
	errBinary   = &wire.CloseError{Code: wire.CloseUnsupportedData, Reason: "text frames only"}
	errOverRate = &wire.CloseError{Code: wire.ClosePolicyViolation, Reason: "over the message rate"}
)

// Message handles one message.
func (p *peer) Message(payload []byte, binary bool) error {
	now := p.conn.Batch().Begun()
	p.hear(now)
	if binary {
		return errBinary
	}
	if ok, over := p.rate.Take(p.gateway.Rate, now); over {
		p.gateway.Log.Info("disconnected", "connection", p.id, "reason", errOverRate.Reason)
		return errOverRate
	} else if !ok {
		p.gateway.Handlers.Counts.Limit()
		p.fail(events.RateLimited, nil)
		return nil
	}
	var m message
	if !m.read(payload) {
		p.fail(events.InvalidFormat, nil)
		return nil
	}
	var kind string
	if rawjson.IsString(m[fieldType]) {
		kind = rawjson.DecodeString(m[fieldType])
	}
	counts := &p.gateway.Handlers.Counts
	switch kind {
	case "register":
		counts.Event(events.AskedRegister)
		return p.handleRegister(&m, payload)
	case "discover":
		counts.Event(events.AskedDiscover)
		return p.handleDiscover(&m)
	case events.GetICEServers:
		counts.Event(events.AskedICEServers)
		return p.ifAdmitted(func() error { p.sendICEServers(); return nil })
	case "proof":
		counts.Event(events.AskedProof)
		if p.gateway.Proof != ProofOff {
			return p.handleProof(payload)
		}
		p.fail(events.UnknownType, nil)
	default:
		if k, ok := events.KindOf([]byte(kind)); ok && k < events.Custom {
			p.handleRelay(&m, k, payload)
		} else {
			counts.Event(events.AskedOther)
			p.fail(events.UnknownType, nil)
		}
	}
	return nil
}

// ifAdmitted calls then if the client may ask for what only clients with a token
// get: it is registered, or brought one with its handshake.
func (p *peer) ifAdmitted(then func() error) error {
	if p.gateway.Tokens == nil || p.User() != nil {
		return then()
	}
	return p.checkToken(p.bearer, func(*auth.Grant) error { return then() })
}

func (p *peer) handleDiscover(m *message) error {
	id := m.text(fieldUserID, events.MaxVolliUserID)
	if id == "" {
		p.fail(events.MissingFields, nil)
		return nil
	}
	return p.ifAdmitted(func() error { return p.discover(id) })
}

func (p *peer) discover(id string) error {
	g := p.gateway
	u := g.Hub.Find([]byte(id))
	if u != nil || g.Cluster == nil {
		p.send(appendDiscovery(nil, id, u))
		return nil
	}
	return &wire.Hold{Do: func() { p.send(appendDiscovery(nil, id, g.Cluster.Lookup(id))) }}
}

func (p *peer) handleRelay(m *message, kind events.Kind, payload []byte) {
	to, body := m.text(fieldTo, events.MaxVolliUserID), m[fieldBody+int(kind)]
	if to == "" || m.text(fieldFrom, events.MaxVolliUserID) == "" || rawjson.Falsy(body) {
		p.gateway.Handlers.Counts.Relay(kind, events.MissingFields)
		p.fail(events.MissingFields, nil)
		return
	}
	p.conn.Batch().CountRelay()
	r := &events.Relay{
		Kind:    kind,
		From:    p.User(),
		To:      []byte(to),
		Body:    body,
		Message: payload,
		Batch:   p.conn.Batch(),
		Sender:  p,
	}
	if code := p.gateway.Handlers.Relay(r, m[fieldFrom]); code != events.OK && code != events.Pending {
		p.fail(code, r.To)
	}
}

// ID is the connection's.
func (p *peer) ID() string { return p.id }

// Answered answers a relay whose outcome was open: an error is all that this
// family gets.
func (p *peer) Answered(o *events.Outcome) {
	counts := &p.gateway.Handlers.Counts
	counts.Relay(o.Kind, o.Code)
	if o.Code == events.OK {
		return
	}
	counts.VolliError(o.Code)
	batch, _ := o.Batch.(*wire.Batch)
	_ = p.conn.Send(batch, wire.Message{Payload: appendError(nil, o.Code.VolliText(o.To))}) // as in send
}

// send queues a message to the client. It is called by the connection's reader.
func (p *peer) send(message []byte) {
	_ = p.conn.Send(p.conn.Batch(), wire.Message{Payload: message}) // an error is the client's end, which Closed tells
}

func (p *peer) fail(code events.Code, to []byte) {
	p.gateway.Handlers.Counts.VolliError(code)
	p.send(appendError(nil, code.VolliText(to)))
}

// framing is the most that a WebSocket frame adds to a message.
const framing = 10

// memberNames is more than appendRelay adds to the body and the two names.
const memberNames = 80

// Relay puts a relay on the client's connection: what another Volli client
// sent as it is, anything else in this family's form, if it has one.
func (p *peer) Relay(r *events.Relay) events.Code {
	message := r.Message
	if message == nil {
		if r.Kind == events.Custom || len(r.Attachments) > 0 {
			return events.NotFound
		}
		room := wire.Borrow(len(r.Body) + len(r.From.JSON) + len(r.To) + memberNames)
		defer room.Free()
		message = appendRelay(room.B, r)
	}
	if limits := p.gateway.Wire; len(message) > limits.MaxMessage || len(message)+framing > limits.MaxOutbox {
		return events.TooLarge
	}
	batch, _ := r.Batch.(*wire.Batch)
	p.answering.Lock()
	defer p.answering.Unlock()
	if p.conn.Send(batch, wire.Message{Payload: message}) != nil {
		return events.NotFound
	}
	return events.OK
}

// Replaced closes the client, whose name another connection took.
func (p *peer) Replaced() { p.conn.Close(closeReplaced, "replaced") }
