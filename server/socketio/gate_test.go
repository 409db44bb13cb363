package socketio

import (
	"net/http"
	"sync"
	"testing"
)

// A gateSpy is a Gate that admits whom it likes, and checks the releases.
type gateSpy struct {
	t       testing.TB
	refusal *Refusal

	mu       sync.Mutex
	admitted int
	out      map[int]bool // admitted and not released
}

func newGate(t testing.TB) *gateSpy { return &gateSpy{t: t, out: make(map[int]bool)} }

func (g *gateSpy) Admit(*http.Request) (Admission, *Refusal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != nil {
		return Admission{}, g.refusal
	}
	g.admitted++
	g.out[g.admitted] = true
	return Admission{Info: g.admitted}, nil
}

func (g *gateSpy) Release(a Admission) {
	g.mu.Lock()
	defer g.mu.Unlock()
	id := a.Info.(int)
	if !g.out[id] {
		g.t.Errorf("admission %d released, which is not out", id)
	}
	delete(g.out, id)
}

// balanced expects every admission to have been released.
func (g *gateSpy) balanced() {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.out) > 0 {
		g.t.Errorf("%d of %d admissions are not released: %v", len(g.out), g.admitted, g.out)
	}
}
