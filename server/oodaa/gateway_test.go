package oodaa

import (
	"testing"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// informed is a Socket of which the engine's gate knows something.
type informed struct {
	testClient
	info any
}

func (i *informed) Info() any { return i.info }

func TestConnect(t *testing.T) {
	for name, info := range map[string]any{"known": Info{Handshake: &Handshake{Request: "1"}}, "nothing known": nil, "of another type": "info"} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			if receiver, err := s.accept(&informed{info: info}); err != nil || receiver == nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// TestDeadlineComesLate has the register deadline come once more, right after
// the client registered.
func TestDeadlineComesLate(t *testing.T) {
	s := newServer(t)
	a := s.connect("A", time.Now())
	a.register("alice")
	a.Receiver.(wire.Expirer).Expired(time.Now())
	a.hears()
}

// TestRegisterTimeoutAcrossNamespaces has a client leave its namespace, and join it
// again when it should have registered. It is not given the time to leave again.
func TestRegisterTimeoutAcrossNamespaces(t *testing.T) {
	s := newServer(t)
	since := time.Now().Add(-s.handlers.RegisterTimeout)
	s.connect("A", since).hears("close")
	s.connect("B", since.Add(time.Minute)).hears()
}
