package auth

import (
	"crypto"
	"testing"
)

func BenchmarkVerify(b *testing.B) {
	k := testKeys()
	v := full(b, new(journal))
	for _, token := range []struct{ alg, text string }{
		{"HS256", sign("HS256", []byte(secret), good())},
		{"RS256", sign("RS256", k.rsa, good(), "kid", "rsa")},
		{"ES256", sign("ES256", k.p256, good(), "kid", "ec")},
		{"EdDSA", sign("EdDSA", k.ed, good(), "kid", "ed")},
		{"forged", sign("RS256", k.otherRSA, good(), "kid", "rsa")},
	} {
		b.Run(token.alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(token.text); (err == nil) != (token.alg != "forged") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkProves(b *testing.B) {
	k := testKeys()
	nonce := NewNonce()
	for name, signer := range map[string]crypto.Signer{"Ed25519": k.ed, "P-256": k.p256} {
		text := encode(spki(signer.Public()))
		signature := encode(proof(signer, "oodaa-register\nalice\n"+nonce))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				key, err := ParseKey(text)
				if err != nil || !key.Proves("alice", nonce, signature) {
					b.Fatal("refused")
				}
			}
		})
	}
}
