package oodaa

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/socketio"
	"github.com/oodaa/signaling/server/wire"
)

// informed is a Socket of which the engine's gate knows something.
type informed struct {
	client
	info any
}

func (i *informed) Info() any { return i.info }

func TestConnect(t *testing.T) {
	limited := map[string]uint64{"Rate limit exceeded": 1}
	tests := []struct {
		name string
		info any
		want map[string]uint64
	}{
		{"limited", Info{Limited: true}, limited},
		{"not limited", Info{}, map[string]uint64{}},
		{"nothing known", nil, map[string]uint64{}},
		{"somebody else's", "Limited", map[string]uint64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			receiver, err := s.gateway.Connect(&informed{info: tt.info}, nil)
			if len(tt.want) == 0 {
				if err != nil || receiver == nil {
					t.Errorf("refused: %v", err)
				}
			} else {
				var refusal *socketio.ConnectError
				if receiver != nil || !errors.As(err, &refusal) || refusal.Message != "Rate limit exceeded" || !refusal.Close {
					t.Errorf("got %v, %#v", receiver, err)
				}
			}
			if got := s.gateway.Handlers.Counts.Errors(); !maps.Equal(got, tt.want) {
				t.Errorf("counted %v, want %v", got, tt.want)
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
