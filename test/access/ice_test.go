package access

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

const turnSecret = "the TURN secret of these tests"

// iceConfigurations are all kinds of settings, with the URLs that clients are
// told of.
func iceConfigurations(t *testing.T) []iceConfiguration {
	_, port, err := net.SplitHostPort(rig.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	stun := []string{"stun:stun.example:3478", "stuns:stun.example"}
	turn := []string{"turn:turn.example?transport=udp", "turns:turn.example:5349"}
	own := []string{"turn:127.0.0.1:" + port + "?transport=udp", "turn:127.0.0.1:" + port + "?transport=tcp"}
	builtIn := []string{"TURN_LISTEN=127.0.0.1:" + port, "TURN_PUBLIC_IP=127.0.0.1", "TURN_SECRET=" + turnSecret}
	stunEnv := "STUN_URLS=" + strings.Join(stun, ",")
	turnEnv := []string{"TURN_URLS=" + strings.Join(turn, ", "), "TURN_SECRET=" + turnSecret}
	return []iceConfiguration{
		{"none", nil, nil, nil, 0},
		{"STUN", []string{stunEnv}, stun, nil, 0},
		{"TURN", turnEnv, nil, turn, 3600},
		{"STUN and TURN", append([]string{stunEnv, "TURN_TTL=10m"}, turnEnv...), stun, turn, 600},
		{"built-in TURN", builtIn, nil, own, 3600},
		{"all", append(append([]string{stunEnv}, turnEnv...), builtIn...), stun, append(slices.Clone(turn), own...), 3600},
	}
}

type iceConfiguration struct {
	name       string
	env        []string
	stun, turn []string
	ttl        int
}

// answer is what the contract has clients be told, to the letter, with the
// credentials that are good for the user until the expiry.
func (c iceConfiguration) answer(user string, expiry int64) string {
	array := func(urls []string) string { return `["` + strings.Join(urls, `","`) + `"]` }
	var servers []string
	if c.stun != nil {
		servers = append(servers, `{"urls":`+array(c.stun)+`}`)
	}
	rest := ""
	if c.turn != nil {
		username := strconv.FormatInt(expiry, 10)
		if user != "" {
			username += ":" + user
		}
		mac := hmac.New(sha1.New, []byte(turnSecret))
		mac.Write([]byte(username))
		password := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		servers = append(servers, fmt.Sprintf(`{"urls":%s,"username":"%s","credential":"%s"}`, array(c.turn), username, password))
		rest = fmt.Sprintf(`,"username":"%s","password":"%s","ttl":%d,"uris":%s`, username, password, c.ttl, array(c.turn))
	}
	return `{"iceServers":[` + strings.Join(servers, ",") + `]` + rest + `}`
}

// check fails the test unless the text is the answer for the user, made now.
func (c iceConfiguration) check(t *testing.T, text, user string) (expiry int64) {
	t.Helper()
	if c.turn != nil {
		expiry = expiryOf(t, text)
		ahead := time.Until(time.Unix(expiry, 0))
		if ttl := time.Duration(c.ttl) * time.Second; ahead > ttl+time.Second || ahead < ttl-rig.Patience {
			t.Errorf("good for %v, not for %v", ahead, ttl)
		}
	}
	if want := c.answer(user, expiry); text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	return expiry
}

// expiryOf is the time in the user name.
func expiryOf(t *testing.T, text string) int64 {
	t.Helper()
	var answer struct{ Username string }
	err := json.Unmarshal([]byte(text), &answer)
	digits, _, _ := strings.Cut(answer.Username, ":")
	expiry, notANumber := strconv.ParseInt(digits, 10, 64)
	if err != nil || notANumber != nil {
		t.Fatalf("%s: %v, %v", text, err, notANumber)
	}
	return expiry
}

// unwrap returns what stands between the two.
func unwrap(t *testing.T, text, before, after string) string {
	t.Helper()
	inner, begins := strings.CutPrefix(text, before)
	inner, ends := strings.CutSuffix(inner, after)
	if !begins || !ends {
		t.Fatalf("got %q, want %s…%s", text, before, after)
	}
	return inner
}

func TestICEServers(t *testing.T) {
	verifyNoLeaks(t)
	for _, c := range iceConfigurations(t) {
		t.Run(c.name, func(t *testing.T) {
			for _, engine := range engines {
				t.Run(engine, func(t *testing.T) {
					s := start(t, append(c.env, "ENGINE="+engine)...)
					answer := get(t, newTransport(t), "http://"+s.Addr+"/ice-servers", nil)
					c.check(t, strings.TrimSuffix(answer.body, "\n"), "")
					if answer.status != http.StatusOK || answer.header.Get("Cache-Control") != "no-store" ||
						answer.header.Get("Content-Type") != "application/json; charset=utf-8" || answer.header.Get("X-Content-Type-Options") != "nosniff" {
						t.Errorf("%d %v", answer.status, answer.header)
					}

					o := door{family: rig.Oodaa}.open(t, s.Addr).connected()
					byEvent := func(user string) {
						t.Helper()
						o.say(`42["get-ice-servers"]`)
						text, _ := o.next()
						c.check(t, unwrap(t, text, `42["ice-servers",`, `]`), user)
						o.say(`42["get-ice-servers",{"ignored":[1,2]},null]`)
						text, _ = o.next()
						c.check(t, unwrap(t, text, `42["ice-servers",`, `]`), user)
					}
					byAck := func(user string) {
						t.Helper()
						o.say(`4277["get-ice-servers"]`)
						text, _ := o.next()
						c.check(t, unwrap(t, text, `4377[`, `]`), user)
						o.say(`42["ping"]`) // the acknowledgement is all
						o.expect(`42["pong"]`)
					}
					byEvent("")
					byAck("")
					o.say(`420["register",{"userId":"Zoë 1"}]`)
					o.await(`430[{"ok":true}]`)
					byEvent("Zoë 1")
					byAck("Zoë 1")

					v := door{family: rig.Volli}.open(t, s.Addr)
					byMessage := func(user string) {
						t.Helper()
						v.say(`{"type":"get-ice-servers"}`)
						text, _ := v.next()
						c.check(t, `{`+unwrap(t, text, `{"type":"ice-servers",`, ``), user)
					}
					byMessage("")
					v.registerVolli("vera", "")
					byMessage("vera")
				})
			}
			if c.name != "none" && c.name != "all" {
				return
			}
			t.Run("socket.io-client", func(t *testing.T) {
				s := start(t, c.env...)
				for i, got := range node(t, []nodeRequest{
					{URL: "http://" + s.Addr, Transports: []string{"websocket"}, Register: "node", Ask: "get-ice-servers"},
					{URL: "http://" + s.Addr, Transports: []string{"polling"}, Register: "node", Ask: "get-ice-servers"},
					{URL: "http://" + s.Addr, Transports: []string{"polling"}, Register: "node", Emit: "get-ice-servers", Await: "ice-servers"},
				}) {
					text := got.Asked
					if i == 2 {
						text = got.Awaited
					}
					c.check(t, string(text), "node")
				}
			})
		})
	}
}

func TestICEServersNeedATokenWhereClientsDo(t *testing.T) {
	verifyNoLeaks(t)
	tokens := badTokens()
	c := iceConfiguration{"", []string{"TURN_URLS=turn:turn.example", "TURN_SECRET=" + turnSecret}, nil, []string{"turn:turn.example"}, 3600}
	s := guarded(t, []string{hs256()}, c.env...)
	url := "http://" + s.Addr + "/ice-servers"
	transport := newTransport(t)
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) {
			header := bearer(token)
			if token == "" {
				header = nil
			}
			answer := get(t, transport, url, header)
			if answer.status != http.StatusUnauthorized || strings.TrimSpace(answer.body) != `{"error":"Unauthorized","code":"unauthorized"}` ||
				answer.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%d %v %s", answer.status, answer.header, answer.body)
			}
		})
	}
	for name, token := range goodTokens() {
		t.Run(name, func(t *testing.T) {
			answer := get(t, transport, url, bearer(token))
			if answer.status != http.StatusOK {
				t.Fatalf("%d %s", answer.status, answer.body)
			}
			c.check(t, strings.TrimSpace(answer.body), "alice")
		})
	}
	if s.Log.Has(turnSecret) {
		t.Error("the log tells the TURN secret")
	}
}

func TestICEServersForPagesOfOthers(t *testing.T) {
	verifyNoLeaks(t)
	s := guarded(t, nil, "CORS_ORIGINS=https://app.example", "STUN_URLS=stun:stun.example")
	url := "http://" + s.Addr + "/ice-servers"
	transport := newTransport(t)
	for _, token := range []string{"", hs256()} {
		for origin, allowed := range map[string]bool{"https://app.example": true, "https://mallory.example": false} {
			header := bearer(token)
			header.Set("Origin", origin)
			got := get(t, transport, url, header).header
			wantOrigin, wantCredentials := "", ""
			if allowed {
				wantOrigin, wantCredentials = origin, "true"
			}
			if got.Get("Access-Control-Allow-Origin") != wantOrigin || got.Get("Access-Control-Allow-Credentials") != wantCredentials ||
				!slices.Contains(got.Values("Vary"), "Origin") {
				t.Errorf("%s, token %v: %v", origin, token != "", got)
			}
		}
	}
	// A browser asks before it sends the header.
	got := ask(t, transport, http.MethodOptions, url, http.Header{
		"Origin": {"https://app.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"authorization"},
	})
	if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "https://app.example" ||
		!strings.EqualFold(got.header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("preflight: %d %v", got.status, got.header)
	}
}

func TestICEServersAreLimited(t *testing.T) {
	verifyNoLeaks(t)
	s := start(t, "RATE_LIMIT=5")
	transport := newTransport(t)
	for n := range 6 {
		answer := get(t, transport, "http://"+s.Addr+"/ice-servers", nil)
		if n < 5 {
			if answer.status != http.StatusOK {
				t.Fatalf("request %d: %d", n, answer.status)
			}
			continue
		}
		// The minute before counts in part.
		seconds, err := strconv.Atoi(answer.header.Get("Retry-After"))
		if answer.status != http.StatusTooManyRequests || err != nil || seconds < 1 || seconds > 120 {
			t.Errorf("past the limit: %d, Retry-After %q", answer.status, answer.header.Get("Retry-After"))
		}
	}
}

func TestCredentialsAreRenewed(t *testing.T) {
	const ttl = 6
	c := iceConfiguration{"", nil, nil, []string{"turn:turn.example"}, ttl}
	env := []string{"TURN_URLS=turn:turn.example", "TURN_SECRET=" + turnSecret, fmt.Sprintf("TURN_TTL=%ds", ttl)}
	// renewed waits for two more, each before the one before it expires.
	renewed := func(t *testing.T, next func() string, user string, expiry int64) {
		for range 2 {
			now := c.check(t, next(), user)
			if now <= expiry {
				t.Errorf("renewed until %d, the former until %d", now, expiry)
			}
			if time.Now().After(time.Unix(expiry, 0)) {
				t.Errorf("renewed %v after the former expired", time.Since(time.Unix(expiry, 0)))
			}
			expiry = now
		}
	}
	for _, engine := range engines {
		for _, first := range []string{"asks, then registers", "registers, then asks"} {
			t.Run(engine+", "+first, func(t *testing.T) {
				t.Parallel()
				s := start(t, append(env, "ENGINE="+engine)...)
				o := door{family: rig.Oodaa}.open(t, s.Addr).connected()
				never := door{family: rig.Oodaa}.open(t, s.Addr).registerOodaa("never asks")
				stranger := door{family: rig.Oodaa}.open(t, s.Addr).connected()
				stranger.say(`42["get-ice-servers"]`)
				stranger.await(`42["ice-servers"`)
				get := func() string { return unwrap(t, o.await(`42["ice-servers",`), `42["ice-servers",`, `]`) }
				var expiry int64
				if first == "asks, then registers" {
					o.say(`42["get-ice-servers"]`)
					expiry = c.check(t, get(), "")
				}
				o.say(`420["register",{"userId":"alice"}]`)
				o.await(`430`)
				if expiry == 0 {
					o.say(`421["get-ice-servers"]`)
					expiry = c.check(t, unwrap(t, o.await(`431`), `431[`, `]`), "alice")
				}
				renewed(t, get, "alice", expiry)
				// Nobody else gets any unasked.
				for who, other := range map[string]*client{"who never asked": never, "who is not registered": stranger} {
					other.say(`42["ping"]`)
					for text := ""; text != `42["pong"]`; {
						if text, _ = other.next(); strings.HasPrefix(text, `42["ice-servers"`) {
							t.Errorf("one %s got %s", who, text)
						}
					}
				}
			})
		}
	}
	t.Run("volli", func(t *testing.T) {
		t.Parallel()
		s := start(t, env...)
		v := door{family: rig.Volli}.open(t, s.Addr).registerVolli("vera", "")
		get := func() string {
			text, _ := v.next()
			return `{` + unwrap(t, text, `{"type":"ice-servers",`, ``)
		}
		v.say(`{"type":"get-ice-servers"}`)
		expiry := c.check(t, get(), "vera")
		renewed(t, get, "vera", expiry)
	})
}
