package auth

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestKeyFileRotates(t *testing.T) {
	k := testKeys()
	old, fresh := sign("RS256", k.rsa, claims(), "kid", "old"), sign("ES256", k.p256, claims(), "kid", "fresh")
	oldKey, freshKey := publicJWK(k.rsa, "kid", "old"), publicJWK(k.p256, "kid", "fresh")
	path := writeFile(t, keySetJSON(oldKey))
	log := new(journal)
	// Its goroutine sleeps, and the test does what it does (see TestPace).
	asleep := pace{gap: time.Hour, interval: time.Hour}
	v, err := newVerifier(Options{JWKS: path, Log: log.logger()}, asleep, asleep)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	replace := func(data []byte) func() { return func() { replaceFile(t, path, data) } }
	for _, step := range []struct {
		name       string
		change     func()
		old, fresh bool // which tokens are accepted then
		logged     string
	}{
		{"start", func() {}, true, false, ""},
		{"new key", replace(keySetJSON(oldKey, freshKey)), true, true, "key set read"},
		{"no old key", replace(keySetJSON(freshKey)), false, true, "key set read"},
		{"same size", replace(keySetJSON(publicJWK(k.p256, "kid", "FRESH"))), false, false, "key set read"},
		{"as before", replace(keySetJSON(freshKey)), false, true, "key set read"},
		{"half written", replace(keySetJSON(oldKey)[:40]), false, true, "cannot read the key set, keeping the current keys"},
		{"other text", replace([]byte("keys")), false, true, ""},
		{"removed", func() { must(0, os.Remove(path)) }, false, true, ""},
		{"back", replace(keySetJSON(freshKey)), false, true, "key set read"},
		{"removed again", func() { must(0, os.Remove(path)) }, false, true, "cannot read the key set, keeping the current keys"},
		{"back, and old", replace(keySetJSON(oldKey)), true, false, "key set read"},
		{"all revoked", replace(keySetJSON()), false, false, "level=WARN msg=\"key set read\""},
	} {
		for range 2 { // the second time nothing has changed
			before := log.String()
			step.change()
			_ = v.source.refresh(t.Context()) // logged
			if got := accepts(v, old)(); got != step.old {
				t.Errorf("%s: old key: %v", step.name, got)
			}
			if got := accepts(v, fresh)(); got != step.fresh {
				t.Errorf("%s: new key: %v", step.name, got)
			}
			line := strings.TrimPrefix(log.String(), before)
			if step.logged == "" && line != "" || !strings.Contains(line, step.logged) || strings.Count(line, "\n") > 1 {
				t.Errorf("%s: want %q, logged %q", step.name, step.logged, line)
			}
			step.change, step.logged = func() {}, ""
		}
	}
}

// An issuer serves a key set, or fails in some way.
type issuerServer struct {
	*httptest.Server
	answer   atomic.Pointer[http.HandlerFunc]
	requests atomic.Int64
}

func newIssuer(t *testing.T, answer http.HandlerFunc) *issuerServer {
	t.Helper()
	i := new(issuerServer)
	i.answer.Store(&answer)
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		(*i.answer.Load())(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuerServer) now(answer http.HandlerFunc) { i.answer.Store(&answer) }

// again waits until the issuer was asked twice more, so that what it answers
// now has been seen.
func (i *issuerServer) again(t *testing.T) {
	t.Helper()
	before := i.requests.Load()
	eventually(t, "the issuer is asked again", func() bool { return i.requests.Load() >= before+3 })
}

func serves(set []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }
}

func TestKeyURLGoesDownAndUp(t *testing.T) {
	k := testKeys()
	old, fresh := sign("RS256", k.rsa, claims(), "kid", "old"), sign("EdDSA", k.ed, claims(), "kid", "fresh")
	oldSet, freshSet := keySetJSON(publicJWK(k.rsa, "kid", "old")), keySetJSON(publicJWK(k.ed, "kid", "fresh"))
	issuer := newIssuer(t, http.NotFound)
	log := new(journal)
	location := strings.Replace(issuer.URL, "http://", "HTTP://user:password@", 1) + "/keys?token=password"
	v := verifier(t, Options{Secrets: []string{secret}, JWKS: location, Log: log.logger()})
	logged := func(down, up int) {
		t.Helper()
		if log.count("cannot read the key set, keeping the current keys") != down || log.count("key set read") != up {
			t.Errorf("want %d lines down and %d up:\n%s", down, up, log)
		}
	}

	if _, err := v.Verify(old); !errors.Is(err, errNoKeys) {
		t.Errorf("before there was a set: %v", err)
	}
	if !accepts(v, sign("HS256", []byte(secret), claims()))() {
		t.Error("secrets must not depend on the set")
	}
	issuer.again(t)
	logged(1, 0)

	issuer.now(serves(oldSet))
	eventually(t, "the set is read once it is there", accepts(v, old))
	issuer.again(t)
	logged(1, 1)

	for n, failure := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, string(freshSet), http.StatusInternalServerError)
		},
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"no key set": serves([]byte(`{"error":"try later"}`)),
		"no JSON":    serves([]byte(`<html>`)),
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9999")
			_, _ = w.Write(freshSet)
		},
		"endless":    endless,
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) },
		"not a word": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"other place": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "ftp://127.0.0.1/keys", http.StatusFound)
		},
	} {
		down, up := log.count("cannot read the key set, keeping the current keys"), log.count("key set read")
		issuer.now(failure)
		eventually(t, n+" is noticed", func() bool { return log.count("cannot read the key set, keeping the current keys") == down+1 })
		issuer.again(t)
		if !accepts(v, old)() || accepts(v, fresh)() {
			t.Errorf("%s: the old keys are not in use any more", n)
		}
		logged(down+1, up)
		issuer.now(serves(oldSet))
		eventually(t, "the set is back", func() bool { return log.count("key set read") == up+1 })
	}

	issuer.now(serves(freshSet))
	eventually(t, "the new set is in use", accepts(v, fresh))
	if accepts(v, old)() {
		t.Error("the old key is still in use")
	}
	for _, s := range []string{"password", "user:", old, fresh} {
		if strings.Contains(log.String(), s) {
			t.Errorf("the log holds %q:\n%s", s, log)
		}
	}
}

func endless(w http.ResponseWriter, r *http.Request) {
	spaces := []byte(strings.Repeat(" ", 64<<10))
	for r.Context().Err() == nil {
		if _, err := w.Write(spaces); err != nil {
			return
		}
	}
}

func TestKeyURLThatIsNotThere(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	log := new(journal)
	v := verifier(t, Options{JWKS: gone.URL, Log: log.logger()})
	if accepts(v, sign("EdDSA", testKeys().ed, claims()))() {
		t.Error("accepted")
	}
	if log.count("cannot read the key set, keeping the current keys") != 1 {
		t.Errorf("log: %s", log)
	}
}

func TestCloseInterruptsAFetch(t *testing.T) {
	asked := make(chan struct{}, 1)
	issuer := newIssuer(t, http.NotFound)
	v := verifier(t, Options{JWKS: issuer.URL})
	issuer.now(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	})
	<-asked
	start := time.Now()
	v.Close()
	v.Close()
	if took := time.Since(start); took > fetchTimeout/2 {
		t.Errorf("Close took %v", took)
	}
}

func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reading, finish := make(chan struct{}), make(chan struct{})
		s := newKeySource("test", func(context.Context) ([]byte, error) {
			close(reading)
			<-finish
			return nil, errors.New("closed meanwhile")
		}, fetchPace, new(journal).logger())
		s.start()
		<-reading
		closed := make(chan struct{})
		go func() { s.close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while it was reading")
		default:
		}
		close(finish)
		<-closed
	})
}

// No address is dialed: the source stands in a bubble whose time is its own.
func TestFetchTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := http.Client{Transport: deaf{}}
		start := time.Now()
		_, err := fetch(t.Context(), &client, "http://issuer.example/keys")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != fetchTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// deaf never answers.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestRedirects(t *testing.T) {
	k := testKeys()
	token := sign("EdDSA", k.ed, claims())
	set := serves(keySetJSON(publicJWK(k.ed)))
	t.Run("followed", func(t *testing.T) {
		issuer := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				set(w, r)
				return
			}
			http.Redirect(w, r, "/keys", http.StatusFound)
		})
		if !accepts(verifier(t, Options{JWKS: issuer.URL}), token)() {
			t.Error("refused")
		}
	})
	t.Run("not forever", func(t *testing.T) {
		issuer := newIssuer(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
		if _, err := fetch(t.Context(), newClient(), issuer.URL); err == nil || issuer.requests.Load() > 10 {
			t.Errorf("after %d requests: %v", issuer.requests.Load(), err)
		}
	})
	t.Run("not from https to http", func(t *testing.T) {
		plain := newIssuer(t, set)
		secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
		defer secure.Close()
		client := secure.Client()
		client.CheckRedirect = newClient().CheckRedirect
		if data, err := fetch(t.Context(), client, secure.URL); err == nil || plain.requests.Load() > 0 {
			t.Errorf("got %q, %v; asked %d times", data, err, plain.requests.Load())
		}
	})
}

func TestPace(t *testing.T) {
	type step struct {
		at   time.Duration
		do   func(*fakeSet, *keySource)
		read int64 // by then, in all
	}
	fails := func(f *fakeSet, _ *keySource) { f.down.Store(true) }
	works := func(f *fakeSet, _ *keySource) { f.down.Store(false) }
	unknown := func(_ *fakeSet, s *keySource) {
		for range 100 {
			if _, err := s.find(algEd25519, "unknown"); err == nil {
				panic("found")
			}
		}
	}
	nothing := func(*fakeSet, *keySource) {}
	const half = 500 * time.Millisecond // of the gap
	for name, steps := range map[string][]step{
		"regular": {
			{299 * time.Second, nothing, 1},
			{301 * time.Second, nothing, 2},
			{601 * time.Second, nothing, 3},
		},
		"failing": {
			{1 * time.Second, fails, 1},
			{300*time.Second + half, nothing, 2},
			{300*time.Second + 2*half - 1, unknown, 2},
			{301*time.Second + half, nothing, 3},
			{302*time.Second + half, works, 4},
			{303*time.Second + half, nothing, 5},
			{600 * time.Second, nothing, 5},
		},
		"unknown key": {
			{60 * time.Second, unknown, 1},
			{60*time.Second + 1, unknown, 2}, // at once, then not before the gap has passed
			{61*time.Second - 1, unknown, 2},
			{61*time.Second + 1, nothing, 3},
			{300 * time.Second, nothing, 3},
		},
		"unknown key soon after the start": {
			{half, unknown, 1},
			{2*half - 1, nothing, 1},
			{2*half + 1, nothing, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := &fakeSet{data: keySetJSON(publicJWK(testKeys().ed))}
				s := newKeySource("test", set.read, fetchPace, new(journal).logger())
				_ = s.refresh(t.Context()) // logged
				s.start()
				defer s.close()
				start := time.Now()
				for _, step := range steps {
					time.Sleep(time.Until(start.Add(step.at)))
					synctest.Wait()
					if times := set.times.Load(); times != step.read {
						t.Errorf("after %v: read %d times, want %d", step.at, times, step.read)
					}
					step.do(set, s)
				}
			})
		})
	}
}

// A token of a key that the set does not hold yet waits for the set.
func TestAwait(t *testing.T) {
	k := testKeys()
	known, rotated := keySetJSON(publicJWK(k.rsa, "kid", "old")), keySetJSON(publicJWK(k.rsa, "kid", "old"), publicJWK(k.ed, "kid", "new"))
	token := sign("EdDSA", k.ed, object{"sub": "alice"}, "kid", "new")
	tests := []struct {
		name  string
		start []byte                               // the set at the start; nil: it cannot be read
		after func(f *fakeSet, at time.Time) error // what happens while the token waits
		want  error
		took  time.Duration
	}{
		{"rotated", known, func(f *fakeSet, _ time.Time) error { f.data = rotated; return nil }, nil, time.Second},
		{"unknown key", known, nil, ErrUndecided, time.Second},
		{"cannot be read", known, func(f *fakeSet, _ time.Time) error { return errors.New("down") }, ErrUnavailable, awaitTimeout},
		{"never read", nil, func(f *fakeSet, _ time.Time) error { return errors.New("down") }, ErrUnavailable, awaitTimeout},
		{"read just in time", nil, func(f *fakeSet, at time.Time) error {
			if f.data = rotated; time.Since(at) < 1500*time.Millisecond {
				return errors.New("down")
			}
			return nil
		}, nil, 1900 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := &fakeSet{data: tt.start}
				set.down.Store(tt.start == nil)
				s := newKeySource("test", set.read, pace{gap: time.Second, interval: time.Hour}, new(journal).logger())
				_ = s.refresh(t.Context()) // logged
				s.start()
				defer s.close()
				if tt.start == nil {
					time.Sleep(100 * time.Millisecond) // so that a reading is not due with the timeout
				}
				v := &Verifier{source: s, claim: "sub", parser: jwt.NewParser(jwt.WithValidMethods([]string{algRSA, algEd25519}))}
				if _, err := v.Verify(token); !errors.Is(err, ErrUndecided) {
					t.Fatalf("Verify: %v", err)
				}
				start := time.Now()
				if tt.after != nil {
					set.during = func() error { return tt.after(set, start) }
				}
				grant, err := v.Await(token)
				if !errors.Is(err, tt.want) || err == nil && grant.UserID != "alice" {
					t.Errorf("%q, %v; want %v", grant.UserID, err, tt.want)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
			})
		})
	}
}

// A fakeSet is read in a bubble, while the test waits.
type fakeSet struct {
	data   []byte
	during func() error // what happens as it is read; nil: nothing
	down   atomic.Bool
	times  atomic.Int64
}

func (f *fakeSet) read(context.Context) ([]byte, error) {
	f.times.Add(1)
	if f.during != nil {
		err := f.during()
		return f.data, err
	}
	if f.down.Load() {
		return nil, errors.New("down")
	}
	return f.data, nil
}

func TestParseKeySet(t *testing.T) {
	k := testKeys()
	long := segment(strings.Repeat("x", 33))
	off := segment(strings.Repeat("x", 32)) // no point of the curve
	even := segment("\xff" + strings.Repeat("\xfe", 255))
	rsaWith := func(pairs ...any) object { return publicJWK(k.rsa, pairs...) }
	tests := []struct {
		name string
		jwk  object
		alg  string // empty: skipped
	}{
		{"RSA", rsaWith(), algRSA},
		{"RSA, all said", rsaWith("use", "sig", "alg", "RS256", "key_ops", []string{"verify"}, "kid", "1", "ext", true), algRSA},
		{"RSA, padded, with a leading zero", rsaWith("n", segment("\x00"+string(k.rsa.N.Bytes()))+"=="), algRSA},
		{"RSA, private", rsaWith("d", segment("private"), "p", "?", "q", 1), algRSA},
		{"RSA with certificates", rsaWith("x5c", []string{"?"}, "x5t", "?", "x5u", "http://127.0.0.1:9/"), algRSA},
		{"RSA, exponent 3", rsaWith("e", "Aw"), algRSA},
		{"RSA for RS512", rsaWith("alg", "RS512"), ""},
		{"RSA for PS256", rsaWith("alg", "PS256"), ""},
		{"RSA for HS256", rsaWith("alg", "HS256"), ""},
		{"RSA, no modulus", rsaWith("n", ""), ""},
		{"RSA, no exponent", rsaWith("e", ""), ""},
		{"RSA, exponent 1", rsaWith("e", "AQ"), ""},
		{"RSA, exponent even", rsaWith("e", "AQAA"), ""},
		{"RSA, exponent of five bytes", rsaWith("e", "AQAAAAE"), ""},
		{"RSA, even modulus", rsaWith("n", even), ""},
		{"RSA, 1024 bits", publicJWK(k.smallRSA), ""},
		{"RSA, 8200 bits", rsaWith("n", segment(strings.Repeat("\xff", 1025))), ""},
		{"RSA, modulus no base64url", rsaWith("n", "+/+/"), ""},
		{"RSA, modulus a number", rsaWith("n", 5), ""},
		{"P-256", publicJWK(k.p256), algECDSA},
		{"P-256 for ES256", publicJWK(k.p256, "alg", "ES256"), algECDSA},
		{"P-256 for key agreement", publicJWK(k.p256, "alg", "ECDH-ES"), ""},
		{"P-256, long coordinate", publicJWK(k.p256, "x", long), ""},
		{"P-256, short coordinate", publicJWK(k.p256, "y", "AAAA"), ""},
		{"P-256, no coordinate", publicJWK(k.p256, "y", ""), ""},
		{"P-256, off the curve", publicJWK(k.p256, "x", off), ""},
		{"P-256, infinity", publicJWK(k.p256, "x", segment(strings.Repeat("\x00", 32)), "y", segment(strings.Repeat("\x00", 32))), ""},
		{"P-384", publicJWK(k.p384), ""},
		{"P-384 that says P-256", publicJWK(k.p384, "crv", "P-256"), ""},
		{"secp256k1", publicJWK(k.p256, "crv", "secp256k1"), ""},
		{"no curve", publicJWK(k.p256, "crv", ""), ""},
		{"Ed25519", publicJWK(k.ed), algEd25519},
		{"Ed25519 for EdDSA", publicJWK(k.ed, "alg", "EdDSA"), algEd25519},
		{"Ed25519 for Ed25519", publicJWK(k.ed, "alg", "Ed25519"), algEd25519},
		{"Ed25519 for ES256", publicJWK(k.ed, "alg", "ES256"), ""},
		{"Ed25519, too long", publicJWK(k.ed, "x", long), ""},
		{"X25519", publicJWK(k.ed, "crv", "X25519"), ""},
		{"secret", object{"kty": "oct", "k": segment(secret)}, ""},
		{"no type", publicJWK(k.rsa, "kty", ""), ""},
		{"for encryption", rsaWith("use", "enc"), ""},
		{"for signing and verifying", rsaWith("key_ops", []string{"sign", "verify"}), algRSA},
		{"for signing only", rsaWith("key_ops", []string{"sign"}), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// A key beside it must not suffer.
			set, err := parseKeySet(keySetJSON(test.jwk, publicJWK(k.otherRSA, "kid", "beside")))
			if err != nil {
				t.Fatal(err)
			}
			var algs []string
			for _, key := range set.keys {
				algs = append(algs, key.alg)
			}
			want := []string{test.alg, algRSA}
			if test.alg == "" {
				want = want[1:]
			}
			if fmt.Sprint(algs) != fmt.Sprint(want) || len(algs)+set.skipped != 2 {
				t.Errorf("keys for %v, %d skipped, want %v", algs, set.skipped, want)
			}
		})
	}
}

func TestKeysOfOneID(t *testing.T) {
	k := testKeys()
	set, err := parseKeySet(keySetJSON(publicJWK(k.rsa, "kid", "1"), publicJWK(k.p256, "kid", "1"), publicJWK(k.ed), publicJWK(k.otherRSA)))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		alg, kid string
		want     crypto.PublicKey // nil: none
	}{
		{algRSA, "1", k.rsa.Public()},
		{algECDSA, "1", k.p256.Public()},
		{algEd25519, "1", nil},
		{algEd25519, "", k.ed.Public()},
		{algECDSA, "", k.p256.Public()},
		{algRSA, "", nil},
		{"HS256", "", nil},
	} {
		got, ok := set.find(test.alg, test.kid)
		if ok != (test.want != nil) || ok && !got.(interface{ Equal(crypto.PublicKey) bool }).Equal(test.want) {
			t.Errorf("%s %q: got %v", test.alg, test.kid, got)
		}
	}
}
