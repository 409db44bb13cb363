package access

import (
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// What holds for one server holds for two that are one.
func TestTokensAcrossInstances(t *testing.T) {
	t.Parallel() // it waits for a token to expire
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2, "GORACE=halt_on_error=1 atexit_sleep_ms=0", "AUTH_JWT_SECRET="+secret)
	bob := withToken(rig.Oodaa, hs256("sub", "bob")).open(t, nodes[1].Addr).registerOodaa("bob")
	for _, s := range nodes {
		withToken(rig.Oodaa, badTokens()["wrong secret"]).open(t, s.Addr).expect(oodaaUnauthorized)
		mallory := withToken(rig.Oodaa, hs256("sub", "mallory")).open(t, s.Addr).connected()
		mallory.say(`421["register",{"userId":"bob"}]`)
		mallory.expect(`42["error","User ID not allowed"]`, `431[{"ok":false,"error":"User ID not allowed","code":"user_not_allowed"}]`)
	}
	token, exp := shortToken("alice")
	alice := door{family: rig.Volli}.open(t, nodes[0].Addr).registerVolli("alice", token)
	bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
	bob.say(`421["offer",{"to":"alice","from":"bob","offer":{"n":1}}]`)
	bob.expect(`431[{"ok":true}]`)
	alice.expect(`{"type":"offer","from":"bob","to":"alice","offer":{"n":1}}`)

	bob.expect(`42["peer-disconnected",{"peerId":"alice"}]`)
	intime(t, exp)
	alice.expect(volliUnauthorized)
	bob.say(`422["offer",{"to":"alice","from":"bob","offer":{}}]`)
	bob.expect(`42["error","User alice not found"]`, `432[{"ok":false,"error":"User alice not found","code":"not_found"}]`)
	alice.ended()
	fresh := hs256()
	alice = door{family: rig.Volli}.open(t, nodes[0].Addr).registerVolli("alice", fresh)
	bob.expect(`42["peer-connected",{"peerId":"alice"}]`)
	alice.say(`{"type":"offer","from":"alice","to":"bob","offer":{"n":2}}`)
	bob.expect(`42["offer",{"from":"alice","offer":{"n":2}}]`)
	// The holder of a token takes the name over, on the other instance.
	withToken(rig.Oodaa, fresh).open(t, nodes[1].Addr).registerOodaa("alice")
	if code := alice.ended(); code != 4001 {
		t.Errorf("close code %d", code)
	}
	for _, s := range nodes {
		discreet(t, s, token, fresh)
	}
}
