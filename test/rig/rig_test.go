package rig

import (
	"testing"
	"time"
)

func TestMain(m *testing.M) { Main(m) }

func TestPairTalks(t *testing.T) {
	s := Start(t)
	p := StartPair(t, s.Addr, "pair", time.Millisecond)
	Eventually(t, "a hundred relays", func() bool { return s.Stats().Relays["ice-candidate"] >= 100 })
	if r := p.Stop(); r.Sent < 100 || r.Received != r.Sent {
		t.Errorf("%v", r)
	}
	Eventually(t, "the pair's leaving", func() bool { stats := s.Stats(); return stats.Clients() == 0 })
}

func TestAcknowledgementAndError(t *testing.T) {
	s := Start(t)
	a, b := MustDial(t, s.Addr, Oodaa), MustDial(t, s.Addr, Volli)
	for c, id := range map[*Client]string{a: "a", b: "b"} {
		if err := c.Register(id); err != nil {
			t.Fatal(err)
		}
	}
	ack, err := a.Send("b", `{"n":1}`, true)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := a.Await(ack); err != nil || string(m.Args) != `{"ok":true}` {
		t.Errorf("%s, %v", m.Args, err)
	}
	if m, err := b.Await("ice-candidate"); err != nil || string(m.Body()) != `{"n":1}` {
		t.Errorf("%s, %v", m.Args, err)
	}
	ack, err = a.Send("nobody", `{}`, true)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := a.Await("error"); err != nil || string(m.Args) != `"User nobody not found"` {
		t.Errorf("%s, %v", m.Args, err)
	}
	if m, err := a.Await(ack); err != nil || string(m.Args) != `{"ok":false,"error":"User nobody not found","code":"not_found"}` {
		t.Errorf("%s, %v", m.Args, err)
	}
}
