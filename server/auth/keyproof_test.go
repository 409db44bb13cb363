package auth

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// spki returns the DER of a public key.
func spki(key crypto.PublicKey) []byte { return must(x509.MarshalPKIXPublicKey(key)) }

func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// inLines breaks base64 as MIME does, with a line end at the end too.
func inLines(text string) string { return text[:76] + "\r\n" + text[76:] + "\r\n" }

// proof signs as a Volli client does.
func proof(key crypto.Signer, message string) []byte {
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		hash := sha256.Sum256([]byte(message))
		r, s, err := ecdsa.Sign(rand.Reader, key, hash[:])
		if err != nil {
			panic(err)
		}
		size := (key.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	return must(key.Sign(rand.Reader, []byte(message), crypto.Hash(0)))
}

func TestParseKey(t *testing.T) {
	k := testKeys()
	ed, p256 := spki(k.ed.Public()), spki(k.p256.Public())
	// The same key, its point in the compressed form.
	compressed := func() []byte {
		public := k.p256.PublicKey
		point := must(public.Bytes())
		short := append([]byte{2 + point[64]&1}, point[1:33]...)
		der := slices.Clone(p256[:len(p256)-len(point)-1])
		der[1] -= 32
		der[len(der)-2] -= 32 // of the bit string
		return append(append(der, 0), short...)
	}()
	off := slices.Clone(p256)
	off[len(off)-1] ^= 1
	for _, test := range []struct {
		name, text string
		ok         bool
	}{
		{"Ed25519", encode(ed), true},
		{"Ed25519, unpadded", strings.TrimRight(encode(ed), "="), true},
		{"P-256", encode(p256), true},
		{"P-256, unpadded", strings.TrimRight(encode(p256), "="), true},
		{"P-256, in lines", inLines(encode(p256)), true},
		{"empty", "", false},
		{"no base64", "public key", false},
		{"no DER", encode([]byte("public key")), false},
		{"base64url", base64.URLEncoding.EncodeToString(append(ed[:len(ed)-2:len(ed)-2], 0xff, 0xff)), false},
		{"half padded", encode(append(ed, 0))[:59] + "==", false},
		{"PEM", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: ed})), false},
		{"bare Ed25519 key", encode(ed[len(ed)-32:]), false},
		{"bare point", encode(p256[len(p256)-65:]), false},
		{"truncated", encode(ed[:len(ed)-1]), false},
		{"trailing byte", encode(append(ed[:len(ed):len(ed)], 0)), false},
		{"off the curve", encode(off), false},
		{"compressed point", encode(compressed), false},
		{"P-384", encode(spki(k.p384.Public())), false},
		{"P-224", encode(spki(must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)).Public())), false},
		{"P-521", encode(spki(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)).Public())), false},
		{"X25519", encode(spki(must(ecdh.X25519().GenerateKey(rand.Reader)).Public())), false},
		{"RSA 1024", encode(spki(k.smallRSA.Public())), false},
		{"RSA 2048", encode(spki(k.rsa.Public())), false},
		{"private key", encode(must(x509.MarshalPKCS8PrivateKey(k.ed))), false},
		{"huge", strings.Repeat("\n", 4096) + encode(ed), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			key, err := ParseKey(test.text)
			if (err == nil) != test.ok || (key != nil) != test.ok {
				t.Errorf("got %v, %v", key, err)
			}
		})
	}
}

func TestSameKey(t *testing.T) {
	k := testKeys()
	_, otherEd, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		encode(spki(k.ed.Public())),
		encode(spki(otherEd.Public())),
		encode(spki(k.p256.Public())),
		encode(spki(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)).Public())),
	}
	for i, a := range texts {
		for j, b := range texts {
			for _, b := range []string{b, strings.TrimRight(b, "=")} {
				if got := must(ParseKey(a)).Equal(must(ParseKey(b))); got != (i == j) {
					t.Errorf("keys %d and %d: %v", i, j, got)
				}
			}
		}
	}
}

func TestProves(t *testing.T) {
	k := testKeys()
	const user, nonce = "alice", "bm9uY2Ugb2YgdGhpcnR5LXR3byBieXRlcywgYXMgc2U="
	const message = "oodaa-register\nalice\n" + nonce
	ed, p256 := proof(k.ed, message), proof(k.p256, message)
	hash := sha256.Sum256([]byte(message))
	asn1 := must(ecdsa.SignASN1(rand.Reader, k.p256, hash[:]))
	order := elliptic.P256().Params().N
	// The other s that verifies: Web Crypto makes either.
	mirrored := append(slices.Clone(p256[:32]), new(big.Int).Sub(order, new(big.Int).SetBytes(p256[32:])).FillBytes(make([]byte, 32))...)
	zero := make([]byte, 64)
	for _, test := range []struct {
		name string
		key  crypto.Signer
		sig  string
		want bool
	}{
		{"Ed25519", k.ed, encode(ed), true},
		{"Ed25519, unpadded", k.ed, strings.TrimRight(encode(ed), "="), true},
		{"Ed25519, in lines", k.ed, inLines(encode(ed)), true},
		{"Ed25519, base64url", k.ed, base64.URLEncoding.EncodeToString(append(slices.Repeat([]byte{0xff}, 3), ed[3:]...)), false},
		{"Ed25519, changed", k.ed, encode(append(ed[:63:63], ed[63]^1)), false},
		{"Ed25519, short", k.ed, encode(ed[:63]), false},
		{"Ed25519, long", k.ed, encode(append(ed[:64:64], 0)), false},
		{"Ed25519 by ECDSA", k.ed, encode(p256), false},
		{"Ed25519, zero", k.ed, encode(zero), false},
		{"Ed25519, none", k.ed, "", false},
		{"ECDSA", k.p256, encode(p256), true},
		{"ECDSA, unpadded", k.p256, strings.TrimRight(encode(p256), "="), true},
		{"ECDSA, unpadded, in lines", k.p256, inLines(strings.TrimRight(encode(p256), "=")), true},
		{"ECDSA, mirrored s", k.p256, encode(mirrored), true},
		{"ECDSA, changed", k.p256, encode(append(p256[:63:63], p256[63]^1)), false},
		{"ECDSA, short", k.p256, encode(p256[:63]), false},
		{"ECDSA, long", k.p256, encode(append(p256[:64:64], 0)), false},
		{"ECDSA, a zero more in the middle", k.p256, encode(slices.Concat(p256[:32], []byte{0}, p256[32:])), false},
		{"ECDSA, s and r", k.p256, encode(append(p256[32:64:64], p256[:32]...)), false},
		{"ECDSA, ASN.1", k.p256, encode(asn1), false},
		{"ECDSA, zero", k.p256, encode(zero), false},
		{"ECDSA, the order", k.p256, encode(append(order.Bytes(), order.Bytes()...)), false},
		{"ECDSA by Ed25519", k.p256, encode(ed), false},
		{"ECDSA, none", k.p256, "", false},
		{"huge", k.p256, strings.Repeat("A", 1<<20), false},
		{"over the hash", k.ed, encode(proof(k.ed, string(hash[:]))), false},
		{"over the nonce", k.ed, encode(proof(k.ed, nonce)), false},
		{"over the nonce's bytes", k.ed, encode(proof(k.ed, "oodaa-register\nalice\n"+string(must(base64.StdEncoding.DecodeString(nonce))))), false},
		{"with a line break more", k.ed, encode(proof(k.ed, message+"\n")), false},
		{"without the purpose", k.ed, encode(proof(k.ed, "alice\n"+nonce)), false},
		{"for another purpose", k.ed, encode(proof(k.ed, strings.Replace(message, "register", "discover", 1))), false},
		{"for another user", k.ed, encode(proof(k.ed, strings.Replace(message, "alice", "bob", 1))), false},
		{"for the user in capitals", k.ed, encode(proof(k.ed, strings.Replace(message, "alice", "ALICE", 1))), false},
		{"for another nonce", k.p256, encode(proof(k.p256, strings.Replace(message, "bm9", "Bm9", 1))), false},
		{"in other order", k.ed, encode(proof(k.ed, "oodaa-register\n"+nonce+"\nalice")), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := must(ParseKey(encode(spki(test.key.Public()))))
			if got := key.Proves(user, nonce, test.sig); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestNoncesAreNew(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		nonce := NewNonce()
		if data, err := base64.StdEncoding.DecodeString(nonce); err != nil || len(data) != 32 || seen[nonce] {
			t.Fatalf("%q: %v", nonce, err)
		}
		seen[nonce] = true
	}
}
