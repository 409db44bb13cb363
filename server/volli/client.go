package volli

import (
	"strconv"
	"sync/atomic"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// connections numbers the connections for the log.
var connections atomic.Uint64

// client is one client. It handles what its connection reads, and is the Family
// that spells what it is told.
type client struct {
	events.Client
	gateway *Gateway
	conn    *wire.Conn
	id      string
	over    atomic.Bool // the connection takes nothing any more
	heartbeat

	// owned by the connection's reader
	bearer    string     // token of the handshake's headers
	challenge *challenge // that waits for its proof
}

func newClient(g *Gateway, conn *wire.Conn, address string) *client {
	c := &client{
		gateway: g,
		conn:    conn,
		id:      "v" + strconv.FormatUint(connections.Add(1), 10),
	}
	c.heartbeat.start(c)
	c.Open(g.Handlers, c, false, events.Connection{Opened: c.opened, Address: address, Budget: conn.Budget()})
	return c
}

// ID is the connection's.
func (c *client) ID() string { return c.id }

// OverRate says why the connection is closed.
func (c *client) OverRate() {
	c.gateway.Handlers.Log.Info("disconnected", "connection", c.id, "reason", "over the message rate")
}

var errBinary = &wire.CloseError{Code: wire.CloseUnsupportedData, Reason: "text frames only"}

// ask is the reply to a message that the connection's reader handles.
func (c *client) ask() events.Ask { return events.Ask{Ack: events.NoAck, Batch: c.conn.Batch()} }

// Message reads one message and calls its meaning.
func (c *client) Message(payload []byte, binary bool) (wire.Hold, error) {
	now := c.conn.Batch().Begun()
	c.hear(now)
	if binary {
		return nil, errBinary
	}
	h := c.gateway.Handlers
	if !c.conn.Budget().Packet(now) {
		c.fail(hub.RateLimited, nil)
		return nil, nil
	}
	var m message
	if !m.read(payload) {
		c.fail(hub.InvalidFormat, nil)
		return nil, nil
	}
	var kind string
	if rawjson.IsString(m[fieldType]) {
		kind = rawjson.DecodeString(m[fieldType])
	}
	switch kind {
	case "register":
		h.Counters.Event(events.Register)
		return c.register(&m, payload), nil
	case "discover":
		h.Counters.Event(events.Discover)
		return c.discover(&m), nil
	case "watch":
		asked := events.Watching{Users: m[fieldUserIDs], Add: m[fieldAdd], Remove: m[fieldRemove]}
		if outcome := c.HandleWatch(c.ask(), asked); outcome != hub.OK {
			c.fail(outcome, nil)
		}
	case "get-ice-servers":
		h.Counters.Event(events.GetICEServers)
		return c.ifAdmitted(func() wire.Hold { c.HandleICEServers(c.ask()); return nil }), nil
	case "proof":
		h.Counters.Event(events.Proof)
		if c.gateway.Proof != ProofOff {
			return c.prove(payload), nil
		}
		c.fail(hub.UnknownType, nil)
	default:
		if k, ok := hub.KindOf([]byte(kind)); ok && k < hub.Custom {
			c.relay(&m, k, payload)
		} else {
			h.Counters.Event(events.Other)
			c.fail(hub.UnknownType, nil)
		}
	}
	return nil, nil
}

// ifAdmitted calls then if the client may ask for what only clients with a token
// get: it is registered, or brought one with its handshake.
func (c *client) ifAdmitted(then func() wire.Hold) wire.Hold {
	if c.User() != nil {
		return then()
	}
	return c.Admit(c.ask(), c.bearer, func(*auth.Grant) wire.Hold { return then() })
}

func (c *client) discover(m *message) wire.Hold {
	id := m.text(fieldUserID, events.MaxVolliUserID)
	if id == "" {
		c.fail(hub.MissingFields, nil)
		return nil
	}
	return c.ifAdmitted(func() wire.Hold {
		return c.HandleDiscover(id, func(u *hub.User) { c.send(appendDiscovery(nil, id, u)) })
	})
}

func (c *client) relay(m *message, kind hub.Kind, payload []byte) {
	to, body := m.text(fieldTo, events.MaxVolliUserID), m[fieldPayload+int(kind)]
	if to == "" || m.text(fieldFrom, events.MaxVolliUserID) == "" || !events.ValidPayload(body) {
		c.gateway.Handlers.Counters.Relay(kind, hub.MissingFields)
		c.fail(hub.MissingFields, nil)
		return
	}
	batch := c.conn.Batch()
	batch.CountRelay()
	r := &hub.Relay{Kind: kind, To: []byte(to), Payload: body, Message: payload, Batch: batch, Ack: events.NoAck}
	if outcome := c.HandleRelay(r, m[fieldFrom]); outcome != hub.OK && outcome != hub.Pending {
		c.fail(outcome, r.To)
	}
}

// send queues a message to the client. It is called by the connection's reader.
func (c *client) send(message []byte) { c.queue(message, c.conn.Batch()) }

// fail answers a message with an error. It is called by the connection's reader.
func (c *client) fail(outcome hub.Outcome, to []byte) { c.failTo(c.conn.Batch(), outcome, to) }
