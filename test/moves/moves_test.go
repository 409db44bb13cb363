// Package moves tests that calls survive a change of networks: phones with stock
// clients lose a real network, in network namespaces, while they call.
package moves

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

var (
	waves = flag.Int("waves", 5, "waves of ten calls for each way to leave and each who leaves")
	grace = flag.String("grace", "20s", "RECONNECT_GRACE; with 0, what fails is only counted")
)

const (
	each = 10
	// inside is set in the environment of a test that has a network of its own.
	inside = "MOVES_INSIDE"
)

func TestMain(m *testing.M) { rig.Main(m) }

// TestMoves has nine kinds of calls, in which the callee, the caller or both lose
// their network without a packet, or their connections by a reset, or their
// process, and come back within the grace.
func TestMoves(t *testing.T) {
	if os.Getenv(inside) == "" {
		runInside(t)
		return
	}
	run(t, "ip", "link", "set", "lo", "up")
	t.Run("direct", func(t *testing.T) {
		t.Parallel()
		move(t, 1, port(t, startServer(t)))
	})
	t.Run("behind nginx", func(t *testing.T) {
		t.Parallel()
		s := startServer(t, "TRUSTED_PROXIES=1")
		rig.StartNginx(t, nginx, "$SERVER", s.Addr)
		move(t, 2, nginxPort)
	})
}

// runInside runs the test again in a network namespace of its own.
func runInside(t *testing.T) {
	args := []string{"-n"}
	if os.Geteuid() != 0 {
		args = []string{"-Urn"}
	}
	args = append(args, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+remaining(t), "-waves="+strconv.Itoa(*waves), "-grace="+*grace)
	again := exec.CommandContext(t.Context(), "unshare", args...)
	again.Env = append(os.Environ(), inside+"=1")
	out, err := again.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// remaining is the time that is left, as -timeout takes it: 0 is without a limit.
func remaining(t *testing.T) string {
	deadline, ok := t.Deadline()
	if !ok {
		return "0"
	}
	return time.Until(deadline).String()
}

func startServer(t *testing.T, env ...string) *rig.Server {
	t.Helper()
	settings := []string{"HOST=0.0.0.0", "PRESENCE=watched", "RECONNECT_GRACE=" + *grace, "MAX_CONNECTIONS_PER_IP=0", "LOG_LEVEL=info"}
	return rig.Start(t, append(settings, env...)...)
}

func port(t *testing.T, s *rig.Server) string {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

const nginxPort = "8080"

const nginx = `
worker_processes 1;
pid $DIR/nginx.pid;
events { worker_connections 8000; }
http {
  access_log off;
  upstream signaling { server $SERVER; keepalive 64; }
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen $LISTEN;
    listen ` + nginxPort + `;
    location / {
      proxy_pass http://signaling;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}
`

// A link is one end of a network, and the first three numbers of its addresses.
type link struct {
	Dev string `json:"dev"`
	Net string `json:"net"`
}

// A group of phones reaches the server by one address over the links in turn.
type group struct {
	Address string `json:"address"`
	Links   []link `json:"links"`
}

// groupsOf are the phones of a site whose network goes down, and the others.
func groupsOf(site int) []group {
	wire := func(n int) link { return link{fmt.Sprintf("p%d-%d", site, n), fmt.Sprintf("10.%d.%d", site, n)} }
	address := func(n int) string { return fmt.Sprintf("10.0.%d.%d", site, n) }
	return []group{{address(1), []link{wire(1), wire(2)}}, {address(2), []link{wire(3)}}}
}

// A result is what moves.mjs prints at the end of a wave.
type result struct {
	Calls  int
	Failed map[string]int // by the way to leave
	Twice  int            // relays
	Lost   int            // calls of which the kernel of a killed process had a relay
	Told   []string
}

// move has the phones of some waves call, and counts.
func move(t *testing.T, site int, port string) {
	groups, held := groupsOf(site), *grace != "0"
	phones := exec.Command("unshare", "-n", "node", "moves.mjs")
	phones.Stderr = os.Stderr
	in, err := phones.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := phones.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := phones.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close()
		if err := phones.Wait(); err != nil {
			t.Error(err)
		}
	}()
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		t.Fatal("the phones did not start")
	}
	for _, g := range groups {
		run(t, "ip", "addr", "replace", g.Address+"/32", "dev", "lo")
		for _, l := range g.Links {
			run(t, "ip", "link", "add", "s"+l.Dev, "type", "veth", "peer", "name", l.Dev, "netns", strconv.Itoa(phones.Process.Pid))
			run(t, "ip", "addr", "add", l.Net+".1/24", "dev", "s"+l.Dev)
			run(t, "ip", "link", "set", "s"+l.Dev, "up")
			defer run(t, "ip", "link", "del", "s"+l.Dev)
		}
	}
	var all result
	all.Failed = make(map[string]int)
	for wave := range *waves {
		request, _ := json.Marshal(map[string]any{"links": groups, "port": port, "each": each, "held": held, "wave": wave})
		if _, err := fmt.Fprintf(in, "%s\n", request); err != nil {
			t.Fatal(err)
		}
		r := await(t, lines)
		all.Calls += r.Calls
		all.Twice += r.Twice
		all.Lost += r.Lost
		for way, n := range r.Failed {
			all.Failed[way] += n
		}
		all.Told = append(all.Told, r.Told...)
	}
	t.Logf("%d calls, failed: %v; relays that came twice: %d; calls that a killed process had not read to the end: %d; presence told: %d",
		all.Calls, all.Failed, all.Twice, all.Lost, len(all.Told))
	if !held {
		return
	}
	if n := all.Failed["link down"] + all.Failed["reset"]; n > 0 {
		t.Errorf("%d calls failed although who moved was back in time", n)
	}
	// What arrives between the last look at what the process has read, and its end.
	if n := all.Failed["killed"]; n > max(1, all.Calls/3/1000) {
		t.Errorf("%d of %d calls failed where a process was killed", n, all.Calls/3)
	}
	if len(all.Told) > 0 {
		t.Errorf("presence was told: %v", all.Told)
	}
}

// await logs what the phones say of failed calls, and returns what they say last.
func await(t *testing.T, lines *bufio.Scanner) result {
	t.Helper()
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		if r.Calls > 0 {
			return r
		}
		t.Log(lines.Text())
	}
	t.Fatal("the phones ended: ", lines.Err(), io.ErrUnexpectedEOF)
	return result{}
}

func run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}
