package wire

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var at []time.Duration
		pace(t.Context(), 100, time.Second, func(i int) {
			if i != len(at) {
				t.Errorf("call %d is for %d", len(at), i)
			}
			at = append(at, time.Since(begun))
		})
		if len(at) != 100 {
			t.Fatalf("%d calls", len(at))
		}
		for i, d := range at {
			if even := time.Duration(i) * time.Second / 100; d < even || d > even+2*paceStep {
				t.Errorf("call %d after %v instead of %v", i, d, even)
			}
		}
	})
}

func TestPaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun, calls := time.Now(), 0
		pace(ctx, 1000, time.Hour, func(int) { calls++ })
		if calls != 1000 || time.Since(begun) > time.Second+paceStep {
			t.Errorf("%d calls in %v", calls, time.Since(begun))
		}
		pace(ctx, 0, time.Hour, func(int) { t.Error("called for nobody") })
	})
}

// A guest is a member that tells what is done with it.
type guest struct{ told []string }

func (g *guest) Dismiss() { g.told = append(g.told, "dismiss") }
func (g *guest) Cut()     { g.told = append(g.told, "cut") }

func (g *guest) was(t *testing.T, told ...string) {
	t.Helper()
	if !slices.Equal(g.told, told) {
		t.Errorf("told %q, want %q", g.told, told)
	}
}

// expired returns a context that has ended.
func expired() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestGroupRefusesOnceItDrains(t *testing.T) {
	for name, drain := range map[string]func(*Group[*guest]){
		"dismiss":  func(g *Group[*guest]) { g.Dismiss(t.Context(), 0) },
		"shutdown": func(g *Group[*guest]) { _ = g.Shutdown(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			var group Group[*guest]
			if !group.Reserve() {
				t.Fatal("an open group refuses")
			}
			group.Release()
			drain(&group)
			if group.Reserve() {
				t.Error("a group that drains admits")
			}
		})
	}
}

// What was admitted just before the end is not missed by it.
func TestGroupEndsWhatEntersLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group Group[*guest]
		early, draining, cutting := new(guest), new(guest), new(guest)
		enter := func(g *guest) {
			group.Enter(g)
			group.Leave(g)
		}
		for range 3 {
			group.Reserve()
		}
		group.Enter(early)
		group.Dismiss(t.Context(), 0)
		early.was(t, "dismiss")
		enter(draining)
		draining.was(t, "dismiss")

		ended := make(chan error)
		go func() { ended <- group.Shutdown(expired()) }()
		synctest.Wait()
		early.was(t, "dismiss", "dismiss", "cut")
		enter(cutting)
		cutting.was(t, "dismiss", "cut")
		group.Leave(early)
		for range 3 {
			group.Release()
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown returned %v, want that it ran out of time", err)
		}
	})
}

func TestGroupWaitsForMembersAndReservations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var group Group[*guest]
		one := new(guest)
		group.Reserve()
		group.Enter(one)
		ended := make(chan error, 1)
		go func() { ended <- group.Shutdown(t.Context()) }()
		for step, end := range []func(){
			func() { group.Leave(one) },
			func() { group.Leave(one) }, // which has left
			group.Release,
		} {
			synctest.Wait()
			select {
			case <-ended:
				t.Fatalf("over before step %d", step)
			default:
			}
			end()
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		one.was(t, "dismiss")
		if n := group.Len(); n != 0 {
			t.Errorf("%d members are left", n)
		}
	})
}

func TestGroupCutsItsConnections(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		var group Group[*guest]
		cfg := limits()
		cfg.Loops = n.loops
		server, client := n.dial(t)
		defer client.Close()
		conn, _ := upgrade(t, cfg, server, client)
		group.Reserve()
		ended := false
		group.Start(conn, newRecorder(t), func() { ended = true })
		if err := group.Shutdown(expired()); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown returned %v, want that it ran out of time", err)
		}
		if !ended {
			t.Error("Shutdown returned before the connection had ended")
		}
	})
}
