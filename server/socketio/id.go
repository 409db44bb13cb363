package socketio

import (
	"crypto/rand"
	"encoding/base64"
)

// NewID returns a session or socket id: 144 random bits. Anyone who knows the id
// of a long-polling session can read and write it, so it must not be guessed.
func NewID() string {
	var b [18]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
