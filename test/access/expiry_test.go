package access

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// lifetime is how long the short tokens of these tests are good.
const lifetime = 3 * time.Second

// shortToken is one of a user's, and when it expires.
func shortToken(user string) (string, time.Time) {
	exp := time.Now().Add(lifetime).Truncate(time.Second)
	return hs256("sub", user, "exp", exp.Unix()), exp
}

// intime fails the test unless it is after the expiry, and so soon that no
// leeway for clocks was given.
func intime(t *testing.T, exp time.Time) {
	t.Helper()
	if late := time.Since(exp); late < 0 || late > 20*time.Second {
		t.Errorf("%v after the expiry", late)
	}
}

func TestRegistrationEndsWithItsToken(t *testing.T) {
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := guarded(t, nil, "ENGINE="+engine)
			bob := withToken(rig.Oodaa, hs256("sub", "bob")).open(t, s.Addr).registerOodaa("bob")
			token, exp := shortToken("alice")
			alice := withToken(rig.Oodaa, token).open(t, s.Addr).registerOodaa("alice")
			bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
			alice.say(`42["offer",{"to":"bob","from":"alice","offer":{"n":1}}]`)
			bob.expect(`42["offer",{"from":"alice","offer":{"n":1}}]`)

			bob.expect(`42["peer-disconnected",{"peerId":"alice"}]`)
			intime(t, exp)
			alice.await(`42["error","Unauthorized"]`)
			// The transport ends, without a DISCONNECT packet: the client comes back.
			if code := alice.ended(); code != websocket.CloseNormalClosure {
				t.Errorf("close code %d", code)
			}
			bob.say(`42["offer",{"to":"alice","from":"bob","offer":{}}]`)
			bob.expect(`42["error","User alice not found"]`)
			bob.say(`42["get-users"]`)
			bob.expect(`42["user-list",{"users":[]}]`)
			// A new one has the name at once.
			withToken(rig.Oodaa, hs256()).open(t, s.Addr).registerOodaa("alice")
			bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
			discreet(t, s, token)
		})
	}
	t.Run("volli", func(t *testing.T) {
		t.Parallel()
		s := guarded(t, nil)
		bob := withToken(rig.Oodaa, hs256("sub", "bob")).open(t, s.Addr).registerOodaa("bob")
		token, exp := shortToken("alice")
		alice := door{family: rig.Volli}.open(t, s.Addr).registerVolli("alice", token)
		bob.expect(`42["peer-connected",{"peerId":"alice"}]`, `42["peer-disconnected",{"peerId":"alice"}]`)
		intime(t, exp)
		alice.expect(volliUnauthorized)
		if code := alice.ended(); code != websocket.ClosePolicyViolation {
			t.Errorf("close code %d", code)
		}
		bob.say(`42["offer",{"to":"alice","from":"bob","offer":{}}]`)
		bob.expect(`42["error","User alice not found"]`)
		// It comes back with a fresh token.
		fresh := hs256()
		alice = door{family: rig.Volli}.open(t, s.Addr).registerVolli("alice", fresh)
		bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
		alice.say(`{"type":"offer","from":"alice","to":"bob","offer":{"n":3}}`)
		bob.expect(`42["offer",{"from":"alice","offer":{"n":3}}]`)
		discreet(t, s, token, fresh)
	})
	t.Run("volli, renewed in time", func(t *testing.T) {
		t.Parallel()
		s := guarded(t, nil)
		bob := withToken(rig.Oodaa, hs256("sub", "bob")).open(t, s.Addr).registerOodaa("bob")
		token, exp := shortToken("alice")
		alice := door{family: rig.Volli}.open(t, s.Addr).registerVolli("alice", token).registerVolli("alice", hs256())
		bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
		// Another one's end tells that the time of the first token is over.
		later := hs256("sub", "carol", "exp", exp.Add(time.Second).Unix())
		door{family: rig.Volli}.open(t, s.Addr).registerVolli("carol", later).expect(volliUnauthorized)
		bob.expect(`42["peer-connected",{"peerId":"carol"}]`, `42["peer-disconnected",{"peerId":"carol"}]`)
		alice.say(`{"type":"offer","from":"alice","to":"bob","offer":{"n":1}}`)
		bob.expect(`42["offer",{"from":"alice","offer":{"n":1}}]`)
		alice.silent()
	})
}
