package field

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oodaa/signaling/test/rig"
)

// An office is a proxy that gives all who come through it one address.
type office struct {
	*httptest.Server
	address atomic.Pointer[string]
}

func newOffice(t *testing.T, target string) *office {
	o := &office{}
	o.move("203.0.113.1")
	to := &url.URL{Scheme: "http", Host: target}
	o.Server = httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-For", *o.address.Load())
		},
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(o.Close)
	return o
}

func (o *office) move(address string) { o.address.Store(&address) }

func (o *office) addr() string { return strings.TrimPrefix(o.URL, "http://") }

// ask returns the status of an answer.
func (o *office) ask(t *testing.T) int {
	t.Helper()
	answer, err := http.Get(o.URL + "/")
	if err != nil {
		t.Error(err)
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode
}

// fill uses up the address's rate, and what comes back of it until the returned
// function is called.
func (o *office) fill(t *testing.T) (stop func()) {
	t.Helper()
	ask := func() {
		for o.ask(t) == http.StatusOK {
		}
	}
	ask()
	var filling sync.WaitGroup
	done := make(chan struct{})
	filling.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				ask()
			}
		}
	})
	return func() {
		close(done)
		filling.Wait()
	}
}

// rateLimit cuts the connections of an office whose rate limit is used up. Each
// client is refused with 429 before there is room, since the office gets another
// address: the end of a minute would give it back too slowly for a test.
func rateLimit(engine string, rows func() []*row) func(*testing.T, fate, programs) {
	return func(t *testing.T, f fate, ps programs) {
		addr := rig.FreeAddr(t)
		start(t, addr, "ENGINE="+engine, "TRUSTED_PROXIES=1", "RATE_LIMIT=500")
		o := newOffice(t, addr)
		l := newLink(t, o.addr())
		c := gather(t, ps, rows(), at(l.addr))
		full := o.fill(t)
		l.reset()
		c.awaitLosses()
		l.mend()
		began := time.Now()
		c.awaitRefusals()
		pause(time.Until(began.Add(either(0, 10*time.Second))))
		full()
		o.move("203.0.113.2")
		c.back(f.name, time.Now())
	}
}

// keySetUnreachable restarts a server while the authority, whose keys it needs,
// is away.
func keySetUnreachable(t *testing.T, f fate, ps programs) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"one","x":%q}]}`,
		base64.RawURLEncoding.EncodeToString(public))
	var away atomic.Bool
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler) // ends the connection
		}
		_, _ = io.WriteString(w, set)
	}))
	t.Cleanup(authority.Close)
	token := func(user string) string {
		claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
		unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
		unsigned.Header["kid"] = "one"
		signed, err := unsigned.SignedString(private)
		if err != nil {
			t.Error(err)
		}
		return signed
	}

	addr := rig.FreeAddr(t)
	first := start(t, addr, "AUTH_JWKS="+authority.URL)
	where := at(addr)
	where.token = token
	c := gather(t, ps, rows(), where)
	away.Store(true)
	first.Stop()
	start(t, addr, "AUTH_JWKS="+authority.URL)
	began := time.Now()
	c.awaitRefusals()
	pause(time.Until(began.Add(either(5*time.Second, 30*time.Second))))
	away.Store(false)
	c.back(f.name, time.Now())
}
