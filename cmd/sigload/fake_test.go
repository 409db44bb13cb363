package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// A fake is a server that does what a relay says to what its clients send.
type fake struct {
	relay func() relay // for a new client

	mu    sync.Mutex
	seats map[string]*seat // by name
}

// A relay returns what the peer gets for message number n of a client.
type relay func(n int, message []byte) [][]byte

type seat struct {
	mu sync.Mutex
	nc net.Conn
}

func (s *seat) send(message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return wsutil.WriteServerText(s.nc, message)
}

// start serves Socket.IO clients until the test ends.
func (f *fake) start(t *testing.T) string {
	f.seats = make(map[string]*seat)
	var clients sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		clients.Go(func() {
			defer nc.Close()
			_ = f.serve(nc)
		})
	}))
	t.Cleanup(func() {
		s.Close()
		clients.Wait()
	})
	return s.URL
}

func (f *fake) serve(nc net.Conn) error {
	me := &seat{nc: nc}
	if err := errors.Join(me.send([]byte(`0{"sid":"fake"}`)), me.send([]byte("2"))); err != nil {
		return err
	}
	relay, n, name, ponged := f.relay(), 0, "", false
	for {
		message, err := wsutil.ReadClientText(nc)
		if err != nil {
			return err
		}
		text := string(message)
		switch {
		case text == "40":
			err = me.send([]byte(`40{"sid":"fake"}`))
		case text == "3":
			ponged = true
		case !ponged:
			return errors.New("the ping was not answered")
		case strings.HasPrefix(text, `42["register"`):
			_, name, _ = strings.Cut(text, `"userId":"`)
			name, _, _ = strings.Cut(name, `"`)
			f.mu.Lock()
			f.seats[name] = me
			f.mu.Unlock()
			err = me.send([]byte(`42["user-list",{"users":[]}]`))
		default:
			_, to, _ := strings.Cut(text, `"to":"`)
			to, _, _ = strings.Cut(to, `"`)
			f.mu.Lock()
			peer := f.seats[to]
			f.mu.Unlock()
			for _, m := range relay(n, message) {
				if err := peer.send(m); err != nil {
					return err
				}
			}
			n++
		}
		if err != nil {
			return err
		}
	}
}

func pass(message []byte) [][]byte { return [][]byte{message} }

func TestFaultsOfAServerAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		relay                                func(held *[]byte, n int, message []byte) [][]byte
		lost, reordered, duplicated, altered int64 // of each client's messages
	}{
		"none": {relay: func(_ *[]byte, _ int, message []byte) [][]byte { return pass(message) }},
		"loss": {
			relay: func(_ *[]byte, n int, message []byte) [][]byte {
				if n == 5 || n == 7 || n == 8 {
					return nil
				}
				return pass(message)
			},
			lost: 3,
		},
		"order": {
			relay: func(held *[]byte, n int, message []byte) [][]byte {
				switch n {
				case 5:
					*held = message
					return nil
				case 8:
					return [][]byte{message, *held}
				}
				return pass(message)
			},
			reordered: 1,
		},
		"repetition": {
			relay: func(_ *[]byte, n int, message []byte) [][]byte {
				if n == 5 {
					return [][]byte{message, message}
				}
				return pass(message)
			},
			duplicated: 1,
		},
		"another body": {
			relay: func(_ *[]byte, n int, message []byte) [][]byte {
				if n == 5 {
					message = []byte(strings.Replace(string(message), "udp", "tcp", 1))
				}
				return pass(message)
			},
			altered: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{relay: func() relay {
				var held []byte
				return func(n int, message []byte) [][]byte { return test.relay(&held, n, message) }
			}}
			r, err := sigload(t, "relay", "-raw", "-pairs", "1", "-rate", "400", "-warmup", "0s", "-duration", "500ms", "-drain", "100ms",
				"-url", f.start(t))
			const clients = 2
			if r.Lost != clients*test.lost || r.Reordered != clients*test.reordered ||
				r.Duplicated != clients*test.duplicated || r.Altered != clients*test.altered {
				t.Errorf("%+v", r)
			}
			if wrong := name != "none"; wrong != errors.Is(err, errFaults) {
				t.Errorf("ended with %v", err)
			}
		})
	}
}

// A server that does nothing for a while delays all that was due meanwhile.
// Answered one by one, that is one message; counted from when they were due, it
// is all of them.
func TestStallsCountForAllThatWaits(t *testing.T) {
	const stall, rate = 700 * time.Millisecond, 200
	stalling := func(t *testing.T) string {
		var once sync.Once
		f := &fake{relay: func() relay {
			return func(n int, message []byte) [][]byte {
				if n == 5 {
					once.Do(func() { <-time.After(stall) })
				}
				return pass(message)
			}
		}}
		return f.start(t)
	}
	args := []string{"relay", "-raw", "-pairs", "1", "-warmup", "0s", "-duration", "1s", "-url"}
	t.Run("offered", func(t *testing.T) {
		t.Parallel()
		r, err := sigload(t, append(args, stalling(t), "-rate", "200")...)
		if err != nil {
			t.Fatal(err)
		}
		// Half of the messages are one client's; of those, 70 of 100 are due in
		// the stall, and wait 350 ms on the mean. 25 % of all wait longer than
		// 0.2 s even if all else is instant.
		l := r.Latencies[0]
		if !l.Corrected || l.P90 < 200 || l.Max < 650 || l.Count < rate/2 {
			t.Errorf("%+v", l)
		}
	})
	t.Run("answered", func(t *testing.T) {
		t.Parallel()
		r, err := sigload(t, append(args, stalling(t))...)
		if err != nil {
			t.Fatal(err)
		}
		// The same stall is one message of many.
		l := r.Latencies[0]
		if l.Corrected || l.P50 > 300 || l.Max < 650 {
			t.Errorf("%+v", l)
		}
	})
}
