package auth

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	issuer   = "https://issuer.example"
	audience = "signaling"
)

// full checks all there is to check, with keys of every kind in its set.
func full(t testing.TB, log *journal) *Verifier {
	k := testKeys()
	return verifier(t, Options{
		Secrets: []string{otherSecret, secret},
		JWKS: writeFile(t, keySetJSON(
			publicJWK(k.rsa, "kid", "rsa"),
			publicJWK(k.p256, "kid", "ec", "alg", "ES256", "use", "sig", "key_ops", []string{"verify"}),
			publicJWK(k.ed, "kid", "ed", "alg", "EdDSA"),
			// None of these may be used.
			publicJWK(k.otherRSA, "kid", "for encryption", "use", "enc"),
			publicJWK(k.otherRSA, "kid", "for another alg", "alg", "PS256"),
			publicJWK(k.otherRSA, "kid", "for signing", "key_ops", []string{"sign"}),
			publicJWK(k.smallRSA, "kid", "too small"),
			publicJWK(k.p384, "kid", "other curve"),
			object{"kty": "oct", "kid": "secret", "k": segment(oct)},
			object{"kty": "RSA", "kid": 5},
		)),
		Issuer:   issuer,
		Audience: audience,
		Log:      log.logger(),
	})
}

const oct = "the key of a set that is not for us to know"

// good are claims that full accepts.
func good(pairs ...any) object {
	return claims(append([]any{"iss", issuer, "aud", []string{"another", audience}}, pairs...)...)
}

func TestVerifyAccepts(t *testing.T) {
	k := testKeys()
	now := time.Now().Unix()
	never := time.Time{}
	tokens := []struct {
		name    string
		token   string
		user    string
		expires time.Time
	}{
		{"HS256", sign("HS256", []byte(secret), good("exp", now+60)), "alice", time.Unix(now+90, 0)},
		{"HS384", sign("HS384", []byte(secret), good("exp", now+60)), "alice", time.Unix(now+90, 0)},
		{"HS512, other secret", sign("HS512", []byte(otherSecret), good("exp", now+60)), "alice", time.Unix(now+90, 0)},
		{"RS256", sign("RS256", k.rsa, good("exp", now+60), "kid", "rsa"), "alice", time.Unix(now+90, 0)},
		{"ES256", sign("ES256", k.p256, good("exp", now+60), "kid", "ec"), "alice", time.Unix(now+90, 0)},
		{"EdDSA", sign("EdDSA", k.ed, good("exp", now+60), "kid", "ed"), "alice", time.Unix(now+90, 0)},
		{"only key of its algorithm, no kid", sign("RS256", k.rsa, good("exp", nil)), "alice", never},
		{"HMAC needs no kid", sign("HS256", []byte(secret), good("exp", nil), "kid", "any"), "alice", never},
		{"no exp", sign("HS256", []byte(secret), good("exp", nil)), "alice", never},
		{"exp with a fraction", sign("HS256", []byte(secret), good("exp", float64(now)+60.75)), "alice", time.Unix(now+90, 0)},
		{"far exp", sign("HS256", []byte(secret), good("exp", maxTime)), "alice", time.Unix(maxTime+30, 0)},
		{"just expired", sign("HS256", []byte(secret), good("exp", now-10)), "alice", time.Unix(now+20, 0)},
		{"almost valid", sign("HS256", []byte(secret), good("exp", nil, "nbf", now+10, "iat", now+10)), "alice", never},
		{"audience as a string", sign("HS256", []byte(secret), good("exp", nil, "aud", audience)), "alice", never},
		{"Unicode", sign("HS256", []byte(secret), good("exp", nil, "sub", "Zoë 🦊")), "Zoë 🦊", never},
		{"another type", sign("HS256", []byte(secret), good("exp", nil), "typ", "at+jwt"), "alice", never},
	}
	v := full(t, new(journal))
	for _, test := range tokens {
		t.Run(test.name, func(t *testing.T) {
			grant, err := v.Verify(test.token)
			if err != nil {
				t.Fatal(err)
			}
			if grant.UserID != test.user || !grant.Expires.Equal(test.expires) {
				t.Errorf("got %+v, want %q until %v", grant, test.user, test.expires)
			}
		})
	}
}

// badTokens are refused by full, and differ from what it accepts in one thing.
func badTokens() []struct{ name, token, why string } {
	k := testKeys()
	hmacKey := []byte(secret)
	now := time.Now().Unix()
	hs256 := sign("HS256", hmacKey, good())
	rs256 := sign("RS256", k.rsa, good(), "kid", "rsa")
	parts := strings.Split(hs256, ".")
	payload := string(must(json.Marshal(good())))
	der := must(x509.MarshalPKIXPublicKey(k.rsa.Public()))
	spkiPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	pkcs1PEM := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)})
	jwk := must(json.Marshal(publicJWK(k.rsa, "kid", "rsa")))

	// signed over what the header says, with an algorithm that is not ours.
	pss := func() string {
		content := segment(`{"alg":"PS256","kid":"rsa"}`) + "." + segment(payload)
		hash := sha256.Sum256([]byte(content))
		return content + "." + segment(string(must(rsa.SignPSS(rand.Reader, k.rsa, crypto.SHA256, hash[:], nil))))
	}()
	unsigned := func(alg string) string { return segment(`{"alg":"`+alg+`"}`) + "." + segment(payload) + "." }
	// relabelled keeps the signature, and says another algorithm and key.
	relabelled := func(token, alg, kid string) string {
		_, rest, _ := strings.Cut(token, ".")
		return segment(`{"alg":"`+alg+`","kid":"`+kid+`"}`) + "." + rest
	}
	const (
		malformed = "malformed"
		signature = "signature is invalid"
		alg       = "signing method"
		unknown   = "no such key"
		keyType   = "signature is invalid"
	)
	return []struct{ name, token, why string }{
		{"expired", sign("HS256", hmacKey, good("exp", now-31)), "expired"},
		{"expired, RS256", sign("RS256", k.rsa, good("exp", now-31), "kid", "rsa"), "expired"},
		{"exp 0", sign("HS256", hmacKey, good("exp", 0)), "expired"},
		{"exp negative", sign("HS256", hmacKey, good("exp", -1)), "expired"},
		{"exp text", sign("HS256", hmacKey, good("exp", "9999999999")), "exp is invalid"},
		{"exp null", signText("HS256", hmacKey, `{"alg":"HS256"}`, strings.Replace(payload, `"exp":`, `"exp":null,"e":`, 1)), "exp is invalid"},
		{"exp beyond all times", sign("HS256", hmacKey, good("exp", maxTime+1)), `"exp" is not a valid time`},
		{"exp that overflows", sign("HS256", hmacKey, good("exp", 1e300)), "exp"},
		{"not yet valid", sign("HS256", hmacKey, good("nbf", now+40)), "not valid yet"},
		{"nbf that overflows", sign("HS256", hmacKey, good("nbf", 1e300)), "nbf"},
		{"nbf text", sign("HS256", hmacKey, good("nbf", "1")), "nbf is invalid"},
		{"from the future", sign("HS256", hmacKey, good("iat", now+40)), "used before issued"},
		{"iat that overflows", sign("HS256", hmacKey, good("iat", 1e300)), "iat"},
		{"iat text", sign("HS256", hmacKey, good("iat", "1")), "iat is invalid"},

		{"other issuer", sign("HS256", hmacKey, good("iss", issuer+"/")), "invalid issuer"},
		{"no issuer", sign("HS256", hmacKey, good("iss", nil)), "iss claim is required"},
		{"issuer list", sign("HS256", hmacKey, good("iss", []string{issuer})), "iss is invalid"},
		{"other audience", sign("HS256", hmacKey, good("aud", []string{"another"})), "invalid audience"},
		{"no audience", sign("HS256", hmacKey, good("aud", nil)), "aud claim is required"},
		{"audience empty", sign("HS256", hmacKey, good("aud", []string{})), "aud claim is required"},
		{"audience number", sign("HS256", hmacKey, good("aud", 7)), "aud claim is required"},
		{"audience list with a number", sign("HS256", hmacKey, good("aud", []any{audience, 7})), "aud is invalid"},

		{"no claim", sign("HS256", hmacKey, good("sub", nil)), `claim "sub"`},
		{"claim in capitals", sign("HS256", hmacKey, good("sub", nil, "SUB", "alice")), `claim "sub"`},
		{"claim empty", sign("HS256", hmacKey, good("sub", "")), `claim "sub"`},
		{"claim number", sign("HS256", hmacKey, good("sub", 7)), `claim "sub"`},
		{"claim list", sign("HS256", hmacKey, good("sub", []string{"alice"})), `claim "sub"`},
		{"claim object", sign("HS256", hmacKey, good("sub", object{"sub": "alice"})), `claim "sub"`},
		{"claim true", sign("HS256", hmacKey, good("sub", true)), `claim "sub"`},
		{"claim null", signText("HS256", hmacKey, `{"alg":"HS256"}`, strings.Replace(payload, `"alice"`, "null", 1)), `claim "sub"`},
		{"claim with a lone surrogate", signText("HS256", hmacKey, `{"alg":"HS256"}`, strings.Replace(payload, "alice", `\ud800`, 1)), "not all Unicode"},
		{"claim with bytes that are no UTF-8", signText("HS256", hmacKey, `{"alg":"HS256"}`, strings.Replace(payload, "alice", "\xff", 1)), "not all Unicode"},

		{"none", unsigned("none"), alg},
		{"None", unsigned("None"), alg},
		{"NONE", unsigned("NONE"), alg},
		{"none with a signature", relabelled(hs256, "none", ""), alg},
		{"empty alg", unsigned(""), alg},
		{"no alg", signText("HS256", hmacKey, `{"typ":"JWT"}`, payload), alg},
		{"alg number", signText("HS256", hmacKey, `{"alg":256}`, payload), alg},
		{"alg list", signText("HS256", hmacKey, `{"alg":["HS256"]}`, payload), alg},
		{"alg in small letters", signText("HS256", hmacKey, `{"alg":"hs256"}`, payload), alg},
		{"RS384", sign("RS384", k.rsa, good(), "kid", "rsa"), alg},
		{"RS512", sign("RS512", k.rsa, good(), "kid", "rsa"), alg},
		{"PS256", pss, alg},
		{"ES384", sign("ES384", k.p384, good(), "kid", "other curve"), alg},

		{"confusion: PEM of the RSA key as secret", sign("HS256", spkiPEM, good(), "kid", "rsa"), signature},
		{"confusion: trimmed PEM", sign("HS256", []byte(strings.TrimSpace(string(spkiPEM))), good(), "kid", "rsa"), signature},
		{"confusion: PKCS #1 PEM", sign("HS256", pkcs1PEM, good(), "kid", "rsa"), signature},
		{"confusion: DER", sign("HS256", der, good(), "kid", "rsa"), signature},
		{"confusion: JWK", sign("HS256", jwk, good(), "kid", "rsa"), signature},
		{"confusion: modulus", sign("HS256", k.rsa.N.Bytes(), good(), "kid", "rsa"), signature},
		{"confusion: Ed25519 key", sign("HS256", []byte(k.ed[32:]), good(), "kid", "ed"), signature},
		{"secret of the set", sign("HS256", []byte(oct), good(), "kid", "secret"), signature},
		{"wrong secret", sign("HS256", []byte("not one of the secrets, but as long"), good()), signature},
		{"empty secret", sign("HS256", []byte{}, good()), signature},
		{"both secrets in one", sign("HS256", []byte(otherSecret+","+secret), good()), signature},
		{"signature of HS256, labelled HS512", relabelled(hs256, "HS512", ""), signature},

		{"RS256 with the key id of ES256", sign("RS256", k.rsa, good(), "kid", "ec"), unknown},
		{"ES256 with the key id of RS256", sign("ES256", k.p256, good(), "kid", "rsa"), unknown},
		{"EdDSA with the key id of ES256", sign("EdDSA", k.ed, good(), "kid", "ec"), unknown},
		{"relabelled ES256", relabelled(rs256, "ES256", "ec"), keyType},
		{"relabelled EdDSA", relabelled(rs256, "EdDSA", "ed"), keyType},
		{"relabelled HS256", relabelled(rs256, "HS256", "rsa"), signature},
		{"unknown key id", sign("RS256", k.rsa, good(), "kid", "unknown"), unknown},
		{"key id in capitals", sign("RS256", k.rsa, good(), "kid", "RSA"), unknown},
		{"key id number", sign("RS256", k.rsa, good(), "kid", 1), "kid is not a string"},
		{"key id null", signText("RS256", k.rsa, `{"alg":"RS256","kid":null}`, payload), "kid is not a string"},
		{"other RSA key, no key id", sign("RS256", k.otherRSA, good()), signature},
		{"other RSA key", sign("RS256", k.otherRSA, good(), "kid", "rsa"), signature},
		{"key for encryption", sign("RS256", k.otherRSA, good(), "kid", "for encryption"), unknown},
		{"key for another alg", sign("RS256", k.otherRSA, good(), "kid", "for another alg"), unknown},
		{"key for signing only", sign("RS256", k.otherRSA, good(), "kid", "for signing"), unknown},
		{"small RSA key", sign("RS256", k.smallRSA, good(), "kid", "too small"), unknown},

		{"embedded jwk", sign("RS256", k.otherRSA, good(), "jwk", publicJWK(k.otherRSA)), signature},
		{"embedded jwk, same key id", sign("RS256", k.otherRSA, good(), "kid", "rsa", "jwk", publicJWK(k.otherRSA, "kid", "rsa")), signature},
		{"embedded secret", sign("HS256", []byte(oct), good(), "jwk", object{"kty": "oct", "k": segment(oct)}), signature},
		{"jku", sign("RS256", k.otherRSA, good(), "kid", "x", "jku", "http://127.0.0.1:9/keys.json"), unknown},
		{"x5u", sign("RS256", k.otherRSA, good(), "kid", "rsa", "x5u", "http://127.0.0.1:9/cert.pem"), signature},
		{"x5c", sign("RS256", k.otherRSA, good(), "kid", "rsa", "x5c", []string{segment("certificate")}), signature},
		{"critical header", sign("HS256", hmacKey, good(), "crit", []string{"exp"}), "critical"},
		{"critical header, empty", sign("RS256", k.rsa, good(), "kid", "rsa", "crit", []string{}), "critical"},

		{"empty", "", "no token"},
		{"huge", sign("HS256", hmacKey, good("padding", strings.Repeat("x", maxToken))), "bytes"},
		{"dots only", "..", malformed},
		{"one part", parts[0], malformed},
		{"two parts", parts[0] + "." + parts[1], malformed},
		{"no signature", parts[0] + "." + parts[1] + ".", signature},
		{"no signature, RS256", rs256[:strings.LastIndex(rs256, ".")+1], signature},
		{"four parts", hs256 + "." + parts[2], malformed},
		{"five parts", hs256 + ".a.b", malformed},
		{"trailing dot", hs256 + ".", malformed},
		{"truncated by one", hs256[:len(hs256)-1], ""},
		{"truncated by four", hs256[:len(hs256)-4], ""},
		{"signature with a byte more", hs256[:len(hs256)-3] + "AAAA", ""},
		{"padded", hs256 + "=", malformed},
		{"signature in another spelling", respelled(hs256), malformed},
		{"spaces around", " " + hs256 + " ", malformed},
		{"quoted", `"` + hs256 + `"`, malformed},
		{"other scheme's prefix", "Bearer " + hs256, malformed},
		{"payload exchanged", parts[0] + "." + segment(strings.Replace(payload, "alice", "mallory", 1)) + "." + parts[2], signature},
		{"header exchanged", segment(`{"alg":"HS256","typ":"JWT","a":1}`) + "." + parts[1] + "." + parts[2], signature},
		{"payload no JSON", signText("HS256", hmacKey, `{"alg":"HS256"}`, "alice"), malformed},
		{"payload null", signText("HS256", hmacKey, `{"alg":"HS256"}`, "null"), "required"},
		{"payload a list", signText("HS256", hmacKey, `{"alg":"HS256"}`, "["+payload+"]"), malformed},
		{"payload twice", signText("HS256", hmacKey, `{"alg":"HS256"}`, payload+payload), malformed},
		{"header null", signText("HS256", hmacKey, `null`, payload), alg},
		{"header a list", signText("HS256", hmacKey, `["HS256"]`, payload), malformed},
	}
}

// respelled writes the same bytes in another way: 32 bytes leave two bits of the
// last character free.
func respelled(token string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(token) - 1
	return token[:last] + string(alphabet[strings.IndexByte(alphabet, token[last])+1])
}

func TestVerifyRefuses(t *testing.T) {
	log := new(journal)
	v := full(t, log)
	for _, test := range badTokens() {
		t.Run(test.name, func(t *testing.T) {
			grant, err := v.Verify(test.token)
			if err == nil {
				t.Fatalf("accepted, for %+v", grant)
			}
			if grant.UserID != "" || !grant.Expires.IsZero() {
				t.Errorf("the error comes with %+v", grant)
			}
			if !strings.Contains(err.Error(), test.why) {
				t.Errorf("refused with %q, want %q", err, test.why)
			}
			for part := range strings.SplitSeq(test.token, ".") {
				if len(part) > 8 && (strings.Contains(err.Error(), part) || strings.Contains(log.String(), part)) {
					t.Errorf("%q was told", part)
				}
			}
		})
	}
	for _, s := range []string{"alice", "mallory", secret, otherSecret} {
		if strings.Contains(log.String(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
}

// What a Verifier was not given it cannot accept.
func TestVerifyRefusesUnconfigured(t *testing.T) {
	k := testKeys()
	set := writeFile(t, keySetJSON(publicJWK(k.rsa), publicJWK(k.ed), publicJWK(k.otherRSA, "kid", "2")))
	hmacOnly := verifier(t, Options{Secrets: []string{secret}})
	keysOnly := verifier(t, Options{JWKS: set})
	tests := []struct {
		name  string
		v     *Verifier
		token string
	}{
		{"RS256 without a set", hmacOnly, sign("RS256", k.rsa, claims())},
		{"EdDSA without a set", hmacOnly, sign("EdDSA", k.ed, claims())},
		{"HS256 without secrets", keysOnly, sign("HS256", []byte(secret), claims())},
		{"HS256 with the empty secret, without secrets", keysOnly, sign("HS256", []byte{}, claims())},
		{"ES256 without such a key", keysOnly, sign("ES256", k.p256, claims())},
		{"no kid where two keys fit", keysOnly, sign("RS256", k.rsa, claims())},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if grant, err := test.v.Verify(test.token); err == nil {
				t.Errorf("accepted, for %+v", grant)
			}
		})
	}
	if _, err := keysOnly.Verify(sign("EdDSA", k.ed, claims())); err != nil {
		t.Errorf("the only Ed25519 key of the set: %v", err)
	}
	if _, err := keysOnly.Verify(sign("RS256", k.otherRSA, claims(), "kid", "2")); err != nil {
		t.Errorf("one of two RSA keys by its id: %v", err)
	}
}

func TestLeewayToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := verifier(t, Options{Secrets: []string{secret}})
		start := time.Now()
		in := func(d time.Duration) int64 { return start.Add(d).Unix() }
		token := sign("HS256", []byte(secret), claims("iat", in(leeway), "nbf", in(time.Minute), "exp", in(2*time.Minute)))
		for _, step := range []struct {
			at time.Duration
			ok bool
		}{
			{0, false},
			{time.Minute - leeway - 1, false},
			{time.Minute - leeway, true},
			{2 * time.Minute, true},
			{2*time.Minute + leeway - 1, true},
			{2*time.Minute + leeway, false},
		} {
			time.Sleep(time.Until(start.Add(step.at)))
			grant, err := v.Verify(token)
			if (err == nil) != step.ok {
				t.Errorf("after %v: %v", step.at, err)
			}
			if step.ok && !grant.Expires.Equal(start.Add(2*time.Minute+leeway)) {
				t.Errorf("expires %v after the start", grant.Expires.Sub(start))
			}
		}
	})
}

func TestClaim(t *testing.T) {
	v := verifier(t, Options{Secrets: []string{secret}, Claim: "https://oodaa/user"})
	grant, err := v.Verify(sign("HS256", []byte(secret), claims("https://oodaa/user", "bob")))
	if err != nil || grant.UserID != "bob" {
		t.Errorf("got %+v, %v", grant, err)
	}
	if _, err := v.Verify(sign("HS256", []byte(secret), claims())); err == nil {
		t.Error("sub was taken for the claim")
	}
}

func TestWatchClaim(t *testing.T) {
	const claim = "contacts"
	for _, tt := range []struct {
		name     string
		setting  string
		value    any // nil: the token does not have the claim
		bob, eve bool
	}{
		{"no setting", "", []string{"bob"}, true, true},
		{"no claim", claim, nil, true, true},
		{"a list", claim, []string{"alice", "bob"}, true, false},
		{"an empty list", claim, []string{}, false, false},
		{"other things in the list", claim, []any{5, nil, []string{"eve"}, "bob"}, true, false},
		{"not a list", claim, "bob", false, false},
		{"an object", claim, map[string]any{"bob": true}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := verifier(t, Options{Secrets: []string{secret}, WatchClaim: tt.setting})
			c := claims()
			if tt.value != nil {
				c = claims(claim, tt.value)
			}
			grant, err := v.Verify(sign("HS256", []byte(secret), c))
			if err != nil {
				t.Fatal(err)
			}
			if bob, eve := grant.MayWatch("bob"), grant.MayWatch("eve"); bob != tt.bob || eve != tt.eve {
				t.Errorf("may watch bob: %v, eve: %v", bob, eve)
			}
		})
	}
}

func TestSecretsRotate(t *testing.T) {
	old, fresh := sign("HS256", []byte(secret), claims()), sign("HS256", []byte(otherSecret), claims())
	for _, test := range []struct {
		name       string
		secrets    []string
		old, fresh bool
	}{
		{"before", []string{secret}, true, false},
		{"between", []string{otherSecret, secret}, true, true},
		{"after", []string{otherSecret}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := verifier(t, Options{Secrets: test.secrets})
			if got := accepts(v, old)(); got != test.old {
				t.Errorf("old secret: %v", got)
			}
			if got := accepts(v, fresh)(); got != test.fresh {
				t.Errorf("new secret: %v", got)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for name, opts := range map[string]Options{
		"nothing":            {},
		"empty secret":       {Secrets: []string{secret, ""}},
		"blank secret":       {Secrets: []string{" \t"}},
		"missing file":       {JWKS: t.TempDir() + "/none.json"},
		"directory":          {JWKS: t.TempDir()},
		"file with no JSON":  {JWKS: writeFile(t, []byte("keys"))},
		"file with no set":   {JWKS: writeFile(t, []byte(`{"error":"no"}`))},
		"file with null":     {JWKS: writeFile(t, []byte(`{"keys":null}`))},
		"file too large":     {JWKS: writeFile(t, append(keySetJSON(), strings.Repeat(" ", maxKeySet)...))},
		"URL with no host":   {JWKS: "https:///keys.json"},
		"URL with bad port":  {JWKS: "https://user:password@host:port/keys.json"},
		"URL ends early":     {JWKS: "https://user:password/@host/keys.json"},
		"file beside secret": {Secrets: []string{secret}, JWKS: "/nowhere/keys.json"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := New(opts)
			if err == nil {
				v.Close()
				t.Fatal("made")
			}
			if strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells secrets: %v", err)
			}
		})
	}
}

func TestShortSecretsAreWarnedOf(t *testing.T) {
	log := new(journal)
	short := "thirty-one bytes are one short."
	v := verifier(t, Options{Secrets: []string{secret, short, short + "!"}, Log: log.logger()})
	if log.count("token secret is short") != 1 || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "secret=2") {
		t.Errorf("log: %s", log)
	}
	if strings.Contains(log.String(), short) {
		t.Error("the log holds the secret")
	}
	if !accepts(v, sign("HS256", []byte(short), claims()))() {
		t.Error("a short secret is refused")
	}
}

func TestBearer(t *testing.T) {
	for _, test := range []struct {
		name    string
		headers []string
		want    string
	}{
		{"none", nil, ""},
		{"token", []string{"Bearer a.b.c"}, "a.b.c"},
		{"scheme in any case", []string{"bEARER a.b.c"}, "a.b.c"},
		{"spaces", []string{"Bearer   a.b.c  "}, "a.b.c"},
		{"no token", []string{"Bearer"}, ""},
		{"no token but a space", []string{"Bearer "}, ""},
		{"no scheme", []string{"a.b.c"}, ""},
		{"another scheme", []string{"Basic YTpi"}, ""},
		{"longer scheme", []string{"BearerX a.b.c"}, ""},
		{"two headers", []string{"Bearer a.b.c", "Bearer d.e.f"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &http.Request{Header: http.Header{}}
			for _, h := range test.headers {
				r.Header.Add("Authorization", h)
			}
			if got := Bearer(r); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestVerifyWhileKeysChange(t *testing.T) {
	k := testKeys()
	sets := [][]byte{
		keySetJSON(publicJWK(k.ed, "kid", "always")),
		keySetJSON(publicJWK(k.ed, "kid", "always"), publicJWK(k.p256, "kid", "at times")),
	}
	path := writeFile(t, sets[0])
	log := new(journal)
	v := verifier(t, Options{Secrets: []string{secret}, JWKS: path, Log: log.logger()})
	always, unknown, hmac := sign("EdDSA", k.ed, claims(), "kid", "always"), sign("EdDSA", k.ed, claims(), "kid", "?"), sign("HS256", []byte(secret), claims())
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !accepts(v, always)() || !accepts(v, hmac)() || accepts(v, unknown)() {
					t.Error("wrong answer while the set changes")
					return
				}
			}
		})
	}
	for i := range 10 {
		before := log.count("key set read")
		replaceFile(t, path, sets[(i+1)%2])
		eventually(t, "the new set is read", func() bool { return log.count("key set read") > before })
	}
	close(stop)
	callers.Wait()
	for _, s := range []string{always, unknown, hmac, "alice", "always"} {
		if strings.Contains(log.String(), s) {
			t.Errorf("the log holds %q", s)
		}
	}
}
