package cluster

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/oodaa/signaling/test/rig"
)

// Messages arrive byte for byte, whatever they look like.
func TestRelaysByteForByte(t *testing.T) {
	t.Parallel()
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	clients := map[string]*rig.Client{}
	for i, name := range []string{"o0", "v0", "o1", "v1"} {
		c := rig.MustDial(t, nodes[i/2].Addr, rig.Family(i%2))
		mustRegister(t, c, name)
		clients[name] = c
	}
	for _, body := range []string{
		`{"candidate":"a","z":1.0e+2,"a":-0,"a":12345678901234567890}`, "{ \"x\" :\t[ 1 , 2 ] }", `"\u00e9\ud83d\ude00 é😀 \/ \" "`,
		`[[[[[[{"_":null}]]]]]]`, `{"big":"` + strings.Repeat("x", 200_000) + `"}`,
	} {
		for _, pair := range [][2]string{{"o0", "o1"}, {"o1", "o0"}, {"o0", "v1"}, {"v1", "o0"}, {"v0", "v1"}, {"v1", "v0"}, {"v0", "o1"}} {
			from, to := clients[pair[0]], clients[pair[1]]
			if _, err := from.Send(to.ID, body, false); err != nil {
				t.Fatal(err)
			}
			m, err := to.Await("ice-candidate")
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf(`{"from":%q,"candidate":%s}`, from.ID, body)
			if to.Family == rig.Volli {
				want = fmt.Sprintf(`{"type":"ice-candidate","from":%q,"to":%q,"candidate":%s}`, from.ID, to.ID, body)
			}
			if string(m.Args) != want {
				t.Errorf("%s to %s: got %.200s, not %.200s", from.ID, to.ID, m.Args, want)
			}
		}
	}
	// Between Volli clients the whole message is kept, not only its body.
	odd := `{ "candidate":1, "more":[1, 2],"to":"v1","type":"ice-candidate" ,"from":"v0"}`
	if err := clients["v0"].SendRaw(odd); err != nil {
		t.Fatal(err)
	}
	if m, err := clients["v1"].Await("ice-candidate"); err != nil || string(m.Args) != odd {
		t.Errorf("%s, %v", m.Args, err)
	}
	// What is too large for a message is refused, also by the other instance.
	if answer, err := ask(clients["o0"], "o1", `"`+strings.Repeat("y", 999_900)+`"`); err != nil || !strings.Contains(answer, "ok") {
		t.Errorf("%.100s, %v", answer, err)
	}
}

// Binary values arrive with the message that they belong to.
func TestAttachments(t *testing.T) {
	t.Parallel()
	nodes := rig.StartNodes(t, rig.StartRedis(t), 2)
	dial := func(n int, id string) *websocket.Conn {
		t.Helper()
		conn, _, err := websocket.DefaultDialer.Dial("ws://"+nodes[n].Addr+"/socket.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetReadDeadline(time.Now().Add(rig.Patience))
		for _, text := range []string{"40", fmt.Sprintf(`42["register",{"userId":%q}]`, id)} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		for {
			_, raw, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if bytes.HasPrefix(raw, []byte(`42["user-list"`)) {
				return conn
			}
		}
	}
	a, b := dial(0, "a"), dial(1, "b")
	values := [][]byte{{0, 1, 2, 255}, bytes.Repeat([]byte{7}, 100_000)}
	header := `452-["custom-message",{"to":"b","from":"a","message":[{"_placeholder":true,"num":1},"x",{"_placeholder":true,"num":0}]}]`
	if err := a.WriteMessage(websocket.TextMessage, []byte(header)); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		if err := a.WriteMessage(websocket.BinaryMessage, v); err != nil {
			t.Fatal(err)
		}
	}
	var first, second int
	_, raw, err := b.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	const shape = `452-["custom-message",{"from":"a","message":[{"_placeholder":true,"num":%d},"x",{"_placeholder":true,"num":%d}]}]`
	if _, err := fmt.Sscanf(string(raw), shape, &first, &second); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	got := make([][]byte, 2)
	for i := range got {
		kind, value, err := b.ReadMessage()
		if err != nil || kind != websocket.BinaryMessage {
			t.Fatalf("attachment %d: %d, %v", i, kind, err)
		}
		got[i] = value
	}
	if !bytes.Equal(got[first], values[1]) || !bytes.Equal(got[second], values[0]) {
		t.Errorf("the attachments are not in their places: %s, %d and %d bytes", raw, len(got[0]), len(got[1]))
	}
}

// discover finds users of other instances, with the key that they have now.
// presence is what PRESENCE is.
func TestDiscover(t *testing.T) {
	t.Parallel()
	for _, presence := range []string{"all", "none"} {
		t.Run(presence, func(t *testing.T) {
			t.Parallel()
			nodes := rig.StartNodes(t, rig.StartRedis(t), 2, "PRESENCE="+presence)
			a, b := rig.MustDial(t, nodes[0].Addr, rig.Volli), rig.MustDial(t, nodes[1].Addr, rig.Volli)
			oodaa := rig.MustDial(t, nodes[0].Addr, rig.Oodaa)
			mustRegister(t, oodaa, "o")
			discover := func(id, want string) {
				t.Helper()
				var last string
				rig.Eventually(t, want, func() bool {
					if err := b.SendRaw(fmt.Sprintf(`{"type":"discover","userId":%q}`, id)); err != nil {
						t.Fatal(err)
					}
					m, err := b.Await("discover-response")
					if err != nil {
						t.Fatal(err)
					}
					last = string(m.Args)
					return last == want
				})
			}
			discover("a", `{"type":"discover-response","userId":"a","online":false}`)
			for _, key := range []string{"first", `second "key" with spaces`, "third"} {
				if err := a.SendRaw(fmt.Sprintf(`{"type":"register","userId":"a","publicKey":%q}`, key)); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Await("registered"); err != nil {
					t.Fatal(err)
				}
				discover("a", fmt.Sprintf(`{"type":"discover-response","userId":"a","online":true,"publicKey":%q}`, key))
			}
			discover("o", `{"type":"discover-response","userId":"o","online":true}`)
			a.Close()
			discover("a", `{"type":"discover-response","userId":"a","online":false}`)
		})
	}
}

// Without presence nobody is told of anybody, and all else is as it is.
func TestWithoutPresence(t *testing.T) {
	t.Parallel()
	nodes := rig.StartNodes(t, rig.StartRedis(t), 3, "PRESENCE=none")
	var clients []*rig.Client
	for i := range 6 {
		c := rig.MustDial(t, nodes[i%3].Addr, rig.Family(i/3))
		mustRegister(t, c, fmt.Sprint("u", i))
		clients = append(clients, c)
	}
	for i := range 3 {
		for j, to := range clients {
			if to == clients[i] {
				continue
			}
			body := fmt.Sprint(100*i + j + 1)
			if answer, err := ask(clients[i], to.ID, body); err != nil || answer != `{"ok":true}` {
				t.Errorf("%d to %d: %s, %v", i, j, answer, err)
			}
			if m := <-to.Inbox(); m.Event != "ice-candidate" || string(m.Body()) != body {
				t.Errorf("%d to %d: %s %s", i, j, m.Event, m.Args)
			}
		}
	}
	taker := rig.MustDial(t, nodes[1].Addr, rig.Volli)
	mustRegister(t, taker, "u0")
	<-clients[0].Done()
	if answer, err := ask(clients[2], "u0", `"taken"`); err != nil || answer != `{"ok":true}` {
		t.Errorf("%s, %v", answer, err)
	}
	if m, err := taker.Await("ice-candidate"); err != nil || string(m.Body()) != `"taken"` {
		t.Errorf("%s, %v", m.Args, err)
	}
	if err := clients[1].SendRaw(`42["get-users"]`); err != nil {
		t.Fatal(err)
	}
	if m := <-clients[1].Inbox(); m.Event != "user-list" || string(m.Args) != `{"users":[]}` {
		t.Errorf("%s %s", m.Event, m.Args)
	}
	// Who dies is not reached any more, and its names are free.
	nodes[1].Kill()
	if answer, err := ask(clients[2], "u0", `1`); err != nil || !strings.HasPrefix(answer, `{"ok":false`) {
		t.Errorf("%s, %v", answer, err)
	}
	again := rig.MustDial(t, nodes[0].Addr, rig.Oodaa)
	mustRegister(t, again, "u0")
	if answer, err := ask(clients[2], "u0", `1`); err != nil || answer != `{"ok":true}` {
		t.Errorf("%s, %v", answer, err)
	}
}

// An instance says how it is, logs it once, and costs nothing meanwhile.
func TestStateWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	redis.Kill()
	s := rig.Start(t, "REDIS_URL="+redis.URL(), "NODE_ID=n", "LOG_LEVEL=info")
	ready := func() string {
		var answer struct{ Status, Reason string }
		status, err := s.Get("/ready", &answer)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(status, " ", answer.Status)
	}
	// Users are served all the same.
	a, b := rig.MustDial(t, s.Addr, rig.Oodaa), rig.MustDial(t, s.Addr, rig.Oodaa)
	mustRegister(t, a, "a")
	mustRegister(t, b, "b")
	if answer, err := ask(a, "b", `1`); err != nil || answer != `{"ok":true}` {
		t.Errorf("%s, %v", answer, err)
	}
	if got := ready(); got != "503 unavailable" {
		t.Errorf("ready before it has joined: %s", got)
	}
	redis.Start()
	rig.AwaitReady(t, s)
	redis.Kill()
	rig.Eventually(t, "degraded", func() bool { return ready() == "200 degraded" })

	before := cpu(t, s)
	time.Sleep(5 * time.Second)
	if used := cpu(t, s) - before; used > 500*time.Millisecond {
		t.Errorf("%v of CPU time in 5 s without Redis", used)
	} else {
		t.Logf("%v of CPU time in 5 s without Redis", used)
	}
	redis.Start()
	rig.AwaitReady(t, s)
	for msg, times := range map[string]int{
		"cannot reach Redis yet, serving local users only, retrying": 1, "cluster lost, serving local users only, retrying": 1, "cluster joined": 2,
	} {
		logged := func() int { return len(s.Log.Lines(`"msg":"` + msg + `"`)) }
		rig.Eventually(t, msg, func() bool { return logged() >= times }) // behind the readiness
		if n := logged(); n != times {
			t.Errorf("%q is logged %d times, not %d", msg, n, times)
		}
	}
	for _, line := range s.Log.Lines("") {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("logged by somebody else: %s", line)
		}
	}
	redis.Kill()
	rig.Eventually(t, "degraded", func() bool { return ready() == "200 degraded" })
	s.Stop() // ends with 0 all the same
}

// cpu is the CPU time that a server has used.
func cpu(t *testing.T, s *rig.Server) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	var ticks int
	for _, i := range []int{11, 12} { // user and system
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}
