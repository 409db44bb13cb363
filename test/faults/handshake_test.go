package faults

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/test/rig"
)

// A visit is one connection that leaves before it is done. It runs through its
// steps up to a random one.
type visit struct {
	net.Conn
	r    *bufio.Reader
	name string
}

// say sends a text frame; hear reads one.
func (v *visit) say(text string) error {
	return ws.WriteFrame(v.Conn, ws.MaskFrame(ws.NewTextFrame([]byte(text))))
}

func (v *visit) hear() error {
	h, err := ws.ReadHeader(v.r)
	if err == nil {
		_, err = io.CopyN(io.Discard, v.r, h.Length)
	}
	return err
}

func (v *visit) text(s string) error {
	_, err := io.WriteString(v.Conn, s)
	return err
}

const upgradeHeaders = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// answer reads the answer to a handshake, and its body if it has a length.
func (v *visit) answer(status int) (string, error) {
	a, err := http.ReadResponse(v.r, nil)
	if err != nil {
		return "", err
	}
	if a.StatusCode != status {
		return "", fmt.Errorf("%w: %s instead of %d", errAnswer, a.Status, status)
	}
	if status == http.StatusSwitchingProtocols {
		return "", nil
	}
	body, err := io.ReadAll(a.Body)
	return string(body), err
}

var errAnswer = errors.New("unexpected answer")

// steps are what a client of a kind does, one after the other.
func (v *visit) steps(k kind) []func() error {
	upgrade := func(path string) []func() error {
		return []func() error{
			func() error { return v.text("GET " + path + " HTTP/1.1\r\nHo") },
			func() error { return v.text("st: here\r\n" + upgradeHeaders) },
			func() error { return v.text("\r\n") },
			func() error { _, err := v.answer(http.StatusSwitchingProtocols); return err },
		}
	}
	switch k {
	case volli:
		return append(upgrade("/signaling"),
			func() error { return v.say(`{"type":"register","userId":"` + v.name + `","publicKey":"k"}`) },
			v.hear,
			func() error {
				return v.say(`{"type":"offer","from":"` + v.name + `","to":"host","offer":{"from":"` + v.name + `"}}`)
			},
			func() error { return ws.WriteFrame(v.Conn, ws.MaskFrame(ws.NewCloseFrame([]byte{3, 232}))) },
			v.hear)
	case polling:
		request := func(method, query, body string) error {
			return v.text(fmt.Sprintf("%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s",
				method, query, len(body), body))
		}
		sid := ""
		return []func() error{
			func() error { return request("GET", "", "") },
			func() error {
				body, err := v.answer(http.StatusOK)
				_, rest, _ := strings.Cut(body, `"sid":"`)
				id, _, _ := strings.Cut(rest, `"`)
				sid = "&sid=" + id
				return err
			},
			func() error { return request("POST", sid, "40\x1e"+`42["register",{"userId":"`+v.name+`"}]`) },
			func() error { _, err := v.answer(http.StatusOK); return err },
			func() error { return request("GET", sid, "") },
			func() error { _, err := v.answer(http.StatusOK); return err },
			func() error { return request("GET", sid, "") },
		}
	}
	return append(upgrade("/socket.io/?EIO=4&transport=websocket"),
		v.hear,
		func() error { return v.say("40") },
		v.hear,
		func() error { return v.say(`42["register",{"userId":"` + v.name + `"}]`) },
		v.hear,
		func() error {
			return v.say(`42["offer",{"from":"` + v.name + `","to":"host","offer":{"from":"` + v.name + `"}}]`)
		},
		func() error { return v.say("41") },
		func() error { return v.say("1") })
}

// run visits addr. It leaves with FIN or, at times, with RST.
func (v *visit) run(addr string, k kind) (err error) {
	if v.Conn, err = net.Dial("tcp", addr); err != nil {
		return err
	}
	defer func() {
		if rand.IntN(2) == 0 {
			err = errors.Join(err, v.Conn.(*net.TCPConn).SetLinger(0))
		}
		err = errors.Join(err, v.Conn.Close())
	}()
	if err := v.Conn.SetDeadline(time.Now().Add(rig.Patience)); err != nil {
		return err
	}
	v.r = bufio.NewReader(v.Conn)
	steps := v.steps(k)
	for i, step := range steps[:rand.IntN(len(steps)+1)] {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// TestHandshakeStorm has thousands of clients connect, and leave in the middle
// of whatever they are at, while two users talk, and one watches.
func TestHandshakeStorm(t *testing.T) {
	verifyNoLeaks(t)
	visits := scaled(4000, 1000)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := start(t, engine, "PING_INTERVAL=1s", "PING_TIMEOUT=2s")
			b := measureBase(t, s)
			pair := rig.StartPair(t, s.Addr, "pair", 5*time.Millisecond)
			host := rig.MustDial(t, s.Addr, rig.Oodaa)
			if err := host.Register("host"); err != nil {
				t.Fatal(err)
			}
			heard := watch(host)
			began := time.Now()
			var next atomic.Int64
			var problems sync.Map
			var wg sync.WaitGroup
			kinds := kindsOf(engine)
			for range 64 {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(visits); n = next.Add(1) {
						k := kinds[rand.IntN(len(kinds))]
						v := &visit{name: fmt.Sprint("visitor ", n%100)} // they meet, and replace each other
						if err := v.run(s.Addr, k); err != nil {
							problems.Store(n, fmt.Errorf("%s: %w", k, err))
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d visits in %v; the pair: %v", visits, time.Since(began), pair.Stop())
			problems.Range(func(n, problem any) bool {
				// Whoever is replaced by a visitor of the same name is closed.
				if err := problem.(error); errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, errAnswer) {
					t.Errorf("visit %v: %v", n, err)
				}
				return true
			})
			rig.Eventually(t, "all visitors gone", func() bool { stats := s.Stats(); return stats.Clients() == 1 })
			if users := s.Stats().ConnectedUsers; users != 1 {
				t.Errorf("%d users, want the host alone", users)
			}
			balance := func() (came, left int, unequal []string) {
				for n := range 100 {
					c, l := heard.times(fmt.Sprint("visitor ", n))
					came, left = came+len(c), left+len(l)
					if len(c) != len(l) {
						unequal = append(unequal, fmt.Sprintf("visitor %d came %d times and went %d times", n, len(c), len(l)))
					}
				}
				return came, left, unequal
			}
			rig.Eventually(t, "all who were announced are announced as gone", func() bool {
				came, _, unequal := balance()
				return came > 0 && len(unequal) == 0
			})
			came, left, _ := balance()
			t.Logf("the host was told of %d who came and %d who went", came, left)
			host.Close()
			<-heard.done
			b.await(t)
		})
	}
}
