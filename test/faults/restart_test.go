package faults

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// crowd is who is connected when a server stops: as kinds of the two users of
// each pair. One user in twenty polls, where the engine allows it.
func crowd(engine string, users int) (pairs [][2]kind) {
	mix := [][2]kind{{oodaa, volli}, {volli, oodaa}, {oodaa, oodaa}, {volli, volli}}
	for i := range users / 2 {
		kinds := mix[i%len(mix)]
		if engine == "native" && i%10 == 0 {
			kinds[i/10%2] = polling
		}
		pairs = append(pairs, kinds)
	}
	return pairs
}

// gather connects and registers a crowd. connect is called by several at once.
func gather(t *testing.T, pairs [][2]kind, connect func(k kind, name string) (client, error)) [][2]*talker {
	t.Helper()
	gathered := make([][2]*talker, len(pairs))
	var mu sync.Mutex
	var problems []error
	var wg sync.WaitGroup
	const hands = 16
	for hand := range hands {
		wg.Go(func() {
			for i := hand; i < len(pairs); i += hands {
				for j, k := range pairs[i] {
					u := &talker{kind: k, name: fmt.Sprint(i, " ", j), acks: make(map[int]bool), read: make(chan struct{})}
					var err error
					if u.client, err = connect(k, u.name); err != nil {
						mu.Lock()
						problems = append(problems, err)
						mu.Unlock()
						return
					}
					gathered[i][j] = u
					go u.listen()
				}
				gathered[i][0].to, gathered[i][1].to = gathered[i][1], gathered[i][0]
			}
		})
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, p := range gathered {
			for _, u := range p {
				if u != nil {
					u.Close()
					<-u.read
				}
			}
		}
	})
	if err := errors.Join(problems...); err != nil {
		t.Fatal(err)
	}
	return gathered
}

// connected dials and registers.
func connected(addr string, k kind, name string) (client, error) {
	c, err := dial(addr, k)
	if err != nil {
		return nil, err
	}
	if err := c.Register(name); err != nil {
		c.Close()
		return nil, fmt.Errorf("%s %s: %w", k, name, err)
	}
	return c, nil
}

// TestStopUnderTrafficAndRestart stops a server under 1,000 users who talk. All
// are told; nothing that was acknowledged with ok is lost; then another server
// on the same port has them back.
func TestStopUnderTrafficAndRestart(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := start(t, engine)
			b := measureBase(t, s)
			pairs := crowd(engine, scaled(1000, 200))
			talkers := gather(t, pairs, func(k kind, name string) (client, error) { return connected(s.Addr, k, name) })
			stopUnderTraffic(t, s, engine, talkers)
			b.server = restart(t, s, engine, pairs[:50])
			b.await(t)
		})
	}
}

func stopUnderTraffic(t *testing.T, s *rig.Server, engine string, talkers [][2]*talker) {
	last, told := newHoldout(t, s.Addr)
	stopTalking := make(chan struct{})
	var talking sync.WaitGroup
	for i, p := range talkers {
		every := 250 * time.Millisecond
		if i%13 == 0 { // who sends so often has something on its way at any time
			every = 4 * time.Millisecond
		}
		for _, u := range p {
			talking.Go(func() { u.talk(every, stopTalking) })
		}
	}
	defer talking.Wait()
	defer close(stopTalking)
	rig.Eventually(t, "traffic", func() bool {
		return !slices.ContainsFunc(flat(talkers), func(u *talker) bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(u.got) < 3
		})
	})

	began := time.Now()
	var stopping sync.WaitGroup
	stopping.Go(s.Stop)
	defer stopping.Wait()
	defer last.release()
	select {
	case <-told:
	case <-time.After(rig.Patience):
		t.Fatal("the last client was not told of the stop")
	}
	if err := unreadiness(s, engine); err != nil {
		t.Errorf("while it stops: %v", err)
	}
	deadline := time.After(rig.Patience)
	for _, u := range flat(talkers) {
		select {
		case <-u.read:
		case <-deadline:
			t.Fatalf("%s (%s) was not closed", u.name, u.kind)
		}
	}
	everybody := time.Since(began)
	last.release()
	<-s.Exited()
	took := time.Since(began)
	if took >= 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	checkStop(t, talkers)
	t.Logf("%d users were told and closed within %v, the process ended after %v", 2*len(talkers), everybody, took)
}

// checkStop checks that all were told, and what became of their relays.
func checkStop(t *testing.T, talkers [][2]*talker) {
	t.Helper()
	var sum tally
	problems := 0
	for _, u := range flat(talkers) {
		tally, wrong := u.check(false, true)
		if err := errors.Join(orderly(u.client, u.kind), wrong); err != nil {
			if problems++; problems <= 10 {
				t.Errorf("%s (%s): %v", u.name, u.kind, err)
			}
		}
		sum.add(tally)
	}
	t.Logf("%d with problems; %v", problems, sum)
	if sum.unanswered == sum.sent || sum.ok == 0 {
		t.Error("there was no traffic to lose")
	}
}

func flat(pairs [][2]*talker) (users []*talker) {
	for _, p := range pairs {
		users = append(users, p[:]...)
	}
	return users
}

// restart has clients try to connect again until a new server on the port of s
// takes them. It returns that server when they have reached each other, and
// left.
func restart(t *testing.T, s *rig.Server, engine string, pairs [][2]kind) *rig.Server {
	var talkers [][2]*talker
	patience := time.Now().Add(rig.Patience)
	var coming sync.WaitGroup
	coming.Go(func() {
		talkers = gather(t, pairs, func(k kind, name string) (client, error) {
			again := time.NewTicker(50 * time.Millisecond)
			defer again.Stop()
			for {
				c, err := connected(s.Addr, k, name)
				if err == nil || time.Now().After(patience) {
					return c, err
				}
				<-again.C
			}
		})
	})
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	// A polling client that leaves between two polls is found by its heartbeat.
	next := start(t, engine, "PORT="+port, "PING_INTERVAL=1s", "PING_TIMEOUT=4s")
	coming.Wait()
	for _, u := range flat(talkers) {
		u.mu.Lock()
		u.sent = 1
		u.mu.Unlock()
		if _, err := u.Send(u.to.name, `{"n":1}`, u.kind.acknowledges()); err != nil {
			t.Fatal(err)
		}
	}
	rig.Eventually(t, "all who came back reach each other", func() bool {
		return !slices.ContainsFunc(flat(talkers), func(u *talker) bool { return !u.settled() })
	})
	for _, u := range flat(talkers) {
		if tally, err := u.check(true, true); err != nil || tally.arrived != 1 {
			t.Errorf("%s (%s), after the restart: %v, %v", u.name, u.kind, tally, err)
		}
	}
	for _, u := range flat(talkers) {
		u.Close()
	}
	return next
}

// A deaf client stops to read.
func deaf(t *testing.T, addr string, k kind, name string) {
	t.Helper()
	dialer := websocket.Dialer{NetDialContext: (&net.Dialer{Control: rig.Narrow}).DialContext}
	path, hello, answer := "/signaling", []string{`{"type":"register","userId":"` + name + `","publicKey":"k"}`}, `{"type":"registered"`
	if k == oodaa {
		path, hello, answer = "/socket.io/?EIO=4&transport=websocket", []string{"40", `42["register",{"userId":"` + name + `"}]`}, `42["user-list"`
	}
	conn, _, err := dialer.Dial("ws://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, text := range hello {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(rig.Patience)); err != nil {
		t.Fatal(err)
	}
	for {
		_, m, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(m), answer) {
			return
		}
	}
}

// Clients that do not read, and for whom megabytes wait, do not keep a server
// from ending in time.
func TestStopWithDeafClients(t *testing.T) {
	verifyNoLeaks(t)
	const timeout = 4 * time.Second
	// What the server keeps back of it for its own work is for one that is not
	// slowed down by the race detector.
	limit := timeout + time.Duration(scaled(0, 2))*time.Second
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, "SHUTDOWN_TIMEOUT="+timeout.String())
			readers := gather(t, crowd(engine, 20), func(k kind, name string) (client, error) { return connected(s.Addr, k, name) })
			caller := join(t, s.Addr, oodaa, "caller")
			body := `"` + strings.Repeat("b", 100_000) + `"`
			for i := range 20 {
				name := fmt.Sprint("deaf ", i)
				deaf(t, s.Addr, []kind{oodaa, volli}[i%2], name)
				for range scaled(35, 10) {
					ack, err := caller.Send(name, body, true)
					if err != nil {
						t.Fatal(err)
					}
					m, err := caller.Await(ack)
					if strings.Contains(fmt.Sprint(err), "is not responding") {
						break // as much as one sender may leave there
					}
					if err != nil || string(m.Args) != `{"ok":true}` {
						t.Fatalf("%s: %s, %v", name, m.Args, err)
					}
				}
			}
			took := stop(s)
			t.Logf("stopped in %v", took)
			if took >= limit {
				t.Errorf("it took %v to stop, want less than %v", took, limit)
			}
			for _, u := range flat(readers) {
				<-u.read
				if err := errors.Join(orderly(u.client, u.kind), u.wrong); err != nil {
					t.Errorf("%s (%s): %v", u.name, u.kind, err)
				}
			}
		})
	}
}

// Further SIGTERMs, of which platforms send several, change nothing. A second
// SIGINT ends the server at once, whatever it still waits for.
func TestSecondSignal(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := start(t, engine, "DRAIN_DELAY=10m")
			s.Signal(syscall.SIGTERM)
			answers := func(path string, want int) bool {
				var answer struct{ Status string }
				status, err := s.Get(path, &answer)
				return err == nil && status == want
			}
			rig.Eventually(t, "the stop", func() bool { return answers("/ready", http.StatusServiceUnavailable) })
			s.Signal(syscall.SIGTERM)
			s.Signal(syscall.SIGINT)
			if !answers("/health", http.StatusOK) {
				t.Fatal("it did not wait")
			}
			// Two that come before the process looks are one.
			rig.Eventually(t, "the end", func() bool {
				select {
				case <-s.Exited():
					return true
				default:
					s.Signal(syscall.SIGINT)
					return false
				}
			})
			if s.Log.Has(`"msg":"stopped"`) {
				t.Error("it ended in good order, not at once")
			}
		})
	}
}
