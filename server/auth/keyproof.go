package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

const (
	nonceSize = 32
	// maxText is longer than the base64 of any key or signature that we accept,
	// broken into lines or not.
	maxText = 256
	// ecdsaPart is the size of r and of s of a P-256 signature.
	ecdsaPart = 32
)

// A PublicKey is the key that a Volli client registers with: Ed25519, or ECDSA
// on P-256. Make it with ParseKey. It does not change.
type PublicKey struct {
	key interface{ Equal(crypto.PublicKey) bool }
}

// ParseKey reads a key from the base64, padded or not, of its
// SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), which is how Web Crypto
// exports it as "spki".
func ParseKey(spki string) (*PublicKey, error) {
	if len(spki) > maxText {
		return nil, errors.New("public key is too long")
	}
	der, err := decodeBase64(spki)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	switch key := parsed.(type) {
	case ed25519.PublicKey:
		return &PublicKey{key}, nil
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return &PublicKey{key}, nil
		}
	}
	return nil, errors.New("public key is neither Ed25519 nor ECDSA P-256")
}

// Equal reports whether both are the same key, however their texts were written.
func (k *PublicKey) Equal(other *PublicKey) bool { return k.key.Equal(other.key) }

// NewNonce returns the base64 of 32 random bytes. Who hands it out must accept
// it once only.
func NewNonce() string {
	nonce := make([]byte, nonceSize)
	rand.Read(nonce)
	return base64.StdEncoding.EncodeToString(nonce)
}

// Proves reports whether the signature was made with the key's private half,
// for that user and the nonce as it was sent. The signature is base64: 64 bytes
// of Ed25519, or r and s of 32 bytes each of ECDSA with SHA-256, as Web Crypto
// makes them (contract, section 7).
func (k *PublicKey) Proves(userID, nonce, signature string) bool {
	if len(signature) > maxText {
		return false
	}
	sig, err := decodeBase64(signature)
	if err != nil {
		return false
	}
	message := []byte("oodaa-register\n" + userID + "\n" + nonce)
	switch key := k.key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, sig)
	case *ecdsa.PublicKey:
		if len(sig) != 2*ecdsaPart {
			return false
		}
		hash := sha256.Sum256(message)
		r, s := new(big.Int).SetBytes(sig[:ecdsaPart]), new(big.Int).SetBytes(sig[ecdsaPart:])
		return ecdsa.Verify(key, hash[:], r, s)
	}
	return false
}

// decodeBase64 passes over line ends, which some encoders put in (RFC 2045,
// section 6.8).
func decodeBase64(text string) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if strings.Contains(text, "=") {
		encoding = base64.StdEncoding
	}
	return encoding.Strict().DecodeString(text)
}
