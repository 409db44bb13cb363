package hub

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// confusing names look like what stands around them in the list.
var confusing = []string{`,`, `"`, `","`, `"]`, `\`, `\"`, `\\`, `[`, `]}]`, `,"a"`, `"a",`, `a`, `aa`, ` `, "\n", "\x00", "é", "😀", "\xed\xa0\x80", "\u2028", ""}

func TestRosterEmpty(t *testing.T) {
	const want = `x`
	alice := NewUser("alice", "", nil)
	var none *Roster
	if got := string(none.AppendNames([]byte("x"), nil)); got != want {
		t.Errorf("no roster: %s", got)
	}
	if got := string(none.AppendNames([]byte("x"), alice)); got != want {
		t.Errorf("no roster, except somebody: %s", got)
	}
	var r Roster
	if got := string(r.AppendNames([]byte("x"), nil)); got != want {
		t.Errorf("empty: %s", got)
	}
	r.Remove(alice)
	r.Add(alice)
	if got := string(r.AppendNames([]byte("x"), alice)); got != want {
		t.Errorf("except the only one: %s", got)
	}
	r.Remove(alice)
	if got := string(r.AppendNames([]byte("x"), nil)); got != want || r.Len() != 0 {
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
			checkList(t, roster.AppendNames(nil, except), want)
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

// checkList checks that list has the raw names.
func checkList(t *testing.T, list []byte, want []string) {
	t.Helper()
	var names []json.RawMessage
	if err := json.Unmarshal(append(append([]byte("["), list...), ']'), &names); err != nil {
		t.Fatalf("not a list: %s", list)
	}
	got := []string{}
	for _, name := range names {
		got = append(got, string(name))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestUserListAllocatesNothing(t *testing.T) {
	roster, users := rosterOf(1000)
	buf := make([]byte, 0, 64<<10)
	if allocs := testing.AllocsPerRun(100, func() { buf = roster.AppendNames(buf[:0], users[500]) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func rosterOf(n int) (*Roster, []*User) {
	roster := new(Roster)
	var users []*User
	for i := range n {
		u := NewUser(fmt.Sprintf("user-%08d", i), "", nil)
		roster.Add(u)
		users = append(users, u)
	}
	return roster, users
}

func BenchmarkRoster(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		roster, users := rosterOf(n)
		b.Run(fmt.Sprintf("list of %d", n), func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = roster.AppendNames(buf[:0], users[n/2])
			}
			b.SetBytes(int64(len(buf)))
		})
		b.Run(fmt.Sprintf("leave and join of %d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				u := users[i%n]
				roster.Remove(u)
				roster.Add(u)
			}
		})
	}
}
