package events

import (
	"github.com/oodaa/signaling/server/rawjson/reference"

	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// confusing names look like what stands around them in the list.
var confusing = []string{`,`, `"`, `","`, `"]`, `\`, `\"`, `\\`, `[`, `]}]`, `,"a"`, `"a",`, `a`, `aa`, ` `, "\n", "\x00", "é", "😀", "\xed\xa0\x80", "\u2028", ""}

func TestRosterEmpty(t *testing.T) {
	const want = `x["user-list",{"users":[]}]`
	alice := NewUser("alice", "", nil)
	var none *Roster
	if got := string(none.AppendUserList([]byte("x"), nil)); got != want {
		t.Errorf("no roster: %s", got)
	}
	if got := string(none.AppendUserList([]byte("x"), alice)); got != want {
		t.Errorf("no roster, except somebody: %s", got)
	}
	var r Roster
	if got := string(r.AppendUserList([]byte("x"), nil)); got != want {
		t.Errorf("empty: %s", got)
	}
	r.Remove(alice)
	r.Add(alice)
	if got := string(r.AppendUserList([]byte("x"), alice)); got != want {
		t.Errorf("except the only one: %s", got)
	}
	r.Remove(alice)
	if got := string(r.AppendUserList([]byte("x"), nil)); got != want || r.Len() != 0 {
		t.Errorf("emptied: %s, %d", got, r.Len())
	}
}

func TestRosterAgainstModel(t *testing.T) {
	for seed := range 50 {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		var roster Roster
		var model []*User
		check := func(except *User) {
			t.Helper()
			want := []string{}
			for _, u := range model {
				if u != except {
					want = append(want, string(u.JSON))
				}
			}
			checkList(t, roster.AppendUserList(nil, except), want)
		}
		for step := range 60 {
			switch name := confusing[rng.IntN(len(confusing))]; {
			case rng.IntN(3) > 0:
				if slices.ContainsFunc(model, func(u *User) bool { return u.ID == name }) {
					name = fmt.Sprint(name, step)
				}
				u := NewUser(name, "", nil)
				roster.Add(u)
				model = append(model, u)
			case len(model) > 0:
				i := rng.IntN(len(model))
				roster.Remove(model[i])
				model = slices.Delete(model, i, i+1)
			}
			roster.Remove(NewUser(confusing[rng.IntN(len(confusing))], "", nil)) // another registration
			if roster.Len() != len(model) {
				t.Fatalf("seed %d: %d names, want %d", seed, roster.Len(), len(model))
			}
			check(nil)
			check(NewUser("nobody", "", nil))
			if len(model) > 0 {
				check(model[0])
				check(model[len(model)-1])
				check(model[rng.IntN(len(model))])
			}
		}
	}
}

// checkList checks that args are a user-list of the raw names.
func checkList(t *testing.T, args []byte, want []string) {
	t.Helper()
	var elements []json.RawMessage
	if err := json.Unmarshal(args, &elements); err != nil || len(elements) != 2 || string(elements[0]) != `"user-list"` {
		t.Fatalf("no user list: %s", args)
	}
	members := reference.Members(elements[1])
	var names []json.RawMessage
	if err := json.Unmarshal(members["users"], &names); err != nil || len(members) != 1 {
		t.Fatalf("no user list: %s", args)
	}
	got := []string{}
	for _, name := range names {
		got = append(got, string(name))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}
