package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

const (
	// maxDelay is how long a client waits before it connects again, at most.
	maxDelay = 500 * time.Millisecond
	// A sender sends a relay in each of these times, or somewhat later.
	minPause, morePause = 200 * time.Millisecond, 400 * time.Millisecond
)

// A user is always there, as far as the servers let it be: told to go, or cut
// off, it connects and registers again. One of Oodaa's family sends to others
// all the time. (The clients of package rig keep all that they get, which is too
// much for a crowd that hears of everybody's coming and going.)
type user struct {
	index  int
	family rig.Family
	fleet  *fleet

	mu      sync.Mutex // guards writing and what follows
	conn    *websocket.Conn
	here    bool // registered
	sent    []relay
	arrived map[relayID]int
	ends    []end
	outages []outage
	failed  []string // connections that did not come about
	late    int      // registrations that an instance refused since it was about to stop
	strange []string // what must not be, and was seen

	departures int // of others, of which it was told
}

// An end is that of a connection.
type end struct {
	at         time.Time
	registered bool  // on this connection
	cut        error // nil if the client was told
}

// An outage is a time without reachability.
type outage struct {
	told   time.Time // or cut off
	dialed time.Time // came back, with success
	back   time.Time // registered again
}

func (u *user) name() string { return "user " + strconv.Itoa(u.index) }

// live runs the user until ctx ends.
func (u *user) live(ctx context.Context) {
	var lost time.Time // since then the user is not reachable
	for ctx.Err() == nil {
		dialed := time.Now()
		conn, err := u.dial(ctx)
		if err == nil {
			err = u.attend(ctx, conn, func(now time.Time) {
				if !lost.IsZero() {
					u.outages = append(u.outages, outage{told: lost, dialed: dialed, back: now})
				}
			})
		}
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		u.mu.Lock()
		switch {
		case conn == nil:
			u.failed = append(u.failed, err.Error())
		case errors.Is(err, errTold):
			u.ends = append(u.ends, end{at: now, registered: u.here})
		default:
			u.ends = append(u.ends, end{at: now, registered: u.here, cut: err})
		}
		if u.here {
			lost = now
		}
		u.conn, u.here = nil, false
		for i := range u.sent {
			if u.sent[i].outcome == pending {
				u.sent[i].outcome = broken
			}
		}
		u.mu.Unlock()
		pause(ctx, rand.N(maxDelay))
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (u *user) dial(ctx context.Context) (*websocket.Conn, error) {
	path := "/socket.io/?EIO=4&transport=websocket"
	if u.family == rig.Volli {
		path = "/signaling"
	}
	dialer := websocket.Dialer{HandshakeTimeout: rig.Patience, ReadBufferSize: 2 << 10, WriteBufferSize: 1 << 10}
	conn, answer, err := dialer.DialContext(ctx, "ws://"+u.fleet.addr+path, nil)
	if err != nil && answer != nil {
		return nil, fmt.Errorf("%w: %s", err, answer.Status)
	}
	return conn, err
}

// errTold is the end of a connection of which the server told the client.
var errTold = errors.New("told to go")

// attend registers, and reads until the connection ends. It calls registered,
// with u.mu held, once that is so.
func (u *user) attend(ctx context.Context, conn *websocket.Conn, registered func(time.Time)) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	u.mu.Lock()
	u.conn = conn
	u.mu.Unlock()
	if u.family == rig.Volli {
		if err := u.write(`{"type":"register","userId":%q,"publicKey":"key of a test"}`, u.name()); err != nil {
			return err
		}
	}
	var frame bytes.Buffer
	for {
		_, r, err := conn.NextReader()
		if err == nil {
			frame.Reset()
			_, err = frame.ReadFrom(r)
		}
		// 1000 and 1013 follow an error in answer to a registration.
		if websocket.IsCloseError(err, websocket.CloseGoingAway, websocket.CloseNormalClosure, websocket.CloseTryAgainLater) {
			return errTold
		}
		if err != nil {
			return err
		}
		take := u.takeOodaa
		if u.family == rig.Volli {
			take = u.takeVolli
		}
		done, err := take(frame.Bytes())
		if err != nil {
			return err
		}
		if done {
			now := time.Now()
			u.mu.Lock()
			registered(now)
			u.here = true
			u.mu.Unlock()
		}
	}
}

// write sends one frame.
func (u *user) write(format string, args ...any) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.writeLocked(format, args...)
}

func (u *user) writeLocked(format string, args ...any) error {
	if err := u.conn.SetWriteDeadline(time.Now().Add(rig.Patience)); err != nil {
		return err
	}
	return u.conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...))
}

// takeOodaa looks at a packet; registered is true for the answer to register.
func (u *user) takeOodaa(packet []byte) (registered bool, err error) {
	event, isEvent := bytes.CutPrefix(packet, []byte(`42["`))
	switch {
	case bytes.HasPrefix(event, []byte("peer-")) && isEvent:
		if bytes.HasPrefix(event, []byte("peer-disconnected")) {
			u.mu.Lock()
			u.departures++
			u.mu.Unlock()
		}
		return false, nil
	case bytes.HasPrefix(event, []byte(`user-list"`)) && isEvent:
		return true, nil
	case bytes.HasPrefix(event, []byte(`ice-candidate",`)) && isEvent:
		u.arrive(bytes.TrimSuffix(event[len(`ice-candidate",`):], []byte("]")))
		return false, nil
	case bytes.HasPrefix(event, []byte(`error",`)) && isEvent:
		u.mu.Lock()
		defer u.mu.Unlock()
		if !u.here {
			return false, u.tooLate(string(bytes.Trim(event[len(`error",`):], `"]`)))
		}
		return false, nil // the acknowledgement tells as much
	case string(packet) == "2":
		return false, u.write("3")
	case string(packet) == "41":
		return false, errTold
	case bytes.HasPrefix(packet, []byte("43")):
		return false, u.acknowledge(string(packet[2:]))
	case bytes.HasPrefix(packet, []byte("40")):
		return false, u.write(`42["register",{"userId":%q}]`, u.name())
	case bytes.HasPrefix(packet, []byte("0")):
		return false, u.write("40")
	}
	return false, fmt.Errorf("unexpected packet %q", packet)
}

func (u *user) takeVolli(text []byte) (registered bool, err error) {
	var m struct{ Type, Message string }
	if err := json.Unmarshal(text, &m); err != nil {
		return false, err
	}
	switch m.Type {
	case "registered":
		return true, nil
	case "ice-candidate":
		u.arrive(text)
		return false, nil
	case "error":
		u.mu.Lock()
		defer u.mu.Unlock()
		return false, u.tooLate(m.Message)
	}
	return false, fmt.Errorf("unexpected message %q", text)
}

// tooLate takes an error in answer to a registration. There is one that may come,
// and the connection's end follows it. u.mu is held.
func (u *user) tooLate(text string) error {
	if text != "Server unavailable" {
		return fmt.Errorf("unexpected error %q", text)
	}
	u.late++
	return nil
}

// talk sends relays to anybody until ctx ends, and waits for no answer.
func (u *user) talk(ctx context.Context) {
	for {
		pause(ctx, minPause+rand.N(morePause))
		if ctx.Err() != nil {
			return
		}
		to := rand.N(len(u.fleet.users) - 1)
		if to >= u.index {
			to++
		}
		u.mu.Lock()
		if u.here {
			n := len(u.sent)
			u.sent = append(u.sent, relay{to: to})
			// A failure is the end of the connection, which its reader sees.
			_ = u.writeLocked(`42%d["ice-candidate",{"to":%q,"from":%q,"candidate":{"from":%d,"n":%d}}]`,
				n, u.fleet.users[to].name(), u.name(), u.index, n)
		}
		u.mu.Unlock()
	}
}

// acknowledge takes what follows 43: the number and the outcome.
func (u *user) acknowledge(packet string) error {
	number, outcome, _ := strings.Cut(packet, "[")
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("acknowledgement %q: %w", packet, err)
	}
	var answer struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal([]byte(strings.TrimSuffix(outcome, "]")), &answer); err != nil {
		return fmt.Errorf("acknowledgement %q: %w", packet, err)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if n >= len(u.sent) || u.sent[n].outcome != pending {
		u.strange = append(u.strange, fmt.Sprintf("an acknowledgement of nothing, or again: %q", packet))
		return nil
	}
	switch r := &u.sent[n]; {
	case answer.OK:
		r.outcome = delivered
	default:
		r.outcome = refused
		r.reason = strings.ReplaceAll(answer.Error, u.fleet.users[r.to].name(), "…")
	}
	return nil
}

func (u *user) arrive(message []byte) {
	var m struct {
		Candidate *relayID
	}
	err := json.Unmarshal(message, &m)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil || m.Candidate == nil {
		u.strange = append(u.strange, fmt.Sprintf("a relay that nobody sent: %q", message))
		return
	}
	u.arrived[*m.Candidate]++
}
