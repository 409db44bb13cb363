package access

import (
	"fmt"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// With WATCH_CLAIM a client watches whom its token names, and everybody else looks as
// if offline. A token without the claim allows any user.
func TestWatchClaim(t *testing.T) {
	verifyNoLeaks(t)
	const claim = "https://names.example/contacts"
	token := func(id string, contacts ...string) string { return hs256("sub", id, claim, contacts) }
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := guarded(t, nil, "PRESENCE=watched", "WATCH_CLAIM="+claim, "ENGINE="+engine)
			open := func(id, token string) *client {
				return withToken(rig.Oodaa, token).open(t, s.Addr).registerOodaa(id)
			}
			open("bob", token("bob"))
			eve := open("eve", token("eve"))

			for id, tt := range map[string]struct{ token, online string }{
				"nobody": {token("nobody"), ``},
				"anyone": {hs256("sub", "anyone"), `"eve"`},
			} {
				c := open(id, tt.token)
				c.say(`421["watch-users",{"users":["eve","carol"]}]`)
				c.expect(fmt.Sprintf(`42["user-list",{"users":[%s]}]`, tt.online), `431[{"ok":true}]`)
			}

			alice := open("alice", token("alice", "carol", "bob"))
			alice.say(`421["watch-users",{"users":["bob","eve","carol"]}]`)
			alice.expect(`42["user-list",{"users":["bob"]}]`, `431[{"ok":true}]`)
			alice.say(`422["watch-users",{"add":["eve"]}]`)
			alice.expect(`42["user-list",{"users":["bob"]}]`, `432[{"ok":true}]`)
			eve.say("41")
			carol := open("carol", token("carol"))
			alice.expect(`42["peer-connected",{"peerId":"carol"}]`)

			v := door{family: rig.Volli}.open(t, s.Addr)
			v.say(`{"type":"watch","userIds":["bob"]}`)
			v.expect(`{"type":"error","message":"Not registered","code":"not_registered"}`)
			v.registerVolli("vera", token("vera", "bob", "carol"))
			v.say(`{"type":"watch","userIds":["eve","carol"]}`)
			v.expect(`{"type":"presence-list","online":["carol"]}`)
			// The next token allows less, at once.
			v.registerVolli("vera", token("vera", "bob"))
			carol.say("41")
			alice.expect(`42["peer-disconnected",{"peerId":"carol"}]`)
			v.say(`{"type":"watch","add":["carol"]}`)
			v.expect(`{"type":"presence-list","online":[]}`)
		})
	}
}
