package overload

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// An outcome is how a server met a connection.
type outcome string

const (
	admitted outcome = "admitted"
	limited  outcome = "429"
	full     outcome = "503"
)

// entrances are the ways in.
func entrances(engine string) []string {
	if engine == "zishang" { // WebSocket only
		return []string{oodaaPath, "/signaling"}
	}
	return []string{oodaaPath, "/signaling", pollingPath}
}

// knock opens a connection, joins the namespace where there is one, and says how it
// was met. The connection stays open.
func (s *stage) knock(entrance string, w way) (outcome, net.Conn, error) {
	conn, err := w.dialer().Dial("tcp", s.server.Addr)
	if err != nil {
		return "", nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(rig.Patience))
	request := upgradeRequest(entrance)
	if entrance == pollingPath {
		request = []byte("GET " + entrance + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	if _, err := conn.Write(request); err != nil {
		return "", conn, err
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return "", conn, err
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests:
		if answer.Header.Get("Retry-After") == "" {
			err = errors.New("429 without Retry-After")
		}
		return limited, conn, err
	case http.StatusServiceUnavailable:
		return full, conn, nil
	case http.StatusOK:
		return admitted, conn, nil
	case http.StatusSwitchingProtocols:
	default:
		return "", conn, errors.New(answer.Status)
	}
	if entrance != oodaaPath {
		return admitted, conn, nil
	}
	e := &enemy{conn: conn, in: in}
	if err := e.send(frame("40")); err != nil {
		return "", conn, err
	}
	for {
		_, head, err := e.next()
		switch {
		case err != nil:
			return "", conn, err
		case strings.HasPrefix(string(head), "40"):
			return admitted, conn, nil
		case strings.HasPrefix(string(head), "44"):
			return "", conn, errors.New(string(head))
		}
	}
}

// A crush is how many connections were met how.
type crush struct {
	mu       sync.Mutex
	outcomes map[outcome]int
	errs     []error
}

// rush knocks n times, at each entrance in turn.
func (s *stage) rush(entrances []string, n int, w way) *crush {
	c := &crush{outcomes: make(map[outcome]int)}
	var wg sync.WaitGroup
	const atOnce = 16
	for first := range atOnce {
		wg.Go(func() {
			for i := first; i < n; i += atOnce {
				got, conn, err := s.knock(entrances[i%len(entrances)], w)
				c.mu.Lock()
				if err != nil {
					c.errs = append(c.errs, err)
				} else {
					c.outcomes[got]++
				}
				if conn != nil {
					s.enemies = append(s.enemies, conn)
				}
				c.mu.Unlock()
			}
		})
	}
	wg.Wait()
	return c
}

// TestConnectionFlood opens connections from one address as fast as it can, and
// keeps all of them. Past RATE_LIMIT each gets 429; other addresses must not notice. Connections that never say anything are closed after ten seconds.
func TestConnectionFlood(t *testing.T) {
	waits(t)
	engines(t, func(t *testing.T, engine string) {
		const limit = 100
		// Short, for sessions that nobody polls.
		s := begin(t, engine, fmt.Sprintf("RATE_LIMIT=%d", limit), "MAX_CONNECTIONS_PER_IP=0", "PING_INTERVAL=4s", "PING_TIMEOUT=4s")
		silence := s.silent(crowd, way{source: net.IPv4(127, 0, 0, 4)})
		// Others come while it goes on.
		stop := make(chan struct{})
		came := 0
		var others sync.WaitGroup
		others.Go(func() {
			for ; came < limit/2; came++ {
				select {
				case <-stop:
					return
				default:
				}
				c, err := connect(s.server.Addr, rig.Family(came%2), "other", way{source: net.IPv4(127, 0, 0, 2)})
				if err != nil {
					t.Errorf("another address: %v", err)
					return
				}
				_ = c.Close()
			}
		})
		start := time.Now()
		c := s.rush(entrances(engine), knocks, way{source: net.IPv4(127, 0, 0, 3)})
		took := time.Since(start)
		close(stop)
		others.Wait()
		stats := s.stats()
		t.Logf("%d connections, %.0f a second: %v; %d clients are connected; %d others came", knocks, knocks/took.Seconds(), c.outcomes, stats.Clients(), came)
		if len(c.errs) > 0 {
			t.Errorf("knocking failed %d times: %v", len(c.errs), c.errs[0])
		}
		// A minute may turn while it goes on, and a part of the limit with it.
		if n := c.outcomes[admitted]; n < limit-10 || n > limit+limit/4 {
			t.Errorf("%d connections were admitted, with a limit of %d", n, limit)
		}
		if c.outcomes[full] != 0 || c.outcomes[limited] == 0 {
			t.Errorf("%v", c.outcomes)
		}
		if came == 0 {
			t.Error("nobody else came")
		}
		// Admitted ones, the others' last, and the pair.
		if most := limit + limit/4 + 3; stats.Clients() > most {
			t.Errorf("%d clients are connected", stats.Clients())
		}
		s.bound(memory{clients: knocks + crowd})
		rig.Eventually(t, "the end of those who are silent", func() bool { return silence.Load() == crowd })
		s.dismiss()
		s.end()
	})
}

// silent opens n connections that say nothing at all, or not all of a request.
// The result counts those that the server has closed.
func (s *stage) silent(n int, w way) *atomic.Int64 {
	s.t.Helper()
	ends := new(atomic.Int64)
	for i := range n {
		conn, err := w.dialer().Dial("tcp", s.server.Addr)
		if err != nil {
			s.t.Fatal(err)
		}
		s.enemies = append(s.enemies, conn)
		if i%2 == 0 {
			if _, err := io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"); err != nil {
				s.t.Fatal(err)
			}
		}
		go func() { // ends when the connection does
			if _, err := io.Copy(io.Discard, conn); err == nil {
				ends.Add(1)
			}
		}()
	}
	return ends
}

// TestMaxConnections fills a server up. Newcomers get 503, monitors go on, and
// who leaves makes room.
func TestMaxConnections(t *testing.T) {
	engines(t, func(t *testing.T, engine string) {
		const most = crowd / 2
		s := begin(t, engine, fmt.Sprintf("MAX_CONNECTIONS=%d", most))
		entrances := entrances(engine)
		half := (most - 2) / 2
		first := s.crew(half, rig.Oodaa, "o", way{})
		s.crew(most-2-half, rig.Volli, "v", way{})

		// A thousand more want in at the same time.
		isFull := func() {
			t.Helper()
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for range crowd / 16 {
						got, conn, err := s.knock(entrances[i%len(entrances)], way{})
						if conn != nil {
							_ = conn.Close()
						}
						if err != nil || got != full {
							t.Errorf("%s: %s, %v", entrances[i%len(entrances)], got, err)
							return
						}
					}
				})
			}
			for _, path := range []string{"/health", "/ready", "/stats"} {
				status, body, err := s.get(path)
				var answer map[string]any
				if err != nil || status != http.StatusOK || json.Unmarshal(body, &answer) != nil {
					t.Errorf("%s: %d %s, %v", path, status, body, err)
				}
			}
			wg.Wait()
		}
		isFull()
		if stats := s.stats(); stats.Clients() != most || stats.ConnectedUsers != most {
			t.Errorf("%d clients, %d users", stats.Clients(), stats.ConnectedUsers)
		}

		const leaving = 10
		for _, e := range first[:leaving] {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s.settle(most - leaving)
		for i := range leaving {
			var got outcome
			rig.Eventually(t, "room for another one", func() bool {
				var conn net.Conn
				var err error
				got, conn, err = s.knock(entrances[i%2], way{})
				if conn != nil {
					s.enemies = append(s.enemies, conn)
				}
				return err == nil && got == admitted
			})
		}
		isFull()
		s.bound(memory{clients: 2 * most})
		s.end()
	})
}
