package faults

import (
	"fmt"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// A client is one user's connection, on whatever transport. What the rig says
// of its Client holds.
type client interface {
	Register(id string) error
	Send(to, body string, ack bool) (acknowledged string, err error)
	Await(events ...string) (rig.Message, error)
	Inbox() <-chan rig.Message
	Done() <-chan struct{}
	Err() error
	Close()
}

// A kind is how a client speaks.
type kind string

const (
	oodaa   kind = "oodaa"
	volli   kind = "volli"
	polling kind = "polling" // of Oodaa's family
)

// kindsOf are the kinds of clients that an engine takes.
func kindsOf(engine string) []kind {
	if engine == "zishang" {
		return []kind{oodaa, volli}
	}
	return []kind{oodaa, volli, polling}
}

// acknowledges reports whether relays of such clients are acknowledged.
func (k kind) acknowledges() bool { return k != volli }

func dial(addr string, k kind) (client, error) {
	var c client
	var err error
	switch k {
	case volli:
		c, err = rig.Dial(addr, rig.Volli, nil)
	case polling:
		c, err = dialPolling(addr)
	default:
		c, err = rig.Dial(addr, rig.Oodaa, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	return c, nil
}

// join connects a client that is closed at the test's end, and registers it.
func join(t *testing.T, addr string, k kind, id string) client {
	t.Helper()
	c, err := dial(addr, k)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Register(id); err != nil {
		t.Fatalf("%s %s: %v", k, id, err)
	}
	return c
}

// ended reports whether the client's connection is over.
func ended(c client) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}
