package hub

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
	// left: the user said goodbye, or did not come back in time.
	left atomic.Bool
	// hidden: the user is away, and that has been announced.
	hidden atomic.Bool
	// waiting is not nil while relays to the user are held: it is away, has not been
	// told yet that it has the name, or is of another instance and gets what was sent
	// here before.
	waiting atomic.Pointer[hold]
	// successor is the registration by which the same user goes on, if it does.
	successor atomic.Pointer[User]

	// guarded by Hub.mu
	away     *absence  // nil: it is not
	question *Question // whether it is the same user as before; nil: that is settled
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

// Relay puts r on the user's connection, or holds it.
func (u *User) Relay(r *Relay) Outcome {
	if held := u.waiting.Load(); held != nil {
		if outcome, kept := held.add(r); kept {
			return outcome
		}
	}
	return u.Peer.Relay(r)
}

// Over reports whether the user's connection takes nothing any more.
func (u *User) Over() bool { return u.Peer.Over() }

// latest is the registration that the user has now.
func (u *User) latest() *User {
	for {
		next := u.successor.Load()
		if next == nil {
			return u
		}
		u = next
	}
}

// departed reports whether the user has left.
func (u *User) departed() bool { return u.latest().left.Load() }

// End ends the registration.
func (u *User) End() { u.gone.Store(true) }

// Named reports whether the raw JSON string is the user's name.
func (u *User) Named(raw []byte) bool {
	return string(raw) == string(u.JSON) || string(rawjson.Decode(raw)) == u.ID
}
