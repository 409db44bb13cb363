package access

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/oodaa/signaling/test/rig"
)

const (
	secret      = "the secret of these tests of more than 32 bytes"
	otherSecret = "another secret of these tests as long as that"
	issuer      = "https://issuer.example"
	audience    = "signaling"
)

// keys are the private keys of the tests.
var keys = sync.OnceValue(func() (k struct {
	rsa       *rsa.PrivateKey
	ec        *ecdsa.PrivateKey
	ed, other ed25519.PrivateKey
}) {
	var err error
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	if k.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	_, k.ed, _ = ed25519.GenerateKey(nil)
	_, k.other, _ = ed25519.GenerateKey(nil)
	return k
})

// claims are those of a good token of alice's for an hour, with changes: names
// and values in turn, where nil takes a claim away.
func claims(changes ...any) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "alice", "iss": issuer, "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(changes); i += 2 {
		if name := changes[i].(string); changes[i+1] == nil {
			delete(c, name)
		} else {
			c[name] = changes[i+1]
		}
	}
	return c
}

func sign(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	token := jwt.NewWithClaims(method, c)
	switch key.(type) {
	case *rsa.PrivateKey:
		token.Header["kid"] = "rsa"
	case *ecdsa.PrivateKey:
		token.Header["kid"] = "ec"
	case ed25519.PrivateKey:
		token.Header["kid"] = "ed"
	}
	text, err := token.SignedString(key)
	if err != nil {
		panic(err)
	}
	return text
}

// hs256 is a token signed with the secret.
func hs256(changes ...any) string {
	return sign(jwt.SigningMethodHS256, []byte(secret), claims(changes...))
}

// keySet is the JSON Web Key Set of public keys by their ids.
func keySet(byID map[string]crypto.Signer) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	set := []map[string]string{}
	for kid, key := range byID {
		jwk := map[string]string{"kid": kid}
		switch public := key.Public().(type) {
		case *rsa.PublicKey:
			jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := public.Bytes()
			if err != nil {
				panic(err)
			}
			jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
		case ed25519.PublicKey:
			jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(public)
		}
		set = append(set, jwk)
	}
	text, err := json.Marshal(map[string]any{"keys": set})
	if err != nil {
		panic(err)
	}
	return text
}

// allKeys is the set of the keys that tokens are signed with.
func allKeys() []byte {
	return keySet(map[string]crypto.Signer{"rsa": keys().rsa, "ec": keys().ec, "ed": keys().ed})
}

func write(t testing.TB, path string, data []byte) string {
	t.Helper()
	// In one step, as operators should.
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// guarded starts a server that wants tokens signed with the secret or a key of
// the set, and fails the test if anything of the tokens given is in its log.
func guarded(t *testing.T, tokens []string, env ...string) *rig.Server {
	t.Helper()
	set := write(t, filepath.Join(t.TempDir(), "keys.json"), allKeys())
	s := start(t, append([]string{"AUTH_JWT_SECRET=" + secret, "AUTH_JWKS=" + set,
		"AUTH_ISSUER=" + issuer, "AUTH_AUDIENCE=" + audience}, env...)...)
	t.Cleanup(func() { discreet(t, s, tokens...) })
	return s
}

// discreet fails the test if a secret, or a part of a token that says anything,
// is in the server's log.
func discreet(t *testing.T, s *rig.Server, tokens ...string) {
	t.Helper()
	words := []string{secret, otherSecret}
	for _, token := range tokens {
		words = append(words, token)
		if parts := strings.Split(token, "."); len(parts) == 3 {
			words = append(words, parts[1:]...)
		}
	}
	for _, word := range words {
		if len(word) > 15 && s.Log.Has(word) {
			t.Errorf("the log tells %q:\n%s", word, s.Log.Lines(word)[0])
		}
	}
}

// badTokens are tokens that nobody shall be let in with.
func badTokens() map[string]string {
	good := hs256()
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	mallory, _ := json.Marshal(claims("sub", "mallory"))
	public, err := x509.MarshalPKIXPublicKey(keys().rsa.Public())
	if err != nil {
		panic(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	return map[string]string{
		"none at all":                 "",
		"no token":                    "alice",
		"expired":                     hs256("exp", time.Now().Add(-time.Minute).Unix()),
		"expired in 1970":             hs256("exp", 0),
		"not yet":                     hs256("nbf", time.Now().Add(time.Hour).Unix()),
		"issued in the future":        hs256("iat", time.Now().Add(time.Hour).Unix()),
		"wrong secret":                sign(jwt.SigningMethodHS256, []byte(otherSecret), claims()),
		"empty secret":                sign(jwt.SigningMethodHS256, []byte{}, claims()),
		"wrong issuer":                hs256("iss", "https://mallory.example"),
		"no issuer":                   hs256("iss", nil),
		"wrong audience":              hs256("aud", "another"),
		"no audience":                 hs256("aud", nil),
		"unsigned":                    sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims()),
		"unsigned, but it says HS256": head + "." + payload + ".",
		"public key taken for secret": sign(jwt.SigningMethodHS256, publicPEM, claims()),
		"DER of it taken for secret":  sign(jwt.SigningMethodHS256, public, claims()),
		"unknown key":                 sign(jwt.SigningMethodEdDSA, keys().other, claims()),
		"algorithm that is not ours":  sign(jwt.SigningMethodRS512, keys().rsa, claims()),
		"truncated":                   good[:len(good)-5],
		"without its signature":       head + "." + payload,
		"another's claims":            head + "." + base64.RawURLEncoding.EncodeToString(mallory) + "." + signature,
		"no user":                     hs256("sub", nil),
		"user is empty":               hs256("sub", ""),
		"user is a number":            hs256("sub", 7),
		"too long":                    hs256("more", strings.Repeat("x", 9000)),
	}
}

// goodTokens are tokens of alice's.
func goodTokens() map[string]string {
	return map[string]string{
		"HS256":           hs256(),
		"HS384":           sign(jwt.SigningMethodHS384, []byte(secret), claims()),
		"HS512":           sign(jwt.SigningMethodHS512, []byte(secret), claims()),
		"RS256":           sign(jwt.SigningMethodRS256, keys().rsa, claims()),
		"ES256":           sign(jwt.SigningMethodES256, keys().ec, claims()),
		"EdDSA":           sign(jwt.SigningMethodEdDSA, keys().ed, claims()),
		"never expires":   hs256("exp", nil),
		"many audiences":  hs256("aud", []string{"another", audience}),
		"clocks that err": hs256("nbf", time.Now().Add(10*time.Second).Unix(), "iat", time.Now().Add(10*time.Second).Unix()),
	}
}
