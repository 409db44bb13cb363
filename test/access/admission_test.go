package access

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// A way is how a Socket.IO client comes, and shows its token.
type way struct {
	engine, transport string
	header            bool
}

func (w way) String() string {
	shown := "auth.token"
	if w.header {
		shown = "header"
	}
	return w.engine + "/" + w.transport + "/" + shown
}

var ways = []way{
	{"native", "websocket", false},
	{"native", "websocket", true},
	{"native", "polling", false},
	{"native", "polling", true},
	{"zishang", "websocket", false},
	{"zishang", "websocket", true},
}

func (w way) request(s *rig.Server, token string) nodeRequest {
	r := nodeRequest{URL: "http://" + s.Addr, Transports: []string{w.transport}}
	switch {
	case w.header:
		r.Headers = map[string]string{"Authorization": "Bearer " + token}
	case token != "":
		r.Auth = map[string]any{"token": token}
	}
	return r
}

// bring has clients come with each token, by every way in, to a server of each
// engine, and register as user unless that is empty. check gets what came of it.
// The names of the tokens are returned in order, the servers by engine.
func bring(t *testing.T, tokens map[string]string, user string, check func(*testing.T, nodeAnswer)) (names []string, servers map[string]*rig.Server) {
	names = slices.Sorted(maps.Keys(tokens))
	servers = make(map[string]*rig.Server)
	for _, engine := range engines {
		servers[engine] = guarded(t, slices.Collect(maps.Values(tokens)), "ENGINE="+engine)
	}
	var requests []nodeRequest
	for _, w := range ways {
		for _, name := range names {
			r := w.request(servers[w.engine], tokens[name])
			r.Register = user
			requests = append(requests, r)
		}
	}
	answers := node(t, requests)
	for _, w := range ways {
		for _, name := range names {
			answer := answers[0]
			answers = answers[1:]
			t.Run(w.String()+"/"+name, func(t *testing.T) { check(t, answer) })
		}
	}
	return names, servers
}

func TestBadTokensAreRefused(t *testing.T) {
	verifyNoLeaks(t)
	tokens := badTokens()
	names, servers := bring(t, tokens, "", func(t *testing.T, answer nodeAnswer) {
		if answer.Connected || answer.Error != "Unauthorized" {
			t.Errorf("connected: %v, error %q", answer.Connected, answer.Error)
		}
	})
	for _, name := range names {
		for _, engine := range engines {
			t.Run("bytes/"+engine+"/"+name, func(t *testing.T) {
				d := withToken(rig.Oodaa, tokens[name])
				if tokens[name] == "" {
					d.auth = ""
				}
				c := d.open(t, servers[engine].Addr)
				c.expect(oodaaUnauthorized)
				c.ended()
			})
		}
		t.Run("volli/message/"+name, func(t *testing.T) {
			c := door{family: rig.Volli}.open(t, servers["native"].Addr)
			c.say(volliRegister("alice", tokens[name]))
			c.expect(volliUnauthorized)
			// It may try again.
			c.registerVolli("alice", hs256())
		})
		t.Run("volli/header/"+name, func(t *testing.T) {
			c := withBearer(rig.Volli, tokens[name]).open(t, servers["native"].Addr)
			c.say(volliRegister("alice", ""))
			c.expect(volliUnauthorized)
			c.say(`{"type":"offer","from":"alice","to":"alice","offer":{}}`)
			c.expect(`{"type":"error","message":"Not registered","code":"not_registered"}`)
		})
	}
	for _, auth := range []string{`{"token":7}`, `{"token":null}`, `{"token":{"a":1}}`, `{"token":true}`, `{}`, `{"Token":"` + hs256() + `"}`} {
		t.Run("auth is "+auth[:min(len(auth), 12)], func(t *testing.T) {
			c := door{family: rig.Oodaa, auth: auth}.open(t, servers["native"].Addr)
			c.expect(oodaaUnauthorized)
		})
	}
	for _, s := range servers {
		rig.Eventually(t, "nobody is online", func() bool { return s.Stats().ConnectedUsers == 0 })
		if n := s.Stats().Errors["Unauthorized"]; n < int64(len(names)) {
			t.Errorf("%d errors were counted", n)
		}
	}
}

func TestGoodTokensLetIn(t *testing.T) {
	verifyNoLeaks(t)
	tokens := goodTokens()
	names, servers := bring(t, tokens, "alice", func(t *testing.T, answer nodeAnswer) {
		if !answer.Connected || string(answer.Registered) != `{"ok":true}` {
			t.Errorf("connected: %v, error %q, registered: %s", answer.Connected, answer.Error, answer.Registered)
		}
	})
	for _, name := range names {
		t.Run("volli/message/"+name, func(t *testing.T) {
			door{family: rig.Volli}.open(t, servers["native"].Addr).registerVolli("alice", tokens[name])
		})
		t.Run("volli/header/"+name, func(t *testing.T) {
			withBearer(rig.Volli, tokens[name]).open(t, servers["native"].Addr).registerVolli("alice", "")
		})
	}
	t.Run("the name of the scheme is in lower case", func(t *testing.T) {
		header := http.Header{"Authorization": {"bearer " + tokens["HS256"]}}
		door{family: rig.Oodaa, header: header}.open(t, servers["native"].Addr).connected()
	})
	t.Run("a client comes by polling and goes on by WebSocket", func(t *testing.T) {
		got := node(t, []nodeRequest{{
			URL: "http://" + servers["native"].Addr, Transports: []string{"polling", "websocket"},
			Auth: map[string]any{"token": tokens["HS256"]}, Register: "alice", Upgrade: true,
		}})[0]
		if got.Transport != "websocket" || string(got.Registered) != `{"ok":true}` {
			t.Errorf("got %+v", got)
		}
	})
}

// A token in a URL would end up in the logs of every proxy.
func TestTokensInURLsDoNotCount(t *testing.T) {
	verifyNoLeaks(t)
	token := hs256()
	s := guarded(t, []string{token})
	for _, name := range []string{"token", "access_token", "auth", "auth.token"} {
		query := name + "=" + token
		t.Run(name, func(t *testing.T) {
			door{family: rig.Oodaa, path: "/socket.io/?EIO=4&transport=websocket&" + query}.open(t, s.Addr).expect(oodaaUnauthorized)
			c := door{family: rig.Volli, path: "/signaling?" + query}.open(t, s.Addr)
			c.say(volliRegister("alice", ""))
			c.expect(volliUnauthorized)
			if answer := get(t, newTransport(t), "http://"+s.Addr+"/ice-servers?"+query, nil); answer.status != http.StatusUnauthorized {
				t.Errorf("/ice-servers: %d %s", answer.status, answer.body)
			}
		})
	}
}

func TestOnlyTheClaimedNameCanBeTaken(t *testing.T) {
	verifyNoLeaks(t)
	for _, claim := range []string{"sub", "https://names.example/user"} {
		token := hs256("sub", "nobody", claim, "alice")
		for _, engine := range engines {
			t.Run(claim+"/"+engine, func(t *testing.T) {
				s := guarded(t, []string{token}, "AUTH_CLAIM="+claim, "ENGINE="+engine)
				watcher := withToken(rig.Oodaa, hs256(claim, "watcher")).open(t, s.Addr).registerOodaa("watcher")

				a := withToken(rig.Oodaa, token).open(t, s.Addr).connected()
				for i, name := range []string{"mallory", "Alice", "alice ", "nobody", "watcher"} {
					a.say(fmt.Sprintf(`42%d["register",{"userId":%q}]`, i, name))
					a.expect(`42["error","User ID not allowed"]`, fmt.Sprintf(`43%d[{"ok":false,"error":"User ID not allowed","code":"user_not_allowed"}]`, i))
				}
				a.say(`429["register",{"userId":"alice"}]`)
				a.expect(`42["user-list",{"users":["watcher"]}]`, `439[{"ok":true}]`)
				watcher.expect(`42["peer-connected",{"peerId":"alice"}]`)
				// A name that it may not have costs it nothing.
				a.say(`42["register",{"userId":"watcher"}]`)
				a.expect(`42["error","User ID not allowed"]`)
				a.say(`421["custom-message",{"to":"watcher","from":"alice","message":1}]`)
				a.expect(`431[{"ok":true}]`)
				watcher.expect(`42["custom-message",{"from":"alice","message":1}]`)

				v := door{family: rig.Volli}.open(t, s.Addr)
				v.say(volliRegister("watcher", token))
				v.expect(`{"type":"error","message":"User ID not allowed","code":"user_not_allowed"}`)
				v.registerVolli("alice", token)
				a.expect("41")
				a.ended()
				watcher.expect(`42["peer-disconnected",{"peerId":"alice"}]`, `42["peer-connected",{"peerId":"alice"}]`)
				v.say(volliRegister("watcher", token))
				v.expect(`{"type":"error","message":"User ID not allowed","code":"user_not_allowed"}`)
				v.say(`{"type":"offer","from":"alice","to":"watcher","offer":{"n":1}}`)
				watcher.expect(`42["offer",{"from":"alice","offer":{"n":1}}]`)
			})
		}
	}
}

// Who is not let in learns nothing of those who are, and gets no credentials.
func TestStrangersLearnNothing(t *testing.T) {
	verifyNoLeaks(t)
	s := guarded(t, nil, "TURN_URLS=turn:turn.example", "TURN_SECRET="+turnSecret)
	withToken(rig.Oodaa, hs256()).open(t, s.Addr).registerOodaa("alice")
	refused := door{family: rig.Oodaa}.open(t, s.Addr)
	refused.expect(oodaaUnauthorized)
	refused.ended()
	t.Run("discover", func(t *testing.T) {
		stranger := door{family: rig.Volli}.open(t, s.Addr)
		stranger.say(`{"type":"discover","userId":"alice"}`)
		stranger.expect(volliUnauthorized)
	})
	t.Run("get-ice-servers", func(t *testing.T) {
		stranger := door{family: rig.Volli}.open(t, s.Addr)
		stranger.say(`{"type":"get-ice-servers"}`)
		stranger.expect(volliUnauthorized)
	})
	t.Run("with a token in the header, before register", func(t *testing.T) {
		bearer := withBearer(rig.Volli, hs256("sub", "bob")).open(t, s.Addr)
		bearer.say(`{"type":"discover","userId":"alice"}`)
		bearer.expect(`{"type":"discover-response","userId":"alice","online":true}`)
		bearer.say(`{"type":"get-ice-servers"}`)
		bearer.await(`{"type":"ice-servers","iceServers":[{"urls":["turn:turn.example"],`)
	})
	t.Run("registered", func(t *testing.T) {
		carol := door{family: rig.Volli}.open(t, s.Addr).registerVolli("carol", hs256("sub", "carol"))
		carol.say(`{"type":"get-ice-servers"}`)
		carol.await(`{"type":"ice-servers","iceServers":[{"urls":["turn:turn.example"],`)
	})
}
