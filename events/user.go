package events

import (
	"sync/atomic"

	"github.com/oodaa/signaling/server/rawjson"
)

// A User is one registration: a name held by one connection. A name that is
// registered anew, by whomever, is another User, so that what ends the former
// cannot end the latter. Safe for concurrent use.
type User struct {
	ID   string // as DecodeString returns it
	JSON []byte // ID as a JSON string
	Peer Peer   // the connection that holds the name

	// Epoch tells the registrations of one instance apart, where there are
	// several; Instance is that of another one, and empty for users of ours.
	// Both are set before anybody else knows of the User.
	Epoch    uint64
	Instance string

	key  atomic.Pointer[string]
	gone atomic.Bool
}

// NewUser returns the registration of id by peer. key is the public key of a
// Volli user, or empty.
func NewUser(id, key string, peer Peer) *User {
	u := &User{ID: id, JSON: rawjson.AppendString(nil, id), Peer: peer}
	u.SetKey(key)
	return u
}

// Key is the user's public key, or empty.
func (u *User) Key() string { return *u.key.Load() }

// SetKey replaces the user's public key.
func (u *User) SetKey(key string) { u.key.Store(&key) }

// Gone reports whether the registration has ended.
func (u *User) Gone() bool { return u.gone.Load() }

// End ends the registration.
func (u *User) End() { u.gone.Store(true) }

// named reports whether the raw JSON string is the user's name.
func (u *User) named(raw []byte) bool {
	return string(raw) == string(u.JSON) || string(rawjson.Decode(raw)) == u.ID
}
