package wire

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Group is all that one gateway serves: its members, the connections they are
// on, and what is about to become one. It refuses what comes after the end has
// begun, and waits for the rest. The zero value is ready.
//
//	open ── Dismiss, Shutdown ──► draining ── Shutdown runs out of time ──► cutting
type Group[M Member] struct {
	mu      sync.Mutex
	state   groupState
	members map[M]struct{}
	conns   map[*Conn]struct{}
	left    sync.WaitGroup // members and reservations; grows only while open, or on behalf of a reservation
}

// A Member is what a gateway makes of a connection: its client, or its session.
type Member interface {
	comparable
	// Dismiss ends it in good order, since the server stops. It does not wait.
	Dismiss()
	// Cut ends it at once.
	Cut()
}

type groupState uint8

const (
	groupOpen     groupState = iota
	groupDraining            // nothing new is admitted, and members are dismissed
	groupCutting             // whatever is left is cut
)

// Reserve makes Shutdown wait for what is about to begin, until Release. It
// reports false once the end has begun.
func (g *Group[M]) Reserve() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state != groupOpen {
		return false
	}
	g.left.Add(1)
	return true
}

// Release ends what Reserve began.
func (g *Group[M]) Release() { g.left.Done() }

// Enter adds a member, on behalf of a reservation. One that the end has missed
// ends here.
func (g *Group[M]) Enter(m M) {
	g.mu.Lock()
	if g.members == nil {
		g.members = make(map[M]struct{})
	}
	g.members[m] = struct{}{}
	g.left.Add(1)
	state := g.state
	g.mu.Unlock()
	if state >= groupDraining {
		m.Dismiss()
	}
	if state == groupCutting {
		m.Cut()
	}
}

// Leave removes a member, whose connection may still be on its way out.
func (g *Group[M]) Leave(m M) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, entered := g.members[m]; entered {
		delete(g.members, m)
		g.left.Done()
	}
}

// Len is the number of members.
func (g *Group[M]) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// Members returns the members.
func (g *Group[M]) Members() []M {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.members))
}

// Start has a connection read by h, and ends its reservation when nothing is left
// of it. ended is called before that; it may be nil. See Conn.Start.
func (g *Group[M]) Start(conn *Conn, h Handler, ended func()) {
	g.mu.Lock()
	if g.conns == nil {
		g.conns = make(map[*Conn]struct{})
	}
	g.conns[conn] = struct{}{}
	cutting := g.state == groupCutting
	g.mu.Unlock()
	if cutting {
		conn.Cut()
	}
	conn.Start(h, func() {
		if ended != nil {
			ended()
		}
		g.mu.Lock()
		delete(g.conns, conn)
		g.mu.Unlock()
		g.Release()
	})
}

// Dismiss admits nothing more, and dismisses the members one after another over
// the given time, or the rest at once when ctx ends. It does not wait for their
// ends.
func (g *Group[M]) Dismiss(ctx context.Context, over time.Duration) {
	members := g.drain()
	pace(ctx, len(members), over, func(i int) { members[i].Dismiss() })
}

// Shutdown admits nothing more, dismisses all members, and waits until nothing is
// left. When ctx ends first, it cuts what is left, waits for that, and returns
// ctx's error.
func (g *Group[M]) Shutdown(ctx context.Context) error {
	for _, m := range g.drain() {
		m.Dismiss()
	}
	over := make(chan struct{})
	go func() { // ends when nothing is left, which is waited for below
		g.left.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		g.cut()
		<-over
		return ctx.Err()
	}
}

// drain admits nothing more, and returns the members that there are.
func (g *Group[M]) drain() []M {
	g.mu.Lock()
	g.state = max(g.state, groupDraining)
	g.mu.Unlock()
	return g.Members()
}

// cut ends at once what is left.
func (g *Group[M]) cut() {
	g.mu.Lock()
	g.state = groupCutting
	conns := slices.Collect(maps.Keys(g.conns))
	g.mu.Unlock()
	for _, m := range g.Members() {
		m.Cut()
	}
	for _, c := range conns {
		c.Cut()
	}
}

// paceStep is how often pace goes on.
const paceStep = 10 * time.Millisecond

// pace calls f with 0 to n-1, spread evenly over the given time, or the rest at
// once when ctx ends.
func pace(ctx context.Context, n int, over time.Duration, f func(i int)) {
	begun := time.Now()
	tick := time.NewTicker(paceStep)
	defer tick.Stop()
	for i := 0; i < n; {
		due := n
		if passed := time.Since(begun); passed < over && ctx.Err() == nil {
			due = int(float64(n) * float64(passed) / float64(over))
		}
		for ; i < due; i++ {
			f(i)
		}
		if i < n {
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
}
