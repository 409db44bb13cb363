package events

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inbox is a Family that takes relays as it is told to.
type inbox struct {
	Client
	outcome hub.Outcome
	got     int
	lost    []*hub.Held // what TakeBack returns
}

func (i *inbox) Relay(*hub.Relay) hub.Outcome { i.got++; return i.outcome }

func (i *inbox) Replaced(*hub.Question) []*hub.Held     { return nil }
func (i *inbox) Over() bool                             { return false }
func (i *inbox) Busy() bool                             { return false }
func (i *inbox) Settled(*wire.Batch)                    {}
func (i *inbox) Spell(*hub.Roster, *hub.User) []byte    { return nil }
func (i *inbox) SpellWatched(*hub.Roster) []byte        { return nil }
func (i *inbox) Tell([]byte, *wire.Batch) bool          { return true }
func (i *inbox) Announce(*hub.Change, *wire.Batch) bool { return true }
func (i *inbox) Replied(*hub.Reply)                     {}
func (i *inbox) ID() string                             { return "inbox" }
func (i *inbox) Registered(Ask, string, hub.Outcome)    {}
func (i *inbox) ICEServers(Ask, []byte)                 {}
func (i *inbox) Failed(Ask, hub.Outcome)                {}
func (i *inbox) End(Ending)                             {}
func (i *inbox) TakeBack() []*hub.Held                  { return i.lost }

func TestHandleRelay(t *testing.T) {
	const odd = "a\xed\xa0\x80\""
	tests := []struct {
		name     string
		sender   string // empty: not registered
		from, to string
		target   hub.Outcome // what the target's connection says
		want     hub.Outcome
		arrives  int
	}{
		{"delivered", "alice", `"alice"`, "bob", hub.OK, hub.OK, 1},
		{"escaped sender", "alice", `"\u0061lic\u0065"`, "bob", hub.OK, hub.OK, 1},
		{"odd sender", odd, `"a\ud800\""`, "bob", hub.OK, hub.OK, 1},
		{"odd sender, other spelling", odd, `"\u0061\uD800\u0022"`, "bob", hub.OK, hub.OK, 1},
		{"not registered", "", `"alice"`, "bob", hub.OK, hub.NotRegistered, 0},
		{"not registered, nobody there", "", `"alice"`, "carol", hub.OK, hub.NotRegistered, 0},
		{"somebody else", "alice", `"bob"`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"prefix", "alice", `"alic"`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"longer", "alice", `"alice "`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"other case", "alice", `"Alice"`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"somebody else to nobody", "alice", `"bob"`, "carol", hub.OK, hub.SenderMismatch, 0},
		{"other surrogate", odd, `"a\ud801\""`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"replacement character", odd, `"a\ufffd\""`, "bob", hub.OK, hub.SenderMismatch, 0},
		{"nobody there", "alice", `"alice"`, "carol", hub.OK, hub.NotFound, 0},
		{"target ends", "alice", `"alice"`, "bob", hub.NotFound, hub.NotFound, 1},
		{"target takes no such size", "alice", `"alice"`, "bob", hub.TooLarge, hub.TooLarge, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &Handlers{Hub: hub.New(hub.Options{}), Deadlines: wire.NewDeadlines(), Log: slog.New(slog.DiscardHandler)}
			defer h.Deadlines.Close()
			defer h.Hub.Close()
			join := func(name string, outcome hub.Outcome) *inbox {
				i := &inbox{outcome: outcome}
				i.Open(h, i, false, Connection{Opened: time.Now()})
				t.Cleanup(func() { i.Close(hub.Goodbye) })
				if name != "" {
					if hold := i.HandleRegister(Ask{}, name, "", false); hold != nil {
						t.Fatal("the register waits")
					}
				}
				return i
			}
			bob, sender := join("bob", tt.target), join(tt.sender, hub.OK)
			r := &hub.Relay{Kind: hub.Answer, To: []byte(tt.to), Payload: []byte(`{}`)}
			if got := sender.HandleRelay(r, []byte(tt.from)); got != tt.want {
				t.Errorf("outcome %d, want %d", got, tt.want)
			}
			if bob.got != tt.arrives {
				t.Errorf("arrived %d times", bob.got)
			}
			want := map[string]uint64{"offer": 0, "answer": 0, "ice-candidate": 0, "custom-message": 0}
			if tt.want == hub.OK {
				want["answer"] = 1
			}
			if got := h.Counters.Relays(); !maps.Equal(got, want) {
				t.Errorf("counted %v, want %v", got, want)
			}
		})
	}
}

// A token expires on a dead connection. Its user comes back with another token, and
// gets what the connection had not delivered.
func TestTokenExpiresOnADeadConnection(t *testing.T) {
	deadlines := wire.NewDeadlines()
	defer deadlines.Close()
	h := &Handlers{Hub: hub.New(hub.Options{Grace: time.Minute, Deadlines: deadlines}), Deadlines: deadlines, Log: slog.New(slog.DiscardHandler)}
	defer h.Hub.Close()
	join := func(name string) *inbox {
		i := new(inbox)
		i.Open(h, i, false, Connection{Opened: time.Now()})
		t.Cleanup(func() { i.Close(hub.Goodbye) })
		i.HandleRegister(Ask{}, name, "", false)
		return i
	}
	alice, dead := join("alice"), join("bob")
	receipt := (&hub.Relay{Kind: hub.Offer, From: alice.User()}).Receipt()
	dead.lost = []*hub.Held{h.Hub.Unacknowledged(dead.User(), receipt, []byte("{}"), nil, nil)}
	dead.ends.Store(1)
	dead.Expired(time.Now())
	if bob := join("bob"); bob.got != 1 {
		t.Errorf("%d relays arrived", bob.got)
	}
}
