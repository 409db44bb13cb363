package wire

import (
	"errors"
	"testing"

	"github.com/gobwas/ws"
)

func account(t *testing.T, limit int) *Account {
	a := NewAccount(limit)
	t.Cleanup(func() {
		a.Close()
		if n := a.Held(); n != 0 {
			t.Errorf("%d bytes are held at the end", n)
		}
	})
	return a
}

// accounted is limits with an account.
func accounted(a *Account) *Config {
	cfg := limits()
	cfg.Account = a
	return cfg
}

// A client that holds much of what it caused itself is ended when too much is
// held in all, and no other is.
func TestAccountEndsWhoCausedIt(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		cfg := accounted(account(t, 1<<20))
		cfg.MaxMessage, cfg.MaxOutbox = 1_000_000, 8<<20
		victim, innocent, attacker := slowReader(t, cfg, n), connect(t, cfg, n), connect(t, cfg, n)
		// Others fill the victim's outbox.
		var err error
		for i := 0; err == nil; i++ {
			err = victim.Relay(nil, Receipt{From: &senders[i%8]}, Message{Payload: make([]byte, 50_000)})
		}
		if err != ErrFull {
			t.Fatal(err)
		}
		// The attacker begins messages that it does not end.
		f := frame(true, ws.OpBinary, letters(900_000))
		small := frame(true, ws.OpBinary, letters(5000))
		innocent.write(small[:1000])
		go func() { _, _ = attacker.peer.nc.Write(f[:800_000]) }()
		if err := attacker.ended(); !errors.Is(err, ErrHeld) {
			t.Errorf("closed by %v", err)
		}
		attacker.waitServed()
		innocent.write(small[1000:])
		innocent.saw("binary " + letters(5000))
		victim.write(text("still here"))
		victim.saw("text still here")
	})
}

// Past the limit, relays are refused to whom something waits for, and only then.
func TestAccountRefusesRelays(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		a := account(t, 100_000)
		cfg := accounted(a)
		slow, quick := slowReader(t, cfg, n), connect(t, cfg, n)
		r := Receipt{From: &senders[0]}
		var err error
		for i := 0; err == nil; i++ {
			r.From = &senders[i%8]
			err = slow.Relay(nil, r, Message{Payload: make([]byte, 10_000)})
		}
		if err != ErrFull {
			t.Fatal(err)
		}
		if held := a.Held(); held < 100_000 || held > 100_000+maxChunk {
			t.Errorf("%d bytes are held", held)
		}
		if err := quick.Relay(nil, r, Message{Payload: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
		quick.expectText("hello")
	})
}

// All that is held is given back, however a connection ends.
func TestAccountIsEven(t *testing.T) {
	onNetworks(t, func(t *testing.T, n network) {
		for name, end := range map[string]func(l *link){
			"cut":    func(l *link) { l.Cut() },
			"closed": func(l *link) { l.Close(CloseNormal, ""); l.Cut() },
			"lost":   func(l *link) { l.peer.nc.Close() },
		} {
			t.Run(name, func(t *testing.T) {
				l := connect(t, accounted(account(t, 0)), n)
				if tcp := tcpBelow(l.peer.nc); tcp != nil {
					_ = tcp.SetReadBuffer(16 << 10)
				}
				for range 8 {
					_ = l.Send(nil, Message{Payload: make([]byte, 60_000)})
					_ = l.Relay(nil, Receipt{From: l}, Message{Payload: make([]byte, 10_000)})
				}
				l.write(frame(false, ws.OpText, letters(5000)), frame(true, ws.OpContinuation, letters(5000))[:100])
				end(l)
				l.waitServed()
			})
		}
	})
}
