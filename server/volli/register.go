package volli

import (
	"time"

	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/auth"
	"github.com/oodaa/signaling/server/hub"
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
	if code := p.checkToken(id, payload); code != events.OK {
		p.fail(code, nil)
		return nil
	}
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

// checkToken checks whether the client may have the name.
func (p *peer) checkToken(id string, payload []byte) events.Code {
	if p.gateway.Tokens == nil {
		return events.OK
	}
	token := events.StringField(payload, "token")
	if token == "" {
		token = p.bearer
	}
	grant, err := p.gateway.Tokens.Verify(token)
	if err != nil {
		p.gateway.Log.Debug("token refused", "connection", p.id, "reason", err.Error())
		return events.Unauthorized
	}
	if grant.UserID != id {
		return events.UserNotAllowed
	}
	p.grant.Store(&grant)
	return events.OK
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
	if c == nil || !c.key.Proves(c.id, c.nonce, events.StringField(payload, "signature")) {
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
		p.fail(code, nil)
		if code == events.Unavailable { // it may try elsewhere, or again
			p.dismiss()
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
