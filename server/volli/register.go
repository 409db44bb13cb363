package volli

import (
	"errors"
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/rawjson"
	"github.com/oodaa/signaling/server/wire"
)

// A challenge is a registration that waits for a proof of its key.
type challenge struct {
	nonce, id, text string
	key             *auth.PublicKey
}

// handleRegister checks who the client may be, as far as that is asked for, and
// gives it the name.
func (p *peer) handleRegister(m *message, payload []byte) error {
	id, key := m.text(fieldUserID, events.MaxVolliUserID), m.text(fieldPublicKey, events.MaxVolliKey)
	if id == "" || key == "" {
		p.fail(events.MissingFields, nil)
		return nil
	}
	p.challenge = nil
	if p.gateway.Tokens == nil {
		return p.handleAdmitted(id, key)
	}
	token := rawjson.StringField(payload, "token")
	if token == "" {
		token = p.bearer
	}
	return p.checkToken(token, func(grant *auth.Grant) error {
		if grant.UserID != id {
			p.fail(events.UserNotAllowed, nil)
			return nil
		}
		p.grant.Store(grant)
		return p.handleAdmitted(id, key)
	})
}

// handleAdmitted registers a client whose token, where it needs one, allows the
// name.
func (p *peer) handleAdmitted(id, key string) error {
	g := p.gateway
	switch g.Proof {
	case ProofOff:
		return p.take(id, key, false)
	case ProofAlways:
		p.ask(id, key)
		return nil
	}
	holder := g.Hub.Find([]byte(id))
	if holder == nil && g.Cluster != nil {
		return &wire.Hold{Do: func() { _ = wire.Finish(p.takeOrAsk(id, key, g.Cluster.Lookup(id))) }}
	}
	return p.takeOrAsk(id, key, holder)
}

// checkToken calls then if the token is good, and answers the client if not. Where
// that takes a while, the result is a Hold.
func (p *peer) checkToken(token string, then func(*auth.Grant) error) error {
	tokens := p.gateway.Tokens
	grant, err := tokens.Verify(token)
	if errors.Is(err, auth.ErrUndecided) {
		return &wire.Hold{Do: func() {
			grant, err := tokens.Await(token)
			_ = wire.Finish(p.checkedToken(&grant, err, then))
		}}
	}
	return p.checkedToken(&grant, err, then)
}

func (p *peer) checkedToken(grant *auth.Grant, err error, then func(*auth.Grant) error) error {
	switch {
	case err == nil:
		return then(grant)
	case errors.Is(err, auth.ErrUnavailable):
		p.turnAway()
	default:
		p.fail(events.Unauthorized, nil)
	}
	p.gateway.Log.Debug("token refused", "connection", p.id, "reason", err.Error())
	return nil
}

// turnAway closes the connection of a client that cannot be served now, and may
// try again.
func (p *peer) turnAway() {
	p.fail(events.Unavailable, nil)
	p.conn.Close(wire.CloseTryAgainLater, "unavailable")
}

// takeOrAsk takes a name that nobody else holds, and asks for a proof
// otherwise.
func (p *peer) takeOrAsk(id, key string, holder *events.User) error {
	if holder == nil || holder == p.User() {
		return p.take(id, key, false)
	}
	p.ask(id, key)
	return nil
}

// ask challenges the client to prove that it holds its key.
func (p *peer) ask(id, key string) {
	parsed, err := auth.ParseKey(key)
	if err != nil {
		p.fail(events.InvalidProof, nil)
		return
	}
	p.challenge = &challenge{nonce: auth.NewNonce(), id: id, text: key, key: parsed}
	p.send(appendChallenge(nil, p.challenge.nonce))
}

// handleProof checks the answer to a challenge, which counts once.
func (p *peer) handleProof(payload []byte) error {
	c := p.challenge
	p.challenge = nil
	if c == nil || !c.key.Proves(c.id, c.nonce, rawjson.StringField(payload, "signature")) {
		p.fail(events.InvalidProof, nil)
		return nil
	}
	if grant := p.grant.Load(); grant != nil && grant.Over(time.Now()) {
		p.fail(events.Unauthorized, nil)
		return nil
	}
	return p.take(c.id, c.text, true)
}

// take registers the client, which may have proved that it holds its key.
func (p *peer) take(id, key string, proved bool) error {
	g := p.gateway
	claim := hub.Claim{ID: id, Key: key, Guarded: g.Proof != ProofOff, Proved: proved}
	if g.Cluster == nil && !g.Hub.Crowded() {
		p.registered(id, p.bind(claim))
		return nil
	}
	return &wire.Hold{Do: func() {
		g.Hub.AwaitRoom()
		if g.Cluster == nil {
			p.registered(id, p.bind(claim))
			return
		}
		p.registered(id, g.Cluster.Claim(&p.Member, claim, func(epoch uint64) events.Code {
			claim.Epoch = epoch
			return p.bind(claim)
		}))
	}}
}

// bind gives the client the name, and tells it so before anybody can reach it
// there.
func (p *peer) bind(claim hub.Claim) events.Code {
	p.answering.Lock()
	defer p.answering.Unlock()
	code := p.gateway.Hub.RegisterAs(&p.Member, claim, nil, nil)
	if code == events.OK {
		_ = p.conn.Send(nil, wire.Message{Payload: appendRegistered(nil, claim.ID)}) // as in send
	}
	return code
}

// registered goes on after a registration.
func (p *peer) registered(id string, code events.Code) {
	if code != events.OK {
		if code == events.Unavailable {
			p.turnAway()
		} else {
			p.fail(code, nil)
		}
		return
	}
	g := p.gateway
	if grant := p.grant.Load(); grant != nil && !grant.Expires.IsZero() {
		ends := grant.Ends(time.Now())
		p.ends.Store(ends.UnixNano())
		g.Deadlines.Set(&p.register, ends, p)
	} else {
		p.ends.Store(0)
		g.Deadlines.Stop(&p.register)
	}
	g.Log.Debug("registered", "connection", p.id, "user", id)
}
