package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot start is said in one sentence with the setting to change.
func TestRemedies(t *testing.T) {
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
	inUse := "port " + port + " is already in use: stop the process that listens there, or change "
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	junk := filepath.Join(t.TempDir(), "junk")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		env  environment
		want string
	}{
		"port":        {environment{"PORT=" + port}, inUse + "PORT"},
		"metrics":     {environment{"METRICS_ADDR=" + addr}, inUse + "METRICS_ADDR"},
		"profiles":    {environment{"DEBUG_ADDR=:" + port}, inUse + "DEBUG_ADDR"},
		"TURN":        {environment{"TURN_LISTEN=" + addr, "TURN_PUBLIC_IP=127.0.0.1"}, inUse + "TURN_LISTEN"},
		"address":     {environment{"HOST=192.0.2.1"}, "192.0.2.1 is not an address of this machine: change HOST"},
		"certificate": {environment{"TLS_CERT_FILE=" + nowhere, "TLS_KEY_FILE=" + nowhere}, `cannot use the path in TLS_CERT_FILE="` + nowhere + `": `},
		"junk":        {environment{"TLS_CERT_FILE=" + junk, "TLS_KEY_FILE=" + junk}, "certificate: tls: "},
		"key set":     {environment{"AUTH_JWKS=" + nowhere}, `cannot use the path in AUTH_JWKS="` + nowhere + `": `},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), nil, append(environment{"HOST=127.0.0.1", "PORT=0"}, tt.env...), io.Discard, io.Discard)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || exitCode(err) != 1 {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// A person at a terminal sees the addresses to open, not log lines.
func TestBanner(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c := &config{environment: "development"}
	c.StatusPages = true
	banner := (&process{config: c, listener: listener}).banner([]string{"RATE_LIMIT=0: so"})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for _, want := range []string{
		"signald ", ", development mode, one instance\n", "\n  Demo       http://localhost:" + port + "/demo\n", "\n  Status     http://localhost:" + port + "/status\n",
		"\n  Socket.IO  http://localhost:" + port + "\n", "\n  WebSocket  ws://localhost:" + port + "/signaling\n", "\nWarning: RATE_LIMIT=0: so\n",
	} {
		if !strings.Contains(banner, want) {
			t.Errorf("no %q in\n%s", want, banner)
		}
	}
}

func TestIsTerminal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(io.Discard) {
		t.Error("a file, or nothing, passes for a terminal")
	}
}
