package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is a run of the server inside of the test.
type running struct {
	addr string
	stop context.CancelFunc
	done chan error
	logs *lines
}

// lines collects what is written, and lets one wait for a line.
type lines struct {
	mu  sync.Mutex
	all []string
	out chan string
}

func (l *lines) read(r io.Reader) {
	for s := bufio.NewScanner(r); s.Scan(); {
		l.mu.Lock()
		l.all = append(l.all, s.Text())
		l.mu.Unlock()
		select {
		case l.out <- s.Text():
		default:
		}
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// environ is env as an environment.
func environ(env map[string]string) (e environment) {
	for name, value := range env {
		e = append(e, name+"="+value)
	}
	return e
}

func launch(t *testing.T, env map[string]string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	p := &running{stop: stop, done: make(chan error, 1), logs: &lines{out: make(chan string, 64)}}
	read := make(chan struct{})
	go func() { p.logs.read(r); close(read) }()
	go func() {
		err := run(ctx, nil, append(environment{"PORT=0", "HOST=127.0.0.1", "NODE_ENV=production"}, environ(env)...), io.Discard, w)
		w.Close()
		<-read // the logs are whole before anybody looks at them
		p.done <- err
	}()
	t.Cleanup(func() {
		stop()
		<-read
		http.DefaultClient.CloseIdleConnections()
	})
	for {
		select {
		case line := <-p.logs.out:
			var entry struct{ Msg, Addr string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
				p.addr = entry.Addr
				return p
			}
		case err := <-p.done:
			t.Fatalf("ended at the start: %v\n%s", err, p.logs)
		case <-time.After(10 * time.Second):
			t.Fatalf("does not listen:\n%s", p.logs)
		}
	}
}

func TestRunServesUntilStopped(t *testing.T) {
	p := launch(t, nil)
	answer, err := http.Get("http://" + p.addr + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var health struct{ Status string }
	if err := json.NewDecoder(answer.Body).Decode(&health); err != nil || health.Status != "ok" {
		t.Errorf("health: %+v, %v", health, err)
	}
	p.stop()
	if err := <-p.done; err != nil {
		t.Errorf("run returned %v", err)
	}
	if logs := p.logs.String(); !strings.Contains(logs, `"msg":"stopped"`) {
		t.Errorf("logs do not end in order:\n%s", logs)
	}
}

// While it drains, everything goes on but /ready.
func TestDrainDelay(t *testing.T) {
	p := launch(t, map[string]string{"DRAIN_DELAY": "1s"})
	status := func(path string) int {
		t.Helper()
		answer, err := http.Get("http://" + p.addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	if got := status("/ready"); got != http.StatusOK {
		t.Errorf("/ready: %d", got)
	}
	start := time.Now()
	p.stop()
	for status("/ready") != http.StatusServiceUnavailable {
		if time.Since(start) > time.Second/2 {
			t.Fatal("/ready does not turn 503")
		}
	}
	for _, path := range []string{"/health", "/stats"} {
		if got := status(path); got != http.StatusOK {
			t.Errorf("%s: %d", path, got)
		}
	}
	if conn, _, err := websocket.DefaultDialer.Dial("ws://"+p.addr+"/ws", nil); err != nil {
		t.Errorf("a new client: %v", err)
	} else if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-p.done; err != nil {
		t.Errorf("run returned %v", err)
	}
	if took := time.Since(start); took < time.Second {
		t.Errorf("stopped after %v", took)
	}
}

// The start says where the server is, what is on, and what -check would warn of.
func TestStartSays(t *testing.T) {
	p := launch(t, map[string]string{"MAX_CONNECTION": "5", "BASE_PATH": "/signal", "CORS_ORIGINS": "https://a.example"})
	p.stop()
	if err := <-p.done; err != nil {
		t.Fatal(err)
	}
	port := p.addr[strings.LastIndex(p.addr, ":")+1:]
	for _, want := range []string{
		`"socketio":"http://localhost:` + port + `/signal"`, `"volli":"ws://localhost:` + port + `/signal/signaling"`,
		`"demo":"http://localhost:` + port + `/signal/demo"`, `"engine":"native"`, `"features":"websocket polling presence"`,
		`"warning":"MAX_CONNECTION is not a setting: is MAX_CONNECTIONS meant?"`,
	} {
		if !strings.Contains(p.logs.String(), want) {
			t.Errorf("no %s in\n%s", want, p.logs)
		}
	}
}

func TestHealthCheckOfTheRunningServer(t *testing.T) {
	p := launch(t, map[string]string{"BASE_PATH": "/signal/"})
	port := p.addr[strings.LastIndex(p.addr, ":")+1:]
	for _, command := range []string{"-health", "health"} {
		if err := run(context.Background(), []string{command, "-port", port, "-base-path", "/signal"}, noEnv, io.Discard, io.Discard); err != nil {
			t.Errorf("healthy server: %v", err)
		}
	}
	p.stop()
	<-p.done
	if err := run(context.Background(), []string{"-health", "-port", port}, noEnv, io.Discard, io.Discard); err == nil {
		t.Error("no error without a server")
	}
}

var noEnv environment

func TestCommands(t *testing.T) {
	var out bytes.Buffer
	if err := run(context.Background(), []string{"-version"}, noEnv, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "signald ") || !strings.Contains(out.String(), "go1.") {
		t.Errorf("-version printed %q", out.String())
	}
	out.Reset()
	if err := run(context.Background(), []string{"-check"}, noEnv, &out, io.Discard); err != nil || out.Len() == 0 {
		t.Errorf("-check: %q, %v", out.String(), err)
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	bad := map[string]string{
		"PORT": "70000", "HOST": "nowhere at all", "CORS_ORIGINS": "example.com", "LOG_LEVEL": "loud",
		"TRUSTED_PROXIES": "10.0.0.0/33", "RATE_LIMIT": "-1", "MESSAGE_RATE": "many", "MESSAGE_BURST": "-1",
		"MAX_MESSAGE_BYTES": "0", "MAX_OUTBOX_BYTES": "1e6", "MAX_CONNECTIONS": "-5", "MAX_CONNECTIONS_PER_IP": "some", "PING_INTERVAL": "25",
		"PING_TIMEOUT": "0s", "REGISTER_TIMEOUT": "soon", "INACTIVITY_TIMEOUT": "-5m", "PRESENCE": "some",
		"TRANSPORTS": "carrier-pigeon", "ENGINE": "steam", "STATUS_PAGES": "maybe", "SHUTDOWN_TIMEOUT": "never", "DRAIN_DELAY": "later",
		"PUBLIC_HOSTS": "https://chat.example", "BASE_PATH": "signal", "CLIENT_SCRIPT_URL": "socket.io.js",
	}
	for _, args := range [][]string{nil, {"-check"}} {
		err := run(context.Background(), args, environ(bad), io.Discard, io.Discard)
		if err == nil {
			t.Fatalf("%v: started", args)
		}
		for name := range bad {
			if !strings.Contains(err.Error(), name+"=") {
				t.Errorf("%v: %s is not named in:\n%v", args, name, err)
			}
		}
	}
}

func TestSettingsThatDoNotGoTogether(t *testing.T) {
	setEngines(t, "zishang")
	for name, args := range map[string][]string{
		"ENGINE":             {"-engine", "zishang", "-transports", "polling"},
		"INACTIVITY_TIMEOUT": {"-inactivity-timeout", "44s"},
		"PROXY_PROTOCOL":     {"-proxy-protocol", "on"},
		"SECURITY_CONTACT":   {"-security-contact", "the operator"},
		"TURN_PUBLIC_IP":     {"-turn-listen", ":3478"},
		"TURN_TLS_LISTEN":    {"-turn-tls-listen", ":5349", "-turn-public-ip", "auto"},
		"TURN_PUBLIC_HOST":   {"-turn-public-host", "https://turn.example.com"},
		"TURN_MAX_BANDWIDTH": {"-turn-max-bandwidth", "-1"},
	} {
		err := run(context.Background(), append(args, "-check"), noEnv, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestFlagsWinOverTheEnvironment(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	define(flags)
	if err := flags.Parse([]string{"-port", "4000"}); err != nil {
		t.Fatal(err)
	}
	c, err := load(flags, environment{"PORT=5000", "RATE_LIMIT=7"})
	if err != nil {
		t.Fatal(err)
	}
	if c.port != 4000 || c.RateLimit != 7 {
		t.Errorf("port %d, rate limit %d", c.port, c.RateLimit)
	}
}

func TestDefaultsAreTheContracts(t *testing.T) {
	flags := flag.NewFlagSet("", flag.ContinueOnError)
	define(flags)
	c, err := load(flags, noEnv)
	if err != nil {
		t.Fatal(err)
	}
	if c.address() != ":3001" || c.RateLimit != 100 || c.MessageRate != 50 || c.MessageBurst != 200 ||
		c.MaxMessage != 1000000 || c.MaxOutbox != 4194304 || c.MaxConnections != openFiles()/10*9 || c.MaxConnectionsPerIP != 1000 ||
		c.PingInterval != 25*time.Second || c.PingTimeout != 20*time.Second ||
		c.RegisterTimeout != 0 || c.drainDelay != 0 || c.BasePath != "" || c.PublicHosts != nil || c.ClientScripts != clientScripts || c.InactivityTimeout != 5*time.Minute ||
		!c.Presence || !c.WebSocket || !c.Polling || c.engine != "native" || c.Engine == nil || !c.StatusPages || c.shutdownTimeout != 10*time.Second ||
		c.production || len(c.Origins) != 1 || c.Origins[0] != "http://localhost:3000" {
		t.Errorf("%+v", c)
	}
}

func TestImpliedDefaults(t *testing.T) {
	for _, tt := range []struct {
		env      environment
		register time.Duration
		proxies  string
		perIP    int
	}{
		{nil, 0, "", 1000},
		{environment{"AUTH_JWT_SECRET=s"}, time.Minute, "", 1000},
		{environment{"AUTH_JWKS=keys.json"}, time.Minute, "", 1000},
		{environment{"AUTH_JWKS=keys.json", "REGISTER_TIMEOUT=5s"}, 5 * time.Second, "", 1000},
		{environment{"AUTH_JWKS=keys.json", "REGISTER_TIMEOUT=0"}, 0, "", 1000},
		{environment{"DYNO=web.1"}, 0, "the last 1 hops", 1000},
		{environment{"RAILWAY_ENVIRONMENT_NAME=production"}, 0, "the last 1 hops", 1000},
		{environment{"DYNO=web.1", "TRUSTED_PROXIES=2"}, 0, "the last 2 hops", 1000},
		{environment{"DYNO=", "RAILWAY_ENVIRONMENT_NAME="}, 0, "", 1000},
		{environment{"RATE_LIMIT=0"}, 0, "", 0},
		{environment{"RATE_LIMIT=0", "MAX_CONNECTIONS_PER_IP=5"}, 0, "", 5},
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		define(flags)
		c, err := load(flags, tt.env)
		if err != nil {
			t.Fatal(err)
		}
		if c.RegisterTimeout != tt.register || c.Proxies.String() != tt.proxies || c.MaxConnectionsPerIP != tt.perIP {
			t.Errorf("%v: %v to register, proxies %q, %d per IP", tt.env, c.RegisterTimeout, c.Proxies, c.MaxConnectionsPerIP)
		}
	}
}

func FuzzConfiguration(f *testing.F) {
	f.Add("PORT", "3001")
	f.Add("TRUSTED_PROXIES", "10.0.0.0/8, ::1")
	f.Add("CORS_ORIGINS", "https://a.example,*")
	f.Add("PING_INTERVAL", "1h2m3.5s")
	f.Fuzz(func(t *testing.T, name, value string) {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		define(flags)
		c, err := load(flags, environment{name + "=" + value})
		if (c == nil) == (err == nil) {
			t.Fatalf("%s=%q: configuration %v, error %v", name, value, c, err)
		}
		if c != nil && (c.InactivityTimeout < c.PingInterval+c.PingTimeout ||
			c.port < 0 || c.port > 65535 || c.RateLimit < 0 || !c.WebSocket && !c.Polling) {
			t.Fatalf("%s=%q is accepted: %+v", name, value, c)
		}
	})
}

// What was started is stopped again where something else cannot be.
func TestStartFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]map[string]string{
		"port":         {"HOST": "127.0.0.1", "PORT": port},
		"metrics":      {"HOST": "127.0.0.1", "PORT": "0", "METRICS_ADDR": addr},
		"profiles":     {"HOST": "127.0.0.1", "PORT": "0", "DEBUG_ADDR": addr},
		"TURN":         {"HOST": "127.0.0.1", "PORT": "0", "TURN_LISTEN": addr, "TURN_PUBLIC_IP": "127.0.0.1"},
		"certificates": {"HOST": "127.0.0.1", "PORT": "0", "TLS_CERT_FILE": "nowhere", "TLS_KEY_FILE": "nowhere"},
		"key set":      {"HOST": "127.0.0.1", "PORT": "0", "AUTH_JWKS": "nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), nil, environ(env), io.Discard, io.Discard)
			if err == nil {
				t.Fatal("started")
			}
			if taken := env["TLS_CERT_FILE"] == "" && env["AUTH_JWKS"] == ""; taken && !strings.Contains(err.Error(), port) {
				t.Errorf("%v does not name port %s", err, port)
			}
		})
	}
}

// Secrets come from files, whose last line ends.
func TestSecretsAndContacts(t *testing.T) {
	for _, test := range []struct {
		env             environment
		secret, contact string
	}{
		{environment{"TURN_SECRET=north\n"}, "north", ""},
		{environment{"TURN_SECRET=north\r\n"}, "north", ""},
		{environment{"TURN_SECRET= no rth "}, " no rth ", ""},
		{environment{"SECURITY_CONTACT=security@example.com"}, "", "mailto:security@example.com"},
		{environment{"SECURITY_CONTACT=https://example.com/security"}, "", "https://example.com/security"},
	} {
		flags := flag.NewFlagSet("", flag.ContinueOnError)
		define(flags)
		c, err := load(flags, test.env)
		if err != nil {
			t.Fatal(err)
		}
		if c.ICE.Secret != test.secret || c.SecurityContact != test.contact {
			t.Errorf("%q: secret %q, contact %q", test.env, c.ICE.Secret, c.SecurityContact)
		}
	}
}
