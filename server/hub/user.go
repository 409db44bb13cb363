package hub

import (
	"sync"
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

	// arriving is held until the client has been told that it has the name, so
	// that what others send to it comes behind that.
	arriving sync.Mutex
	arrived  atomic.Bool
}

// NewUser returns the registration of id by peer. key is the public key of a
// Volli user, or empty.
func NewUser(id, key string, peer Peer) *User {
	u := &User{ID: id, JSON: rawjson.AppendString(nil, id), Peer: peer}
	u.SetKey(key)
	u.arrived.Store(true)
	return u
}

// Key is the user's public key, or empty.
func (u *User) Key() string { return *u.key.Load() }

// SetKey replaces the user's public key.
func (u *User) SetKey(key string) { u.key.Store(&key) }

// Gone reports whether the registration has ended.
func (u *User) Gone() bool { return u.gone.Load() }

// arrive lets relays to the user go on.
func (u *User) arrive() {
	u.arrived.Store(true)
	u.arriving.Unlock()
}

// Relay puts r on the user's connection, behind what the client is told when it
// registers.
func (u *User) Relay(r *Relay) Outcome {
	if !u.arrived.Load() {
		u.arriving.Lock()
		u.arriving.Unlock() //nolint:staticcheck // it is waited for
	}
	return u.Peer.Relay(r)
}

// End ends the registration.
func (u *User) End() { u.gone.Store(true) }

// Named reports whether the raw JSON string is the user's name.
func (u *User) Named(raw []byte) bool {
	return string(raw) == string(u.JSON) || string(rawjson.Decode(raw)) == u.ID
}
