package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// The algorithms of keys in a set (RFC 7518, section 3.1; RFC 8037, section 3.1).
const (
	algRSA     = "RS256"
	algECDSA   = "ES256"
	algEd25519 = "EdDSA"
)

// Sizes of the RSA keys that we use, in bits: the least that RFC 7518, section
// 3.3 allows, and the most that is cheap enough to check for anybody who asks.
const (
	minRSA = 2048
	maxRSA = 8192
)

// A keySet holds the keys of a JSON Web Key Set that we can use. It does not
// change once it is made.
type keySet struct {
	keys    []publicKey
	skipped int // keys of other kinds, or malformed
}

// A publicKey verifies tokens of one algorithm.
type publicKey struct {
	kid string // empty if it has none
	alg string
	key crypto.PublicKey
}

// find returns the one key with the algorithm and id, or the only one with the
// algorithm if kid is empty.
func (s *keySet) find(alg, kid string) (crypto.PublicKey, bool) {
	var found crypto.PublicKey
	for _, k := range s.keys {
		if k.alg != alg || kid != "" && k.kid != kid {
			continue
		}
		if found != nil {
			return nil, false
		}
		found = k.key
	}
	return found, found != nil
}

// parseKeySet reads a JSON Web Key Set (RFC 7517, section 5). Keys that we
// cannot use are skipped.
func parseKeySet(data []byte) (*keySet, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("no JSON Web Key Set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New(`no JSON Web Key Set: it has no "keys"`)
	}
	s := new(keySet)
	for _, raw := range set.Keys {
		var k jwk
		if json.Unmarshal(raw, &k) != nil {
			s.skipped++
			continue
		}
		alg, key := k.public()
		if key == nil || !k.verifies(alg) {
			s.skipped++
			continue
		}
		s.keys = append(s.keys, publicKey{kid: k.ID, alg: alg, key: key})
	}
	return s, nil
}

// A jwk is a JSON Web Key, as far as we read it (RFC 7517, section 4; RFC 7518,
// section 6; RFC 8037, section 2). Private halves are not looked at.
type jwk struct {
	Type       string   `json:"kty"`
	ID         string   `json:"kid"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	Curve      string   `json:"crv"`
	N          string   `json:"n"`
	E          string   `json:"e"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
}

// verifies reports whether the key is meant to verify signatures with alg.
func (k *jwk) verifies(alg string) bool {
	// RFC 9864 renames EdDSA with this curve, and Web Crypto exports it so.
	sameAlg := k.Algorithm == alg || alg == algEd25519 && k.Algorithm == "Ed25519"
	return (k.Algorithm == "" || sameAlg) &&
		(k.Use == "" || k.Use == "sig") &&
		(len(k.Operations) == 0 || slices.Contains(k.Operations, "verify"))
}

// public returns the key and its algorithm, or nil if we do not use such keys.
func (k *jwk) public() (alg string, key crypto.PublicKey) {
	switch {
	case k.Type == "RSA":
		if key := rsaKey(k.N, k.E); key != nil {
			return algRSA, key
		}
	case k.Type == "EC" && k.Curve == "P-256":
		x, y := decodeParameter(k.X), decodeParameter(k.Y)
		if len(x) != 32 || len(y) != 32 {
			return "", nil
		}
		const uncompressed = 4
		point := slices.Concat([]byte{uncompressed}, x, y)
		if key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point); err == nil {
			return algECDSA, key
		}
	case k.Type == "OKP" && k.Curve == "Ed25519":
		if x := decodeParameter(k.X); len(x) == ed25519.PublicKeySize {
			return algEd25519, ed25519.PublicKey(x)
		}
	}
	return "", nil
}

func rsaKey(modulus, exponent string) *rsa.PublicKey {
	n := new(big.Int).SetBytes(decodeParameter(modulus))
	e := new(big.Int).SetBytes(decodeParameter(exponent))
	if n.BitLen() < minRSA || n.BitLen() > maxRSA || n.Bit(0) == 0 {
		return nil
	}
	if e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 {
		return nil
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}
}

// decodeParameter returns nil for what is not base64url. Some issuers pad it.
func decodeParameter(text string) []byte {
	data, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil
	}
	return data
}
