package hub

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/oodaa/signaling/server/wire"
)

// populate registers n users that are told nothing.
func populate(h *Hub, n int) {
	for i := range n {
		h.Bind(&joinDeaf(h, "").Member, Claim{ID: fmt.Sprintf("user-%08d", i)}, nil)
	}
}

func BenchmarkFind(b *testing.B) {
	h := start(b, true)
	const users = 10_000
	populate(h, users)
	names := make([][]byte, users)
	for i := range names {
		names[i] = fmt.Appendf(nil, "user-%08d", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if h.Find(names[i%users]) == nil {
				b.Error("not found")
			}
		}
	})
}

// BenchmarkRegister is a connection's whole life in the hub, with the list that
// it gets.
func BenchmarkRegister(b *testing.B) {
	for _, users := range []int{0, 100, 10_000} {
		b.Run(fmt.Sprintf("%d online", users), func(b *testing.B) {
			h := start(b, true)
			populate(h, users)
			c := &client{hub: h}
			b.ReportAllocs()
			for b.Loop() {
				c.Member = Member{}
				h.Join(&c.Member, c, false)
				if h.Bind(&c.Member, Claim{ID: "newcomer"}, nil) != OK {
					b.Fatal("refused")
				}
				h.Leave(&c.Member, Goodbye, nil)
			}
		})
	}
}

// counter is a Listener that says when all announcements that are waited for
// have been made.
type counter struct {
	Member
	left *atomic.Int64
	all  chan struct{}
}

func (c *counter) Relay(*Relay) Outcome       { return OK }
func (c *counter) Replaced(*Question) []*Held { return nil }
func (c *counter) Over() bool                 { return false }
func (c *counter) Busy() bool                 { return false }

func (c *counter) Spell(*Roster, *User) []byte   { return nil }
func (c *counter) SpellWatched(*Roster) []byte   { return nil }
func (c *counter) Tell([]byte, *wire.Batch) bool { return true }

func (c *counter) Announce(*Change, *wire.Batch) bool {
	if c.left.Add(-1) == 0 {
		c.all <- struct{}{}
	}
	return true
}

// BenchmarkFanOut is one user that changes its name, of which everybody is told
// twice, one goes and one comes.
func BenchmarkFanOut(b *testing.B) {
	for _, watchers := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("%d watchers", watchers), func(b *testing.B) {
			h := start(b, true)
			var left atomic.Int64
			all := make(chan struct{}, 1)
			for range watchers {
				c := &counter{left: &left, all: all}
				h.Join(&c.Member, c, true)
			}
			c := joinDeaf(h, "")
			names := []string{"one", "other"}
			left.Store(int64(watchers))
			h.Bind(&c.Member, Claim{ID: names[1]}, nil)
			<-all
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				left.Store(2 * int64(watchers))
				h.Bind(&c.Member, Claim{ID: names[i%2]}, nil)
				<-all
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(2*watchers), "ns/announcement")
		})
	}
}
