package access

import (
	"crypto"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// letsIn reports whether a token is good for a Socket.IO client.
func letsIn(t *testing.T, s *rig.Server, token string) bool {
	t.Helper()
	c := withToken(rig.Oodaa, token).open(t, s.Addr)
	text, _ := c.next()
	_ = c.conn.Close()
	switch {
	case text == oodaaUnauthorized:
		return false
	case len(text) > 2 && text[:2] == "40":
		return true
	}
	t.Fatalf("got %q", text)
	return false
}

// cannotJudge expects a token to be neither accepted nor refused, by each way in.
func cannotJudge(t *testing.T, s *rig.Server, token string) {
	t.Helper()
	if code := withToken(rig.Oodaa, token).open(t, s.Addr).ended(); code != websocket.CloseNormalClosure {
		t.Errorf("close code %d", code)
	}
	volli := door{family: rig.Volli}.open(t, s.Addr)
	volli.say(volliRegister("alice", token))
	volli.expect(`{"type":"error","message":"Server unavailable","code":"unavailable"}`)
	if code := volli.ended(); code != websocket.CloseTryAgainLater {
		t.Errorf("close code %d", code)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr+"/ice-servers", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("/ice-servers: %s", answer.Status)
	}
}

// A server whose key set was never read refuses nobody for good.
func TestKeySetIsNotThere(t *testing.T) {
	t.Parallel() // it waits for seconds
	var up atomic.Bool
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		_, _ = w.Write(keySet(map[string]crypto.Signer{"ed": keys().ed}))
	}))
	defer authority.Close()
	s := start(t, "AUTH_JWKS="+authority.URL)
	token := sign(jwt.SigningMethodEdDSA, keys().ed, claims())
	cannotJudge(t, s, token)
	up.Store(true)
	rig.Eventually(t, "the set is read again", func() bool {
		c := withToken(rig.Oodaa, token).open(t, s.Addr)
		text, _ := c.next() // none, until it is
		_ = c.conn.Close()
		if text == oodaaUnauthorized {
			t.Fatal("refused, with the set there again")
		}
		return strings.HasPrefix(text, "40")
	})
}

func TestSecretsAreRotated(t *testing.T) {
	verifyNoLeaks(t)
	old, new := hs256(), sign(jwt.SigningMethodHS256, []byte(otherSecret), claims())
	third := sign(jwt.SigningMethodHS256, []byte("a third secret that is as long as the other two"), claims())
	for _, c := range []struct {
		name, secrets   string
		old, new, third bool
	}{
		{"before", secret, true, false, false},
		{"meanwhile", otherSecret + ", " + secret, true, true, false},
		{"after", otherSecret, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, "AUTH_JWT_SECRET="+c.secrets)
			if got := letsIn(t, s, old); got != c.old {
				t.Errorf("old secret: %v", got)
			}
			if got := letsIn(t, s, new); got != c.new {
				t.Errorf("new secret: %v", got)
			}
			if got := letsIn(t, s, third); got != c.third {
				t.Errorf("third secret: %v", got)
			}
			discreet(t, s, old, new, third)
		})
	}
}

func TestKeySetFileIsReplaced(t *testing.T) {
	t.Parallel() // it waits for seconds
	first := keySet(map[string]crypto.Signer{"ed": keys().ed})
	second := keySet(map[string]crypto.Signer{"ed": keys().other})
	path := write(t, filepath.Join(t.TempDir(), "keys.json"), first)
	s := start(t, "AUTH_JWKS="+path)
	old, new := sign(jwt.SigningMethodEdDSA, keys().ed, claims()), sign(jwt.SigningMethodEdDSA, keys().other, claims())
	if !letsIn(t, s, old) || letsIn(t, s, new) {
		t.Fatal("the first set is not in use")
	}
	here := withToken(rig.Oodaa, old).open(t, s.Addr).registerOodaa("alice")
	write(t, path, second)
	rig.Eventually(t, "the second set", func() bool { return letsIn(t, s, new) })
	if letsIn(t, s, old) {
		t.Error("the first set is in use still")
	}
	// Who is in stays in.
	here.say(`42["ping"]`)
	here.await(`42["pong"]`)
	write(t, path, []byte("no key set"))
	s.Log.Await(t, "cannot read the key set, keeping the current keys", s.Exited())
	if !letsIn(t, s, new) {
		t.Error("a set that cannot be read has taken the former one's place")
	}
	discreet(t, s, old, new)
}

func TestKeySetByURL(t *testing.T) {
	t.Parallel() // it waits for more than ten seconds
	var set atomic.Pointer[[]byte]
	serve := func(kid string, key crypto.Signer) {
		text := keySet(map[string]crypto.Signer{kid: key})
		set.Store(&text)
	}
	serve("ed", keys().ed)
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keys" || r.URL.RawQuery != "client=very-secret-client-name" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(*set.Load())
	}))
	defer authority.Close()
	s := start(t, "AUTH_JWKS="+authority.URL+"/keys?client=very-secret-client-name")
	old, new := sign(jwt.SigningMethodEdDSA, keys().ed, claims()), sign(jwt.SigningMethodRS256, keys().rsa, claims())
	if !letsIn(t, s, old) || letsIn(t, s, new) {
		t.Fatal("the first set is not in use")
	}
	// The first user with a token of a new key waits until the set was read again.
	serve("rsa", keys().rsa)
	if !letsIn(t, s, new) {
		t.Error("the new key's first user is refused")
	}
	if letsIn(t, s, old) {
		t.Error("the first set is in use still")
	}
	// The authority is down: tokens of known keys are good all the same. Others
	// cannot be judged, and their clients try again.
	authority.Close()
	cannotJudge(t, s, old)
	if !letsIn(t, s, new) {
		t.Error("without its authority the set is forgotten")
	}
	discreet(t, s, old, new, "very-secret-client-name")
}
