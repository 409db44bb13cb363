package oodaa

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// peer is one client. It is what its socket's events are received by, and what
// the others reach it through.
type peer struct {
	hub.Member
	gateway  *Gateway
	socket   socketio.Socket
	deadline wire.Deadline // for registering; then, that of the token
	grant    *auth.Grant   // of the token; nil where there are none
	ends     atomic.Int64  // Unix nanoseconds of when the token ends the registration; 0: never

	// owned by the caller of Event
	known   bool   // it has registered
	early   *early // nil: it has sent nothing before that
	rate    wire.Rate
	renewal *wire.Repeat // nil: it has not asked for ICE servers
}

// Opened makes the client one that is told of the others.
func (p *peer) Opened() {
	g := p.gateway
	g.Hub.Join(&p.Member, p, p)
	if g.RegisterTimeout > 0 {
		g.Deadlines.Set(&p.deadline, p.socket.Opened().Add(g.RegisterTimeout), p)
	}
	info, _ := p.socket.Info().(Info)
	g.Log.Debug("connected", "socket", p.socket.ID(), "request_id", info.Request)
}

// Expired closes the connection of a client that has not registered in time, or
// whose token has expired.
func (p *peer) Expired(at time.Time) {
	if p.User() == nil {
		p.gateway.Log.Debug("not registered in time", "socket", p.socket.ID())
		p.socket.Close("register timeout")
		return
	}
	if ends := p.ends.Load(); ends == 0 || at.UnixNano() < ends {
		return // it registered meanwhile
	}
	p.gateway.Log.Debug("token expired", "socket", p.socket.ID())
	p.gateway.Hub.Release(&p.Member)
	p.fail(&socketio.Event{Ack: socketio.NoAck}, events.Unauthorized, 0, nil)
	p.socket.Close("token expired")
}

// Closed makes the client one that is gone.
func (p *peer) Closed(reason string) {
	g := p.gateway
	g.Deadlines.Stop(&p.deadline)
	p.renewal.Stop()
	if p.early != nil {
		g.Deadlines.Stop(&p.early.deadline)
	}
	g.Hub.Leave(&p.Member)
	g.Log.Debug("disconnected", "socket", p.socket.ID(), "reason", reason)
}

// TooLarge tells the client why it will be disconnected.
func (p *peer) TooLarge() {
	p.fail(&socketio.Event{Ack: socketio.NoAck}, events.TooLarge, 0, nil)
}

// Event gives one event its meaning.
func (p *peer) Event(e *socketio.Event) error {
	g := p.gateway
	kind, relayed := events.KindOf(e.Name)
	if g.Rate.PerSecond > 0 {
		ok, over := p.rate.Take(g.Rate, e.Batch.Begun())
		if over {
			p.endForAbuse("over the message rate")
			return nil
		}
		if !ok {
			g.Handlers.Counts.Limit()
			p.fail(e, events.RateLimited, kind, nil)
			return nil
		}
	}
	if relayed {
		return p.relay(e, kind)
	}
	if string(e.Name) == events.Register {
		return p.register(e)
	}
	if !rawjson.ValidTail(e.Rest) {
		return socketio.ErrMalformed
	}
	counts := &g.Handlers.Counts
	switch string(e.Name) {
	case events.GetUsers:
		counts.Event(events.AskedUsers)
		g.Hub.List(&p.Member, e.Batch, func(args []byte) { _ = p.socket.Emit(args, nil, e.Batch) })
		p.ack(e, "")
	case events.Ping:
		counts.Event(events.AskedPing)
		p.emit(pong, e.Batch)
		p.ack(e, "")
	case events.GetICEServers:
		counts.Event(events.AskedICEServers)
		p.sendICEServers(e)
	default:
		counts.Event(events.AskedOther)
	}
	return nil
}

// endForAbuse ends the connection. A client that keeps abusing the server gets a
// DISCONNECT packet, upon which it does not reconnect.
func (p *peer) endForAbuse(reason string) {
	p.gateway.Log.Info("disconnected", "socket", p.socket.ID(), "reason", reason)
	info, _ := p.socket.Info().(Info)
	o := offender{address: info.Address}
	if u := p.User(); u != nil {
		o.user = u.ID
	}
	if p.gateway.abuse.out(o, time.Now()) {
		p.socket.Disconnect()
	} else {
		p.socket.Close(reason)
	}
}

func (p *peer) register(e *socketio.Event) error {
	g := p.gateway
	g.Handlers.Counts.Event(events.AskedRegister)
	id, code, ok := events.ReadRegister(e.Rest)
	if !ok {
		return socketio.ErrMalformed
	}
	if code == events.OK && p.grant != nil {
		if id != p.grant.UserID {
			code = events.UserNotAllowed
		} else if p.grant.Over(time.Now()) {
			code = events.Unauthorized
		}
	}
	if code != events.OK {
		p.registered(e, id, code)
		return nil
	}
	claim := hub.Claim{ID: id, Guarded: g.Guarded}
	if g.Cluster == nil && !g.Hub.Crowded() {
		p.registered(e, id, p.bind(claim, e.Batch))
		return nil
	}
	later := &socketio.Event{Ack: e.Ack}
	return &wire.Hold{Do: func() {
		g.Hub.AwaitRoom()
		if g.Cluster == nil {
			p.registered(later, id, p.bind(claim, nil))
			return
		}
		p.registered(later, id, g.Cluster.Claim(&p.Member, claim, func(epoch uint64) events.Code {
			claim.Epoch = epoch
			return p.bind(claim, nil)
		}))
	}}
}

// bind gives the client the name, and the list of all users.
func (p *peer) bind(claim hub.Claim, batch *wire.Batch) events.Code {
	return p.gateway.Hub.RegisterAs(&p.Member, claim, batch, func(args []byte) { _ = p.socket.Emit(args, nil, batch) })
}

// registered answers a register.
func (p *peer) registered(e *socketio.Event, id string, code events.Code) {
	if code != events.OK {
		p.fail(e, code, 0, nil)
		p.refuseEarly(e.Batch)
		if code == events.Unavailable { // it may try elsewhere, or again
			p.socket.Close("unavailable")
		}
		return
	}
	if p.grant != nil && !p.grant.Expires.IsZero() {
		ends := p.grant.Ends(time.Now())
		p.ends.Store(ends.UnixNano())
		p.gateway.Deadlines.Set(&p.deadline, ends, p)
	} else {
		p.gateway.Deadlines.Stop(&p.deadline)
	}
	p.known = true
	p.gateway.Log.Debug("registered", "socket", p.socket.ID(), "user", id)
	p.ack(e, "")
	p.handleEarly(e.Batch)
}

// relays lends what a relay needs while it is handled.
var relays = sync.Pool{New: func() any { return new(events.Relay) }}

func (p *peer) relay(e *socketio.Event, kind events.Kind) error {
	r := relays.Get().(*events.Relay)
	err := p.relayWith(r, e, kind)
	*r = events.Relay{}
	relays.Put(r)
	return err
}

func (p *peer) relayWith(r *events.Relay, e *socketio.Event, kind events.Kind) error {
	from, code, ok := events.ReadRelay(e.Rest, kind, r)
	if !ok {
		return socketio.ErrMalformed
	}
	if code == events.OK && len(e.Attachments) > 0 {
		if r.Body, r.Attachments, ok = socketio.Attach(r.Body, e.Attachments); !ok {
			return socketio.ErrMalformed
		}
	}
	if code == events.OK && !p.known {
		p.awaitRegister(e, kind)
		return nil
	}
	g := p.gateway
	if code == events.OK {
		r.From = p.User()
		r.Batch = e.Batch
		r.Sender, r.Ack = p, e.Ack
		if e.Batch != nil {
			e.Batch.CountRelay()
			code = g.Handlers.Relay(r, from)
		} else {
			begun := time.Now()
			code = g.Handlers.Relay(r, from)
			g.Latency.Observe(time.Since(begun), 1)
		}
	} else {
		g.Handlers.Counts.Relay(kind, code)
	}
	switch code {
	case events.OK:
		p.ack(e, "")
	case events.Pending:
	default:
		p.fail(e, code, kind, r.To)
	}
	return nil
}

// ID is the socket's.
func (p *peer) ID() string { return p.socket.ID() }

// Answered answers a relay whose outcome was open.
func (p *peer) Answered(o *events.Outcome) {
	batch, _ := o.Batch.(*wire.Batch)
	e := &socketio.Event{Ack: o.Ack, Batch: batch}
	p.gateway.Handlers.Counts.Relay(o.Kind, o.Code)
	if o.Code == events.OK {
		p.ack(e, "")
		return
	}
	p.fail(e, o.Code, o.Kind, o.To)
}

var pong = []byte(`["` + events.Pong + `"]`)

// emit queues an event behind what the client is to know before.
func (p *peer) emit(args []byte, batch *wire.Batch) {
	p.gateway.Hub.CatchUp(&p.Member, batch)
	_ = p.socket.Emit(args, nil, batch) // an error is the client's end, which Closed tells
}

var done = events.AppendOutcome(nil, "")

// ack answers an event that wants it; text is empty, or the error.
func (p *peer) ack(e *socketio.Event, text string) {
	switch {
	case e.Ack == socketio.NoAck:
	case text == "":
		_ = p.socket.Ack(e.Ack, done, nil, e.Batch)
	default:
		_ = p.socket.Ack(e.Ack, events.AppendOutcome(nil, text), nil, e.Batch)
	}
}

// fail answers an event with an error.
func (p *peer) fail(e *socketio.Event, code events.Code, kind events.Kind, to []byte) {
	text := code.OodaaText(kind, to)
	p.gateway.Handlers.Counts.OodaaError(code, kind)
	p.emit(events.AppendError(nil, text), e.Batch)
	p.ack(e, text)
}

// Announce queues what the hub has to tell.
func (p *peer) Announce(args []byte, batch *wire.Batch) {
	_ = p.socket.Emit(args, nil, batch)
}

// eventNames is more than AppendRelay adds to the body and the sender.
const eventNames = 64

// Relay puts a relay on the client's connection.
func (p *peer) Relay(r *events.Relay) events.Code {
	batch, _ := r.Batch.(*wire.Batch)
	p.gateway.Hub.CatchUp(&p.Member, batch)

	room := wire.Borrow(len(r.Body) + len(r.From.JSON) + eventNames)
	defer room.Free()
	args := events.AppendRelay(room.B, r, r.Body)
	if len(args) > p.gateway.MaxMessage || !p.fits(args, r.Attachments) {
		return events.TooLarge
	}
	if err := p.socket.Emit(args, r.Attachments, batch); err != nil {
		return events.NotFound
	}
	return events.OK
}

// framing is more than any engine adds to one message.
const framing = 64

// fits reports whether an event can leave at all.
func (p *peer) fits(args []byte, attachments [][]byte) bool {
	size := len(args) + framing
	for _, a := range attachments {
		size += len(a) + framing
	}
	return size <= p.gateway.MaxOutbox
}

// Replaced disconnects the client, whose name another connection took.
func (p *peer) Replaced() { p.socket.Disconnect() }
