package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// A departure is how a phone's connection breaks.
type departure struct {
	name string
	// proxied: the server takes pongs for acknowledgements, not TCP's, which here
	// the network between acknowledges itself.
	proxied bool
	leave   func(n *network, old client) error
	// announced: the departure and the return are announced. The user comes back once
	// all relays are held.
	announced bool
	ends      func(s *rig.Server) // instead: its instance does
	kinds     []kind
}

var everyKind = []kind{oodaa, volli, polling}

var departures = []departure{
	{name: "link cut", proxied: true, kinds: everyKind, leave: func(n *network, _ client) error {
		n.blackhole()
		return nil
	}},
	{name: "reset", kinds: []kind{oodaa, volli}, leave: func(_ *network, old client) error {
		c, ok := old.(*rig.Client).Conn().NetConn().(*net.TCPConn)
		if !ok {
			return errors.New("not a TCP connection")
		}
		return errors.Join(c.SetLinger(0), c.Close())
	}},
	{name: "page loaded again", announced: true, kinds: []kind{oodaa, volli}, leave: func(_ *network, old client) error {
		goodbye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
		if err := old.(*rig.Client).Conn().WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(rig.Patience)); err != nil {
			return err
		}
		select {
		case <-old.Done():
			return nil
		case <-time.After(rig.Patience):
			return errors.New("the connection does not end")
		}
	}},
	{name: "client killed", kinds: everyKind, leave: func(_ *network, old client) error {
		old.Close()
		return nil
	}},
}

const (
	callRelays = 21 // an offer and 20 candidates
	before     = 8  // of these, that arrive before the connection breaks
)

// TestChangeOfNetwork breaks a user's connection while the user is being called,
// and has the user register on another one: nothing is lost, and nobody is told.
func TestChangeOfNetwork(t *testing.T) {
	verifyNoLeaks(t)
	servers := map[bool]*rig.Server{
		false: start(t, "native", "RECONNECT_GRACE=20s"),
		true:  start(t, "native", "RECONNECT_GRACE=20s", "TRUSTED_PROXIES=1"),
	}
	t.Run("all", func(t *testing.T) {
		for _, d := range departures {
			for _, k := range d.kinds {
				t.Run(fmt.Sprint(d.name, ", ", k), func(t *testing.T) {
					t.Parallel()
					if err := changeNetwork(t, servers[d.proxied], d, k); err != nil {
						t.Error(err)
					}
				})
			}
		}
	})
}

// TestChangeOfInstance is TestChangeOfNetwork of users who come back to another
// instance, also where the one that they were on ended.
func TestChangeOfInstance(t *testing.T) {
	verifyNoLeaks(t)
	redis := rig.StartRedis(t)
	ends := slices.Concat(departures, []departure{
		{name: "instance killed", kinds: everyKind, ends: (*rig.Server).Kill},
		{name: "instance stopped", kinds: everyKind, ends: (*rig.Server).Stop},
	})
	for _, d := range ends {
		t.Run(d.name, func(t *testing.T) {
			for _, k := range d.kinds {
				t.Run(fmt.Sprint(k), func(t *testing.T) {
					t.Parallel()
					env := []string{"RECONNECT_GRACE=20s", fmt.Sprint("REDIS_PREFIX=", d.name, k, ":")}
					if d.proxied {
						env = append(env, "TRUSTED_PROXIES=1")
					}
					nodes := rig.StartNodes(t, redis, 3, env...)
					if err := change(t, nodes, d, k); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
}

func changeNetwork(t *testing.T, s *rig.Server, d departure, k kind) error {
	return change(t, []*rig.Server{s, s, s}, d, k)
}

// change has a user of the first instance come back to the second, and be called
// from the third.
func change(t *testing.T, nodes []*rig.Server, d departure, k kind) error {
	name := fmt.Sprint(d.name, " ", k)
	addr, way := nodes[0].Addr, (*network)(nil)
	if d.proxied {
		way = newNetwork(t, addr)
		addr = way.addr()
	}
	old := join(t, addr, k, name)
	caller := rig.MustDial(t, nodes[2].Addr, rig.Oodaa)
	if err := caller.Register(name + ", caller"); err != nil {
		return err
	}
	observer := join(t, nodes[2].Addr, oodaa, name+", observer")

	if err := sendCall(caller, name, 1, before); err != nil {
		return err
	}
	if err := awaitCall(old, 1, before); err != nil {
		return fmt.Errorf("before: %w", err)
	}
	if d.ends != nil {
		d.ends(nodes[0])
	} else if err := d.leave(way, old); err != nil {
		return err
	}
	if d.announced {
		if _, err := observer.Await("peer-disconnected"); err != nil {
			return err
		}
	}
	sent := make(chan error, 1)
	go func() { sent <- sendCall(caller, name, before+1, callRelays) }()
	if d.announced {
		rig.Eventually(t, "all relays are held", func() bool { return nodes[2].Metric(t, "signaling_held_relays") >= callRelays-before })
	}
	now := join(t, nodes[1].Addr, k, name)
	if err := <-sent; err != nil {
		return err
	}
	if err := awaitCall(now, before+1, callRelays); err != nil {
		return fmt.Errorf("after: %w", err)
	}
	if d.announced {
		name = "" // whose presence is expected
	}
	if err := awaitAcknowledgements(caller, name); err != nil {
		return err
	}
	// This comes behind all presence that there is.
	if _, err := now.Send(observer.(*rig.Client).ID, `{"n":0}`, false); err != nil {
		return err
	}
	_, err := awaitMessage(observer, name, "ice-candidate")
	return err
}

// sendCall sends the relays first to last of a call: the first is the offer.
func sendCall(caller *rig.Client, to string, first, last int) error {
	for n := first; n <= last; n++ {
		event, payload := "ice-candidate", "candidate"
		if n == 1 {
			event, payload = "offer", "offer"
		}
		if err := caller.SendRaw(fmt.Sprintf(`42%d[%q,{"to":%q,"from":%q,%q:{"n":%d}}]`, n, event, to, caller.ID, payload, n)); err != nil {
			return err
		}
	}
	return nil
}

// awaitCall waits for the relays first to last, in their order. Those before them
// may come again, without a gap: their acknowledgement may have been lost.
func awaitCall(c client, first, last int) error {
	next := first
	for begun := false; next <= last; begun = true {
		m, err := c.Await("offer", "ice-candidate")
		if err != nil {
			return fmt.Errorf("relay %d: %w", next, err)
		}
		var relay struct{ Offer, Candidate struct{ N int } }
		if err := json.Unmarshal(m.Args, &relay); err != nil {
			return err
		}
		n := max(relay.Offer.N, relay.Candidate.N)
		if !begun && 0 < n && n < first {
			next = n
		}
		if n != next {
			return fmt.Errorf("relay %d arrived in place of %d", n, next)
		}
		next++
	}
	return nil
}

// awaitAcknowledgements waits until all relays are acknowledged with ok.
func awaitAcknowledgements(caller *rig.Client, callee string) error {
	var events []string
	for n := 1; n <= callRelays; n++ {
		events = append(events, fmt.Sprint("ack:", n))
	}
	for len(events) > 0 {
		m, err := awaitMessage(caller, callee, events...)
		if err != nil {
			return err
		}
		if string(m.Args) != `{"ok":true}` {
			return fmt.Errorf("%s: %s", m.Event, m.Args)
		}
		events = slices.DeleteFunc(events, func(e string) bool { return e == m.Event })
	}
	return nil
}

// awaitMessage is Await, but that presence of name is a failure.
func awaitMessage(c client, name string, events ...string) (rig.Message, error) {
	for {
		m, err := c.Await(append(slices.Clone(events), "peer-connected", "peer-disconnected")...)
		if err != nil || slices.Contains(events, m.Event) {
			return m, err
		}
		var peer struct{ PeerID string }
		if err := json.Unmarshal(m.Args, &peer); err != nil {
			return m, err
		}
		if peer.PeerID == name {
			return m, fmt.Errorf("%s of %s", m.Event, name)
		}
	}
}
