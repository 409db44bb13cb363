package cluster

import (
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// Everything that one instance does for two clients, two instances do.
func TestAcrossInstances(t *testing.T) {
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	a, b := rig.MustDial(t, nodes[0].Addr, rig.Oodaa), rig.MustDial(t, nodes[1].Addr, rig.Volli)
	watcher := rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
	register := func(c *rig.Client, id string) {
		t.Helper()
		if err := c.Register(id); err != nil {
			t.Fatal(err)
		}
	}
	register(a, "a")
	if m, err := watcher.Await("peer-connected"); err != nil || string(m.Args) != `{"peerId":"a"}` {
		t.Errorf("%s, %v", m.Args, err)
	}
	register(b, "b")
	for i := range 100 {
		ack, err := a.Send("b", `{"n":1}`, true)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := a.Await(ack); err != nil || string(m.Args) != `{"ok":true}` {
			t.Fatalf("%d: %s, %v", i, m.Args, err)
		}
		if m, err := b.Await("ice-candidate"); err != nil || string(m.Body()) != `{"n":1}` {
			t.Fatalf("%s, %v", m.Args, err)
		}
	}
	if _, err := b.Send("a", `"back"`, false); err != nil {
		t.Fatal(err)
	}
	if m, err := a.Await("ice-candidate"); err != nil || string(m.Body()) != `"back"` {
		t.Errorf("%s, %v", m.Args, err)
	}
	if _, err := a.Send("nobody", `"x"`, false); err != nil {
		t.Fatal(err)
	}
	if m, err := a.Await("error"); err != nil || string(m.Args) != `"User nobody not found"` {
		t.Errorf("%s, %v", m.Args, err)
	}

	taker := rig.MustDial(t, nodes[0].Addr, rig.Oodaa)
	register(taker, "b")
	<-b.Done()
	if b.CloseCode() != 4001 {
		t.Errorf("replaced: %v", b.Err())
	}
	if _, err := a.Send("b", `"taken"`, false); err != nil {
		t.Fatal(err)
	}
	if m, err := taker.Await("ice-candidate"); err != nil || string(m.Body()) != `"taken"` {
		t.Errorf("%s, %v", m.Args, err)
	}
	taker.Close()
	for {
		m, err := watcher.Await("peer-disconnected", "peer-connected")
		if err != nil {
			t.Fatal(err)
		}
		if m.Event == "peer-connected" {
			break
		}
	}
	if m, err := watcher.Await("peer-disconnected"); err != nil || string(m.Args) != `{"peerId":"b"}` {
		t.Errorf("%s, %v", m.Args, err)
	}
}

func TestInstanceDies(t *testing.T) {
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	a, b := rig.MustDial(t, nodes[0].Addr, rig.Oodaa), rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
	for c, id := range map[*rig.Client]string{a: "a", b: "b"} {
		if err := c.Register(id); err != nil {
			t.Fatal(err)
		}
	}
	nodes[1].Kill()
	died := time.Now()
	ack, err := a.Send("b", `1`, true)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := a.Await("error"); err != nil {
		t.Errorf("%s, %v", m.Args, err)
	}
	if m, err := a.Await(ack); err != nil || string(m.Args) == `{"ok":true}` {
		t.Errorf("%s, %v", m.Args, err)
	}
	if m, err := a.Await("peer-disconnected"); err != nil || string(m.Args) != `{"peerId":"b"}` {
		t.Errorf("%s, %v", m.Args, err)
	}
	t.Logf("announced as gone after %v", time.Since(died))
}
