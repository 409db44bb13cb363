package events

import (
	"fmt"
	"testing"
)

// TestRelayAllocatesNothing is of the way of every relay: read, and encoded
// into a buffer that is used again.
func TestRelayAllocatesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		kind Kind
		rest string
	}{
		"candidate": {Candidate, candidateArguments},
		"offer":     {Offer, sdpArguments},
	} {
		t.Run(name, func(t *testing.T) {
			rest := []byte(c.rest)
			alice := NewUser("alice-81d0", "", new(inbox))
			var r Relay
			var buf []byte
			allocs := testing.AllocsPerRun(100, func() {
				from, code, ok := ReadRelay(rest, c.kind, &r)
				if !ok || code != OK || !alice.named(from) {
					t.Fatal("refused")
				}
				r.From = alice
				buf = AppendRelay(buf[:0], &r, r.Body)
			})
			if allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

func TestUserListAllocatesNothing(t *testing.T) {
	roster, users := rosterOf(1000)
	buf := make([]byte, 0, 64<<10)
	if allocs := testing.AllocsPerRun(100, func() { buf = roster.AppendUserList(buf[:0], users[500]) }); allocs != 0 {
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

func BenchmarkReadRelay(b *testing.B) {
	for _, c := range []struct {
		name, rest string
		kind       Kind
	}{
		{"candidate", candidateArguments, Candidate},
		{"offer", sdpArguments, Offer},
	} {
		b.Run(fmt.Sprintf("%s of %d bytes", c.name, len(c.rest)), func(b *testing.B) {
			rest := []byte(c.rest)
			var r Relay
			b.ReportAllocs()
			b.SetBytes(int64(len(rest)))
			for b.Loop() {
				if _, code, ok := ReadRelay(rest, c.kind, &r); !ok || code != OK {
					b.Fatal("refused")
				}
			}
		})
	}
}

func BenchmarkAppendRelay(b *testing.B) {
	for _, c := range []struct {
		name, rest string
		kind       Kind
	}{
		{"candidate", candidateArguments, Candidate},
		{"offer", sdpArguments, Offer},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := Relay{From: NewUser("alice-81d0", "", nil)}
			if _, code, _ := ReadRelay([]byte(c.rest), c.kind, &r); code != OK {
				b.Fatal("refused")
			}
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendRelay(buf[:0], &r, r.Body)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}

func BenchmarkRoster(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		roster, users := rosterOf(n)
		b.Run(fmt.Sprintf("list of %d", n), func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = roster.AppendUserList(buf[:0], users[n/2])
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
