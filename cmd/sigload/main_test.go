package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/test/rig"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		rig.Remove()
		os.Exit(code)
	}))
}

// serve runs the server for one test. It returns its address and process id.
func serve(t *testing.T, env ...string) (url, pid string) {
	t.Helper()
	rig.Require(t, "go")
	cmd := exec.Command(rig.Binary(t, false))
	cmd.Env = append(append(os.Environ(), "HOST=127.0.0.1", "PORT=0", "NODE_ENV=production",
		"RATE_LIMIT=0", "MESSAGE_RATE=0"), env...)
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for d := json.NewDecoder(logs); ; {
		var line struct{ Msg, Addr string }
		if err := d.Decode(&line); err != nil {
			t.Fatalf("the server does not start: %v", err)
		}
		if line.Msg == "listening" {
			return "http://" + line.Addr, strconv.Itoa(cmd.Process.Pid)
		}
	}
}

// sigload runs it, and returns the report that it prints.
func sigload(t *testing.T, args ...string) (report, error) {
	t.Helper()
	var out, progress bytes.Buffer
	ended := run(t.Context(), append(args, "-json"), &out, &progress)
	var r report
	d := json.NewDecoder(&out)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v: %v; %v\n%s", args, ended, err, &progress)
	}
	return r, ended
}

func TestJoinTellsEverybodyOfEverybody(t *testing.T) {
	url, _ := serve(t)
	r, err := sigload(t, "join", "-clients", "30", "-url", url)
	// 30 user lists, and of each user 29 others hear.
	if err != nil || r.Messages != 30+30*29 || r.Latencies[0].Count != 30 || r.Latencies[1].Count != 30 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestJoinThatIsNeverComplete(t *testing.T) {
	url, _ := serve(t, "PRESENCE=none")
	r, err := sigload(t, "join", "-clients", "5", "-duration", "300ms", "-url", url)
	if !errors.Is(err, errFaults) || r.Lost != 5*4 {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	url, _ := serve(t, "MESSAGE_RATE=1", "MESSAGE_BURST=3")
	args := []string{"relay", "-pairs", "1", "-rate", "100", "-duration", "500ms", "-warmup", "0s", "-url", url}
	r, err := sigload(t, args...)
	if !errors.Is(err, errFaults) || r.Errors["Rate limit exceeded"] == 0 || r.Lost != 0 || r.Messages == 0 {
		t.Errorf("%v: %+v", err, r)
	}
	if r, err = sigload(t, append(args, "-allow-errors")...); err != nil || r.Errors["Rate limit exceeded"] == 0 {
		t.Errorf("allowed: %v: %+v", err, r)
	}
}

func TestAServerThatRefuses(t *testing.T) {
	url, _ := serve(t, "RATE_LIMIT=2")
	for _, args := range []string{"relay -pairs 10", "idle -clients 20 -protocol volli"} {
		err := run(t.Context(), append(strings.Fields(args), "-url", url), new(bytes.Buffer), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), "start it with RATE_LIMIT=0") {
			t.Errorf("%s: %v", args, err)
		}
	}
	err := run(t.Context(), []string{"relay", "-url", "http://127.0.0.1:1"}, new(bytes.Buffer), new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestAServerThatEnds(t *testing.T) {
	url, pid := serve(t)
	n, _ := strconv.Atoi(pid)
	server, err := os.FindProcess(n)
	if err != nil {
		t.Fatal(err)
	}
	kill := writerFunc(func([]byte) { _ = server.Kill() }) // at the first progress
	var out bytes.Buffer
	err = run(t.Context(), []string{"relay", "-pairs", "2", "-warmup", "0s", "-duration", "2s", "-drain", "1ms", "-url", url, "-json"}, &out, kill)
	var r report
	if json.Unmarshal(out.Bytes(), &r) != nil || !errors.Is(err, errFaults) || len(r.Errors) == 0 {
		t.Errorf("%v: %s", err, &out)
	}
}

func TestInterruptedRunsReport(t *testing.T) {
	url, _ := serve(t)
	for _, scenario := range []string{"relay", "call"} {
		ctx, interrupt := context.WithCancel(t.Context())
		var out bytes.Buffer
		err := run(ctx, []string{scenario, "-pairs", "2", "-warmup", "0s", "-duration", "1h", "-url", url}, &out,
			writerFunc(func([]byte) { interrupt() }))
		if err != nil || !strings.Contains(out.String(), "interrupted") || !strings.Contains(out.String(), "per second") {
			t.Errorf("%s: %v\n%s", scenario, err, &out)
		}
		err = run(ctx, []string{scenario, "-pairs", "2", "-url", url}, &out, new(bytes.Buffer))
		if scenario == "relay" && (err == nil || !strings.Contains(err.Error(), "interrupted")) {
			t.Errorf("%s, before it began: %v", scenario, err)
		}
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

// What programs read must keep its names.
func TestShapeOfTheJSON(t *testing.T) {
	full := report{
		Window: 1, Bytes: 1, Rate: 1, Interrupted: true, Calls: 1, CallsPerSecond: 1,
		Latencies: []latency{{}}, Errors: map[string]int64{},
		Server: &serverCost{1, 1, 1, 1, 1, 1, 1, 1},
	}
	b, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{
		"": "altered bytes calls callsPerSecond connections duplicated errors generator interrupted latencies lost messages " +
			"messagesPerSecond protocol rate reordered scenario seconds server url window",
		"latencies": "corrected count max of p50 p90 p99 p999",
		"server":    "bytes bytesBefore bytesPerConnection cpuPerCall cpuPerConnection cpuPerMessage cpuPerUser cpuSeconds",
		"generator": "cpuSeconds",
	} {
		object := fields
		switch v := fields[where].(type) {
		case map[string]any:
			object = v
		case []any:
			object = v[0].(map[string]any)
		}
		if got := strings.Join(slices.Sorted(maps.Keys(object)), " "); got != want {
			t.Errorf("%s: %s", where, got)
		}
	}
}

func TestTextReport(t *testing.T) {
	r := report{
		Scenario: "relay", Protocol: "socketio", URL: "http://127.0.0.1:3001", Connections: 1000, Bytes: 200, Window: 8,
		Seconds: 10, Messages: 1234567, MessagesPerSecond: 123456.7,
		Latencies: []latency{{"relay", false, 1234567, 0.123, 1.5, 12.34, 123.4, 1234.5}},
		Errors:    map[string]int64{"Not registered": 1200, "User x not found": 1},
		Lost:      1, Reordered: 2, Duplicated: 3, Altered: 4,
		Server: &serverCost{CPUSeconds: 2.5, CPUPerMessage: 2.03, BytesBefore: 12_000_000, Bytes: 20_000_000},
	}
	var b bytes.Buffer
	if err := r.text(&b); err != nil {
		t.Fatal(err)
	}
	want := `relay             socketio, 1,000 connections, payloads of 200 bytes, window 8, http://127.0.0.1:3001
messages          1,234,567 in 10.00 s: 123,456 per second
latency, ms       p50 0.12  p90 1.50  p99 12.3  p99.9 123  max 1234  (relay)
lost              1, reordered 2, duplicated 3, altered 4
errors            1,200 × Not registered
errors            1 × User x not found
server CPU        2.50 s, 2.0 µs per message
server memory     20.0 MB, before the run 12.0 MB
sigload CPU       0.00 s
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestWrongCommandLines(t *testing.T) {
	for args, want := range map[string]string{
		"":                      "first argument",
		"relay now":             "unexpected argument",
		"relay -url 127.0.0.1":  "-url",
		"relay -protocol irc":   "-protocol",
		"relay -event register": "-event",
		"relay -pairs 0":        "-pairs",
		"relay -rate -1":        "-rate",
		"relay -size 20":        "at least",
		"call -size 20":         "at least",
		"relay -pid 1,x":        "-pid",
		"relay -from localhost": "-from",
		"join -clients 1":       "two clients",
		"join -protocol volli":  "socketio",
		"idle -clients 1000000": "open files",
		"relay -pid 999999999":  "process 999999999",
	} {
		err := run(t.Context(), strings.Fields(args), new(bytes.Buffer), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestAddressesOfTheProtocols(t *testing.T) {
	for _, test := range []struct{ url, protocol, want string }{
		{"http://127.0.0.1:3001", "socketio", "ws://127.0.0.1:3001/socket.io/?EIO=4&transport=websocket"},
		{"https://example.com/", "socketio", "wss://example.com/socket.io/?EIO=4&transport=websocket"},
		{"wss://example.com/chat", "volli", "wss://example.com/chat/signaling"},
	} {
		o, err := parse([]string{"relay", "-url", test.url, "-protocol", test.protocol}, new(bytes.Buffer))
		if err != nil || o.target() != test.want {
			t.Errorf("%v: %v, %s", test, err, o.target())
		}
	}
}
