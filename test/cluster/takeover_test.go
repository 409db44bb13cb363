package cluster

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// over reports whether a client was disconnected.
func over(c *rig.Client) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// ask sends a relay with acknowledgement and returns that.
func ask(c *rig.Client, to, body string) (string, error) {
	ack, err := c.Send(to, body, true)
	if err != nil {
		return "", err
	}
	for {
		m, err := c.Await(ack, "error")
		if err != nil || m.Event == ack {
			return string(m.Args), err
		}
	}
}

// Two instances hear of a claim to one name at once, again and again. Exactly
// one client has it afterwards, and is reached by everybody.
func TestDuel(t *testing.T) {
	t.Parallel()
	const names, rounds = 5, 400
	nodes := rig.StartNodes(t, rig.StartRedis(t), 3, "LOG_LEVEL=info")
	var duels sync.WaitGroup
	for i := range names {
		duels.Go(func() {
			name := fmt.Sprintf("duel%d", i)
			if err := duel(nodes, name, rounds); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	duels.Wait()
	rig.Eventually(t, "everybody is gone", func() bool {
		return nodes[0].Stats().ConnectedUsers+nodes[1].Stats().ConnectedUsers+nodes[2].Stats().ConnectedUsers == 0
	})
}

func duel(nodes []*rig.Server, name string, rounds int) error {
	witness, err := rig.Dial(nodes[2].Addr, rig.Oodaa, nil)
	if err != nil {
		return err
	}
	defer witness.Close()
	if err := witness.Register("witness of " + name); err != nil {
		return err
	}
	var holder *rig.Client
	for round := range rounds {
		claimants := []*rig.Client{nil, nil, holder}
		for i := range 2 {
			if claimants[i], err = rig.Dial(nodes[(i+round)%2].Addr, rig.Family((round>>1+i)%2), nil); err != nil {
				return err
			}
			claimants[i].ID = name
		}
		var claims sync.WaitGroup
		for _, c := range claimants[:2] {
			claims.Go(func() { _ = c.Register(name) }) // who lost may be disconnected at once
		}
		claims.Wait()
		var left []*rig.Client
		deadline := time.Now().Add(rig.Patience)
		for {
			left = left[:0]
			for _, c := range claimants {
				if c != nil && !over(c) {
					left = append(left, c)
				}
			}
			if len(left) <= 1 {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("round %d: %d holders", round, len(left))
			}
			time.Sleep(time.Millisecond)
		}
		if len(left) == 0 {
			return fmt.Errorf("round %d: no holder", round)
		}
		holder = left[0]
		for _, c := range claimants {
			if c != nil && c != holder {
				c.Close()
			}
		}
		if answer, err := ask(witness, name, fmt.Sprint(round+1)); err != nil || answer != `{"ok":true}` {
			return fmt.Errorf("round %d: %s, %v", round, answer, err)
		}
		if m, err := holder.Await("ice-candidate"); err != nil || string(m.Body()) != fmt.Sprint(round+1) {
			return fmt.Errorf("round %d: the holder got %s, %v", round, m.Args, err)
		}
	}
	holder.Close()
	return nil
}

// A name is taken over across instances, in both directions, by and from
// clients of both families.
func TestTakeover(t *testing.T) {
	t.Parallel()
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	watcher := rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
	mustRegister(t, watcher, "watcher")
	expect := func(event string) {
		t.Helper()
		if m, err := watcher.Await("peer-connected", "peer-disconnected"); err != nil || m.Event != event || string(m.Args) != `{"peerId":"x"}` {
			t.Errorf("the watcher got %s %s, %v; not %s", m.Event, m.Args, err, event)
		}
	}
	for i := range 8 {
		from, to, back := rig.Family(i&1), rig.Family(i>>1&1), i>>2
		t.Run(fmt.Sprintf("%v from %v on n%d", to, from, back), func(t *testing.T) {
			former, next := rig.MustDial(t, nodes[back].Addr, from), rig.MustDial(t, nodes[1-back].Addr, to)
			mustRegister(t, former, "x")
			expect("peer-connected")
			mustRegister(t, next, "x")
			expect("peer-disconnected")
			expect("peer-connected")
			select {
			case <-former.Done():
			case <-time.After(rig.Patience):
				t.Fatal("the former holder is not disconnected")
			}
			if from == rig.Volli && former.CloseCode() != 4001 {
				t.Errorf("closed with %d, %v", former.CloseCode(), former.Err())
			}
			if answer, err := ask(watcher, "x", `"hello"`); err != nil || answer != `{"ok":true}` {
				t.Errorf("%s, %v", answer, err)
			}
			if m, err := next.Await("ice-candidate"); err != nil || string(m.Body()) != `"hello"` {
				t.Errorf("%s, %v", m.Args, err)
			}
			next.Close()
			expect("peer-disconnected")
		})
	}
}

// Clients register on one instance and close at once, while others claim the
// same name on another. Who stays has it; in the end nobody does.
func TestRegisterRacesWithClose(t *testing.T) {
	t.Parallel()
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	witness := rig.MustDial(t, nodes[0].Addr, rig.Oodaa)
	mustRegister(t, witness, "witness")
	for round := range 100 {
		family := rig.Family(round % 2)
		fleeting, err := rig.Dial(nodes[0].Addr, family, nil)
		if err != nil {
			t.Fatal(err)
		}
		staying, err := rig.Dial(nodes[1].Addr, rig.Family(round>>1%2), nil)
		if err != nil {
			t.Fatal(err)
		}
		staying.ID = "x"
		text := `42["register",{"userId":"x"}]`
		if family == rig.Volli {
			text = `{"type":"register","userId":"x","publicKey":"k"}`
		}
		var race sync.WaitGroup
		race.Go(func() {
			if err := fleeting.SendRaw(text); err != nil {
				t.Error(err)
			}
			fleeting.Close()
		})
		race.Go(func() { _ = staying.Register("x") }) // the other may have come later, and taken it
		race.Wait()
		rig.Eventually(t, "the end of the race", func() bool {
			users := nodes[0].Stats().ConnectedUsers
			return users == 1 && (over(staying) || nodes[1].Stats().ConnectedUsers == 1)
		})
		var answer, want string
		rig.Eventually(t, "the holder, or nobody, is reached", func() bool { // the claim of who is gone may still come
			want = `{"ok":true}`
			if over(staying) {
				want = `{"ok":false,"error":"User x not found","code":"not_found"}`
			}
			if answer, err = ask(witness, "x", `1`); err != nil {
				t.Fatal(err)
			}
			return answer == want
		})
		staying.Close()
		rig.Eventually(t, "nobody is left", func() bool { return nodes[1].Stats().ConnectedUsers == 0 })
	}
	if err := witness.SendRaw(`42["get-users"]`); err != nil {
		t.Fatal(err)
	}
	rig.Eventually(t, "nobody is listed", func() bool {
		if err := witness.SendRaw(`42["get-users"]`); err != nil {
			t.Fatal(err)
		}
		m, err := witness.Await("user-list")
		if err != nil {
			t.Fatal(err)
		}
		return string(m.Args) == `{"users":[]}`
	})
}

func mustRegister(t *testing.T, c *rig.Client, id string) {
	t.Helper()
	if err := c.Register(id); err != nil {
		t.Fatal(err)
	}
}
