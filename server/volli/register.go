package volli

import (
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

// register checks who the client may be, as far as that is asked for, and gives
// it the name.
func (c *client) register(m *message, payload []byte) wire.Hold {
	id, key := m.text(fieldUserID, events.MaxVolliUserID), m.text(fieldPublicKey, events.MaxVolliKey)
	if id == "" || key == "" {
		c.fail(hub.MissingFields, nil)
		return nil
	}
	c.challenge = nil
	token := rawjson.StringField(payload, "token")
	if token == "" {
		token = c.bearer
	}
	return c.Admit(c.ask(), token, func(grant *auth.Grant) wire.Hold {
		if grant != nil {
			if outcome := events.Allows(grant, id); outcome != hub.OK {
				c.fail(outcome, nil)
				return nil
			}
		}
		c.SetGrant(grant)
		return c.registerAdmitted(id, key)
	})
}

// registerAdmitted registers a client whose token, where it needs one, allows
// the name.
func (c *client) registerAdmitted(id, key string) wire.Hold {
	switch c.gateway.Proof {
	case ProofOff:
		return c.take(id, key, false)
	case ProofAlways:
		c.challengeFor(id, key)
		return nil
	}
	holder, known := c.gateway.Handlers.Hub.Lookup(id)
	if !known {
		return func() {
			c.takeOrChallenge(id, key, c.gateway.Handlers.Hub.AwaitLookup(id)).Wait()
		}
	}
	return c.takeOrChallenge(id, key, holder)
}

// takeOrChallenge registers the client where no other holds the user ID, and asks
// for a proof otherwise.
func (c *client) takeOrChallenge(id, key string, holder *hub.User) wire.Hold {
	if holder == nil || holder == c.User() {
		return c.take(id, key, false)
	}
	c.challengeFor(id, key)
	return nil
}

// challengeFor asks the client to prove that it holds its key.
func (c *client) challengeFor(id, key string) {
	parsed, err := auth.ParseKey(key)
	if err != nil {
		c.fail(hub.InvalidProof, nil)
		return
	}
	c.challenge = &challenge{nonce: auth.NewNonce(), id: id, text: key, key: parsed}
	c.send(appendChallenge(nil, c.challenge.nonce))
}

// prove checks the answer to a challenge, which counts once.
func (c *client) prove(payload []byte) wire.Hold {
	asked := c.challenge
	c.challenge = nil
	if asked == nil || !asked.key.Proves(asked.id, asked.nonce, rawjson.StringField(payload, "signature")) {
		c.fail(hub.InvalidProof, nil)
		return nil
	}
	return c.take(asked.id, asked.text, true)
}

// take registers the client, which may have proved that it holds its key.
func (c *client) take(id, key string, proved bool) wire.Hold {
	return c.HandleRegister(c.ask(), id, key, proved)
}
