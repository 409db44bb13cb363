package access

import (
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

const invalidProof = `{"type":"error","message":"Invalid proof","code":"invalid_proof"}`

func registerKey(user, spki string) string {
	text, err := json.Marshal(map[string]string{"type": "register", "userId": user, "publicKey": spki})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// challenged registers with a key, and returns the challenge's nonce.
func (c *client) challenged(user, spki string) (nonce string) {
	c.t.Helper()
	c.say(registerKey(user, spki))
	text, _ := c.next()
	return nonceOf(c.t, text)
}

func (c *client) prove(signature string) {
	c.t.Helper()
	c.say(`{"type":"proof","signature":"` + signature + `"}`)
}

// registerProved registers with a key and proves it.
func (c *client) registerProved(user string, key *webKey) *client {
	c.t.Helper()
	c.prove(key.prove(user, c.challenged(user, key.SPKI)))
	c.expect(`{"type":"registered","success":true,"userId":"` + user + `"}`)
	return c
}

func TestKeysAreProved(t *testing.T) {
	verifyNoLeaks(t)
	crypto := startWebCrypto(t)
	s := start(t, "KEY_PROOF=always")
	for _, kind := range []string{"Ed25519", "P-256"} {
		key, other := crypto.key(kind), crypto.key(kind)
		for _, user := range []string{"alice", "Zoë 🦊", "a\nb"} {
			t.Run(kind+"/"+user, func(t *testing.T) {
				c := door{family: rig.Volli}.open(t, s.Addr)
				c.prove(key.prove(user, c.challenged(user, key.SPKI)))
				name, _ := json.Marshal(user)
				c.expect(`{"type":"registered","success":true,"userId":` + string(name) + `}`)
				// The key that was proved is what others find.
				finder := door{family: rig.Volli}.open(t, s.Addr)
				finder.say(`{"type":"discover","userId":` + string(name) + `}`)
				finder.expect(`{"type":"discover-response","userId":` + string(name) + `,"online":true,"publicKey":"` + key.SPKI + `"}`)
				_ = c.conn.Close()
			})
		}
		rig.Eventually(t, "all have left", func() bool { return s.Stats().ConnectedUsers == 0 })

		foreign := door{family: rig.Volli}.open(t, s.Addr)
		foreignNonce := foreign.challenged("alice", key.SPKI)
		for _, c := range []struct {
			name      string
			signature func(nonce string) string
		}{
			{"of another key", func(nonce string) string { return other.prove("alice", nonce) }},
			{"for another name", func(nonce string) string { return key.prove("bob", nonce) }},
			{"for the nonce of another connection", func(string) string { return key.prove("alice", foreignNonce) }},
			{"for a nonce that was never given", func(string) string {
				return key.prove("alice", base64.StdEncoding.EncodeToString(make([]byte, 32)))
			}},
			{"of the nonce alone", func(nonce string) string { return key.sign(nonce) }},
			{"without the line", func(nonce string) string { return key.sign("alice\n" + nonce) }},
			{"of another beginning", func(nonce string) string { return key.sign("oodaa-register\r\nalice\r\n" + nonce) }},
			{"of the bytes of the nonce", func(nonce string) string {
				raw, _ := base64.StdEncoding.DecodeString(nonce)
				return key.sign("oodaa-register\nalice\n" + string(raw))
			}},
			{"spoiled", func(nonce string) string { return spoil(key.prove("alice", nonce)) }},
			{"in DER", func(nonce string) string { return inDER(key.prove("alice", nonce)) }},
			{"of zeros", func(string) string { return base64.StdEncoding.EncodeToString(make([]byte, 64)) }},
			{"empty", func(string) string { return "" }},
			{"no base64", func(string) string { return "!!!" }},
			{"cut", func(nonce string) string { return key.prove("alice", nonce)[:60] }},
		} {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				attacker := door{family: rig.Volli}.open(t, s.Addr)
				nonce := attacker.challenged("alice", key.SPKI)
				attacker.prove(c.signature(nonce))
				attacker.expect(invalidProof)
				// A nonce is good for one attempt.
				attacker.prove(key.prove("alice", nonce))
				attacker.expect(invalidProof)
				attacker.say(`{"type":"offer","from":"alice","to":"alice","offer":{}}`)
				attacker.expect(`{"type":"error","message":"Not registered","code":"not_registered"}`)
				// The next challenge is another one, and can be met.
				again := attacker.challenged("alice", key.SPKI)
				if again == nonce {
					t.Error("the same nonce twice")
				}
				attacker.prove(key.prove("alice", again))
				attacker.expect(`{"type":"registered","success":true,"userId":"alice"}`)
				_ = attacker.conn.Close()
				rig.Eventually(t, "it has left", func() bool { return s.Stats().ConnectedUsers == 0 })
			})
		}
		t.Run(kind+"/replayed", func(t *testing.T) {
			c := door{family: rig.Volli}.open(t, s.Addr)
			heard := key.prove("alice", c.challenged("alice", key.SPKI))
			c.prove(heard)
			c.expect(`{"type":"registered","success":true,"userId":"alice"}`)
			c.prove(heard) // nothing was asked
			c.expect(invalidProof)
			attacker := door{family: rig.Volli}.open(t, s.Addr)
			attacker.prove(heard)
			attacker.expect(invalidProof)
			attacker.challenged("alice", key.SPKI)
			attacker.prove(heard)
			attacker.expect(invalidProof)
			// The connection that met the challenge has the name still.
			c.say(`{"type":"offer","from":"alice","to":"alice","offer":{}}`)
			c.expect(`{"type":"offer","from":"alice","to":"alice","offer":{}}`)
			_ = c.conn.Close()
			rig.Eventually(t, "it has left", func() bool { return s.Stats().ConnectedUsers == 0 })
		})
		t.Run(kind+"/a challenge is taken back by the next register", func(t *testing.T) {
			c := door{family: rig.Volli}.open(t, s.Addr)
			first := c.challenged("alice", key.SPKI)
			c.challenged("alice", key.SPKI)
			c.prove(key.prove("alice", first))
			c.expect(invalidProof)
		})
		foreign.silent()
	}
	ec := crypto.key("P-256").SPKI
	raw, _ := base64.StdEncoding.DecodeString(ec)
	for name, spki := range map[string]string{
		"no key":      "a key of mine",
		"RSA":         crypto.key("RSA").SPKI,
		"P-384":       crypto.key("P-384").SPKI,
		"cut":         ec[:len(ec)-8],
		"with more":   base64.StdEncoding.EncodeToString(append(raw, 0)),
		"PEM":         "-----BEGIN PUBLIC KEY-----\n" + ec + "\n-----END PUBLIC KEY-----",
		"not a point": base64.StdEncoding.EncodeToString(append(raw[:len(raw)-1:len(raw)-1], raw[len(raw)-1]^1)),
		"very long":   strings.Repeat("A", 4000),
	} {
		t.Run("unusable key/"+name, func(t *testing.T) {
			c := door{family: rig.Volli}.open(t, s.Addr)
			c.say(registerKey("alice", spki))
			c.expect(invalidProof)
			c.say(`{"type":"offer","from":"alice","to":"alice","offer":{}}`)
			c.expect(`{"type":"error","message":"Not registered","code":"not_registered"}`)
		})
	}
	t.Run("proof that nobody asked for", func(t *testing.T) {
		c := door{family: rig.Volli}.open(t, s.Addr)
		c.say(`{"type":"proof"}`)
		c.expect(invalidProof)
	})
	t.Run("nobody hears of a name before its proof", func(t *testing.T) {
		key := crypto.key("Ed25519")
		watcher := door{family: rig.Oodaa}.open(t, s.Addr).registerOodaa("watcher")
		c := door{family: rig.Volli}.open(t, s.Addr)
		nonce := c.challenged("carol", key.SPKI)
		watcher.say(`421["offer",{"to":"carol","from":"watcher","offer":{}}]`)
		watcher.expect(`42["error","User carol not found"]`, `431[{"ok":false,"error":"User carol not found","code":"not_found"}]`)
		c.prove(key.prove("carol", nonce))
		c.expect(`{"type":"registered","success":true,"userId":"carol"}`)
		watcher.expect(`42["peer-connected",{"peerId":"carol"}]`)
	})
}

// spoil changes one bit of a signature.
func spoil(signature string) string {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		panic(err)
	}
	raw[20] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}

// inDER writes the two halves of a signature as many libraries do, and browsers
// do not.
func inDER(signature string) string {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		panic(err)
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])})
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestNamesAreKeptForTheirKeys(t *testing.T) {
	verifyNoLeaks(t)
	crypto := startWebCrypto(t)
	for _, mode := range []string{"takeover", "always"} {
		for _, kind := range []string{"Ed25519", "P-256"} {
			t.Run(mode+"/"+kind, func(t *testing.T) {
				s := start(t, "KEY_PROOF="+mode)
				key, other := crypto.key(kind), crypto.key(kind)
				watcher := door{family: rig.Oodaa}.open(t, s.Addr).registerOodaa("watcher")
				holder := door{family: rig.Volli}.open(t, s.Addr)
				if mode == "always" {
					holder.registerProved("alice", key)
				} else { // a name that is free takes no proof
					holder.say(registerKey("alice", key.SPKI))
					holder.expect(`{"type":"registered","success":true,"userId":"alice"}`)
				}
				watcher.expect(`42["peer-connected",{"peerId":"alice"}]`)

				attacker := door{family: rig.Volli}.open(t, s.Addr)
				attacker.prove(other.prove("alice", attacker.challenged("alice", other.SPKI)))
				attacker.expect(invalidProof) // a good proof, of the wrong key
				attacker.prove(other.prove("alice", attacker.challenged("alice", key.SPKI)))
				attacker.expect(invalidProof) // the right key, which it does not have
				attacker.say(registerKey("alice", "a key of mine"))
				attacker.expect(invalidProof)
				oodaa := door{family: rig.Oodaa}.open(t, s.Addr).connected()
				oodaa.say(`421["register",{"userId":"alice"}]`)
				oodaa.expect(`42["error","User ID not allowed"]`, `431[{"ok":false,"error":"User ID not allowed","code":"user_not_allowed"}]`)
				watcher.say(`421["offer",{"to":"alice","from":"watcher","offer":{"n":1}}]`)
				watcher.expect(`431[{"ok":true}]`) // and nothing else
				holder.expect(`{"type":"offer","from":"watcher","to":"alice","offer":{"n":1}}`)

				// The same key takes it over.
				successor := door{family: rig.Volli}.open(t, s.Addr).registerProved("alice", key)
				if code := holder.ended(); code != 4001 {
					t.Errorf("close code %d", code)
				}
				watcher.expect(`42["peer-disconnected",{"peerId":"alice"}]`, `42["peer-connected",{"peerId":"alice"}]`)
				watcher.say(`42["offer",{"to":"alice","from":"watcher","offer":{"n":2}}]`)
				successor.expect(`{"type":"offer","from":"watcher","to":"alice","offer":{"n":2}}`)

				// Once it has left, the name is anybody's.
				_ = successor.conn.Close()
				watcher.expect(`42["peer-disconnected",{"peerId":"alice"}]`)
				if mode == "always" {
					attacker.registerProved("alice", other)
				} else {
					attacker.say(registerKey("alice", other.SPKI))
					attacker.expect(`{"type":"registered","success":true,"userId":"alice"}`)
				}
				watcher.expect(`42["peer-connected",{"peerId":"alice"}]`)
				// Names without a key are taken over as ever.
				door{family: rig.Oodaa}.open(t, s.Addr).registerOodaa("watcher")
				watcher.expect("41")
				watcher.ended()
				for _, text := range []string{key.SPKI, other.SPKI} {
					if s.Log.Has(text) {
						t.Error("the log tells a key")
					}
				}
			})
		}
	}
}

// Where both are asked for, both are needed: a token first.
func TestTokensAndKeys(t *testing.T) {
	t.Parallel() // it waits for a token to expire
	crypto := startWebCrypto(t)
	key, other := crypto.key("Ed25519"), crypto.key("Ed25519")
	s := guarded(t, nil, "KEY_PROOF=always")
	register := func(user, token string) string {
		return strings.TrimSuffix(registerKey(user, key.SPKI), "}") + `,"token":"` + token + `"}`
	}
	watcher := withToken(rig.Oodaa, hs256("sub", "watcher")).open(t, s.Addr).registerOodaa("watcher")
	c := door{family: rig.Volli}.open(t, s.Addr)
	c.say(registerKey("alice", key.SPKI))
	c.expect(volliUnauthorized)
	c.say(register("alice", badTokens()["wrong secret"]))
	c.expect(volliUnauthorized)
	c.say(register("mallory", hs256()))
	c.expect(`{"type":"error","message":"User ID not allowed","code":"user_not_allowed"}`)
	c.prove(key.prove("alice", ""))
	c.expect(invalidProof)
	c.say(register("alice", hs256()))
	text, _ := c.next()
	c.prove(other.prove("alice", nonceOf(t, text)))
	c.expect(invalidProof)

	token, exp := shortToken("alice")
	c.say(register("alice", token))
	text, _ = c.next()
	c.prove(key.prove("alice", nonceOf(t, text)))
	c.expect(`{"type":"registered","success":true,"userId":"alice"}`)
	watcher.expect(`42["peer-connected",{"peerId":"alice"}]`)
	// A registration that is begun and never proved changes nothing: neither
	// the name, nor when it ends.
	c.say(register("alice", hs256()))
	text, _ = c.next()
	nonceOf(t, text)
	watcher.expect(`42["peer-disconnected",{"peerId":"alice"}]`)
	intime(t, exp)
	c.expect(volliUnauthorized)
}

// Without KEY_PROOF nobody is asked for anything.
func TestWithoutKeyProof(t *testing.T) {
	verifyNoLeaks(t)
	s := start(t)
	first := door{family: rig.Volli}.open(t, s.Addr).registerVolli("alice", "")
	door{family: rig.Volli}.open(t, s.Addr).registerVolli("alice", "")
	if code := first.ended(); code != 4001 {
		t.Errorf("close code %d", code)
	}
	c := door{family: rig.Volli}.open(t, s.Addr)
	c.say(`{"type":"proof","signature":"x"}`)
	c.expect(`{"type":"error","message":"Unknown message type","code":"unknown_type"}`)
}
