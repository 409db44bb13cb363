package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"hash"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// Keys of the fuzz tests are the same in every process, so that what one of
// them finds is the same for the next.
var (
	fuzzEd   = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	fuzzP256 = must(ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32)))
)

// FuzzVerify checks that what Verify accepts is signed, says so by itself, and
// names the user of the grant.
func FuzzVerify(f *testing.F) {
	opts := Options{
		Secrets: []string{secret},
		JWKS:    writeFile(f, keySetJSON(publicJWK(fuzzEd, "kid", "ed"), publicJWK(fuzzP256, "kid", "ec"))),
	}
	v, err := New(opts)
	if err != nil {
		f.Fatal(err)
	}
	defer v.Close()
	claims := object{"sub": "alice", "exp": 4102444800}
	for _, seed := range []struct {
		token string
		ok    bool
	}{
		{sign("HS256", []byte(secret), claims), true},
		{sign("HS384", []byte(secret), claims), true},
		{sign("HS512", []byte(secret), claims), true},
		{sign("EdDSA", fuzzEd, claims, "kid", "ed"), true},
		{sign("EdDSA", fuzzEd, claims), true},
		{sign("ES256", fuzzP256, claims, "kid", "ec"), true},
		{sign("HS256", []byte(fuzzEd.Public().(ed25519.PublicKey)), claims, "kid", "ed"), false},
	} {
		if accepts(v, seed.token)() != seed.ok {
			f.Fatalf("seed %s is not %v", seed.token, seed.ok)
		}
		f.Add(seed.token)
	}
	for _, bad := range badTokens() {
		if len(bad.token) < maxToken {
			f.Add(bad.token)
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		grant, err := v.Verify(token)
		if err != nil {
			if grant.UserID != "" || !grant.Expires.IsZero() {
				t.Errorf("refused, and granted %+v", grant)
			}
			return
		}
		if !signed(token) {
			t.Error("accepted without a signature")
		}
		var claims struct{ Sub string }
		payload := must(base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1]))
		if err := json.Unmarshal(payload, &claims); err != nil || grant.UserID == "" || claims.Sub != grant.UserID {
			t.Errorf("granted %+v to %s", grant, payload)
		}
	})
}

// signed checks a token's signature in its own way.
func signed(token string) bool {
	end := strings.LastIndex(token, ".")
	content := []byte(token[:end])
	signature, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil {
		return false
	}
	for _, h := range []func() hash.Hash{sha256.New, sha512.New384, sha512.New} {
		mac := hmac.New(h, []byte(secret))
		mac.Write(content)
		if bytes.Equal(mac.Sum(nil), signature) {
			return true
		}
	}
	return ed25519.Verify(fuzzEd.Public().(ed25519.PublicKey), content, signature) ||
		provedECDSA(content, signature)
}

func provedECDSA(content, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	hash := sha256.Sum256(content)
	return ecdsa.Verify(&fuzzP256.PublicKey, hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
}

// FuzzProves checks that only signatures of our keys prove our keys, and that
// no key makes it panic.
func FuzzProves(f *testing.F) {
	const user, nonce = "alice", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	message := "oodaa-register\n" + user + "\n" + nonce
	ed, p256 := encode(spki(fuzzEd.Public())), encode(spki(fuzzP256.Public()))
	f.Add(ed, user, nonce, encode(proof(fuzzEd, message)))
	f.Add(p256, user, nonce, encode(proof(fuzzP256, message)))
	f.Add(inLines(p256), user, nonce, inLines(encode(proof(fuzzP256, message))))
	f.Add(strings.TrimRight(ed, "="), user, nonce, encode(proof(fuzzP256, message)))
	f.Add(encode(spki(testKeys().p384.Public())), user, nonce, "")
	f.Add(encode(spki(testKeys().smallRSA.Public())), "", "", "====")
	ours := []*PublicKey{must(ParseKey(ed)), must(ParseKey(p256))}
	f.Fuzz(func(t *testing.T, spki, user, nonce, signature string) {
		message := []byte("oodaa-register\n" + user + "\n" + nonce)
		data, err := decodeBase64(signature)
		readable := err == nil && len(signature) <= maxText
		want := []bool{
			readable && bytes.Equal(data, ed25519.Sign(fuzzEd, message)),
			readable && provedECDSA(message, data),
		}
		for i, key := range ours {
			if got := key.Proves(user, nonce, signature); got != want[i] {
				t.Errorf("key %d: %v", i, got)
			}
		}
		key, err := ParseKey(spki)
		if err != nil {
			return
		}
		if !key.Equal(key) {
			t.Error("the key is not itself")
		}
		for i, our := range ours {
			if key.Equal(our) != our.Equal(key) || key.Equal(our) && key.Proves(user, nonce, signature) != want[i] {
				t.Errorf("key %d is not the same to itself", i)
			}
		}
		key.Proves(user, nonce, signature)
	})
}

// FuzzParseKeySet checks that no set makes parsing or the use of its keys panic.
func FuzzParseKeySet(f *testing.F) {
	k := testKeys()
	f.Add(keySetJSON(publicJWK(fuzzEd, "kid", "ed"), publicJWK(fuzzP256, "kid", "ec", "use", "sig"), publicJWK(k.rsa, "key_ops", []string{"verify"})))
	f.Add(keySetJSON(publicJWK(k.p384), publicJWK(k.smallRSA), object{"kty": "oct", "k": "AAAA"}))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":5},null,[],"",{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeySet(data)
		if err != nil {
			return
		}
		const content = "e30.e30"
		for _, key := range set.keys {
			method := jwt.GetSigningMethod(key.alg)
			for _, size := range []int{0, 64, 256, 1024} {
				if method.Verify(content, bytes.Repeat([]byte{1}, size), key.key) == nil {
					t.Errorf("%s: %d bytes are a signature", key.alg, size)
				}
			}
		}
	})
}
