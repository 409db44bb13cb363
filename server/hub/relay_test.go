package hub

import "testing"

func TestUser(t *testing.T) {
	peer := new(client)
	u := NewUser("a\"b", "key", peer)
	if u.ID != "a\"b" || string(u.JSON) != `"a\"b"` || u.Peer != Peer(peer) || u.Key() != "key" || u.Gone() {
		t.Errorf("%+v", u)
	}
	u.SetKey("")
	if u.Key() != "" {
		t.Errorf("key %q", u.Key())
	}
	u.End()
	if !u.Gone() {
		t.Error("not gone")
	}
}

// leaving is a client whose name changes hands while a relay is on its way to it.
type leaving struct {
	client
	then func()
}

func (l *leaving) Relay(*Relay) Outcome {
	l.then()
	return NotFound
}

func TestRelayFollowsATakeover(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(h *Hub, l *leaving, next *client)
		want Outcome
	}{
		"taken over":            {func(_ *Hub, _ *leaving, next *client) { next.register("bob") }, OK},
		"nobody holds it now":   {func(h *Hub, l *leaving, _ *client) { h.Leave(&l.Member, Goodbye, nil) }, NotFound},
		"it holds it, and ends": {func(*Hub, *leaving, *client) {}, NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, false)
			alice, next := joinDeaf(h, "alice"), joinDeaf(h, "next")
			alice.register("alice")
			l := &leaving{client: client{hub: h}}
			l.then = func() { tt.then(h, l, next) }
			h.Join(&l.Member, l, false)
			h.Bind(&l.Member, Claim{ID: "bob"}, nil)
			if outcome := h.Relay(&Relay{From: alice.User(), To: []byte("bob"), Payload: []byte("1")}); outcome != tt.want {
				t.Errorf("outcome %d, want %d", outcome, tt.want)
			}
			h.Leave(&l.Member, Goodbye, nil)
		})
	}
}
