package events

import (
	"maps"
	"testing"
)

// inbox is a Peer that takes relays as it is told to.
type inbox struct {
	code Code
	got  []*Relay
}

func (p *inbox) Relay(r *Relay) Code {
	p.got = append(p.got, r)
	return p.code
}

func (p *inbox) Replaced() {}

// directory is a Directory of a map.
type directory map[string]*User

func (d directory) Find(id []byte) *User { return d[string(id)] }

func TestHandlersRelay(t *testing.T) {
	alice := NewUser("alice", "", new(inbox))
	odd := NewUser("a\xed\xa0\x80\"", "", new(inbox))
	gone := NewUser("alice", "", new(inbox))
	gone.End()

	tests := []struct {
		name     string
		sender   *User
		from, to string
		target   Code // what the target's connection says
		want     Code
		arrives  bool
	}{
		{"delivered", alice, `"alice"`, "bob", OK, OK, true},
		{"escaped sender", alice, `"\u0061lic\u0065"`, "bob", OK, OK, true},
		{"odd sender", odd, `"a\ud800\""`, "bob", OK, OK, true},
		{"odd sender, other spelling", odd, `"\u0061\uD800\u0022"`, "bob", OK, OK, true},
		{"not registered", nil, `"alice"`, "bob", OK, NotRegistered, false},
		{"registered no more", gone, `"alice"`, "bob", OK, NotRegistered, false},
		{"not registered, nobody there", nil, `"alice"`, "carol", OK, NotRegistered, false},
		{"somebody else", alice, `"bob"`, "bob", OK, SenderMismatch, false},
		{"prefix", alice, `"alic"`, "bob", OK, SenderMismatch, false},
		{"longer", alice, `"alice "`, "bob", OK, SenderMismatch, false},
		{"other case", alice, `"Alice"`, "bob", OK, SenderMismatch, false},
		{"somebody else to nobody", alice, `"bob"`, "carol", OK, SenderMismatch, false},
		{"other surrogate", odd, `"a\ud801\""`, "bob", OK, SenderMismatch, false},
		{"replacement character", odd, `"a\ufffd\""`, "bob", OK, SenderMismatch, false},
		{"nobody there", alice, `"alice"`, "carol", OK, NotFound, false},
		{"target ends", alice, `"alice"`, "bob", NotFound, NotFound, true},
		{"target takes no such size", alice, `"alice"`, "bob", TooLarge, TooLarge, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer := &inbox{code: tt.target}
			h := Handlers{Directory: directory{"bob": NewUser("bob", "", peer)}}
			r := &Relay{Kind: Answer, From: tt.sender, To: []byte(tt.to), Body: []byte(`{}`)}
			if got := h.Relay(r, []byte(tt.from)); got != tt.want {
				t.Errorf("code %d, want %d", got, tt.want)
			}
			if arrived := len(peer.got) == 1 && peer.got[0] == r; arrived != tt.arrives {
				t.Errorf("arrived: %v", peer.got)
			}
			want := map[string]uint64{"offer": 0, "answer": 0, "ice-candidate": 0, "custom-message": 0}
			if tt.want == OK {
				want["answer"] = 1
			}
			if got := h.Counts.Relays(); !maps.Equal(got, want) {
				t.Errorf("counted %v, want %v", got, want)
			}
		})
	}
}

func TestUser(t *testing.T) {
	peer := new(inbox)
	u := NewUser("a\"b", "key", peer)
	if u.ID != "a\"b" || string(u.JSON) != `"a\"b"` || u.Peer != Peer(peer) || u.Key() != "key" || u.Gone() {
		t.Errorf("%+v", u)
	}
	u.SetKey("")
	if u.Key() != "" {
		t.Errorf("key %q", u.Key())
	}
	u.End()
	if !u.Gone() {
		t.Error("not gone")
	}
}

// changing is a Directory whose name is taken over after it was looked up.
type changing struct{ holders []*User }

func (d *changing) Find([]byte) *User {
	holder := d.holders[0]
	if len(d.holders) > 1 {
		d.holders = d.holders[1:]
	}
	return holder
}

func TestRelayFollowsATakeover(t *testing.T) {
	alice := NewUser("alice", "", new(inbox))
	replaced := func() *User {
		u := NewUser("bob", "", &inbox{code: NotFound})
		u.End()
		return u
	}
	holder := NewUser("bob", "", &inbox{code: OK})
	ended := replaced()
	for name, tt := range map[string]struct {
		holders []*User
		want    Code
	}{
		"taken over once":       {[]*User{replaced(), holder}, OK},
		"taken over twice":      {[]*User{replaced(), replaced(), holder}, OK},
		"nobody holds it now":   {[]*User{replaced(), nil}, NotFound},
		"its holder just ended": {[]*User{ended, ended}, NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Handlers{Directory: &changing{tt.holders}}
			r := &Relay{From: alice, To: []byte("bob"), Body: []byte("1")}
			if code := h.Relay(r, []byte(`"alice"`)); code != tt.want {
				t.Errorf("code %d, want %d", code, tt.want)
			}
		})
	}
}
