package socketio

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// A gateSpy is a Gate that admits whom it likes, and checks the releases.
type gateSpy struct {
	t       testing.TB
	refusal *Refusal
	timeout time.Duration // ConnectTimeout of the admissions

	mu       sync.Mutex
	admitted int
	out      map[int]bool // admitted and not released
}

func newGate(t testing.TB) *gateSpy { return &gateSpy{t: t, out: make(map[int]bool)} }

func (g *gateSpy) Admit(r *http.Request, transport string) (Admission, *Refusal) {
	if got := r.URL.Query().Get("transport"); got != transport {
		g.t.Errorf("Admit is told %s, the request says %s", transport, got)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refusal != nil {
		return Admission{}, g.refusal
	}
	g.admitted++
	g.out[g.admitted] = true
	return Admission{Info: g.admitted, ConnectTimeout: g.timeout}, nil
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
