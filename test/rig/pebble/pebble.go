// Package pebble starts Pebble, Let's Encrypt's ACME server for tests.
package pebble

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// binary returns the path of Pebble, which the go command builds once and keeps.
func binary(t testing.TB) string {
	t.Helper()
	rig.Require(t)
	_, file, _, _ := runtime.Caller(0)
	find := exec.Command("go", "tool", "-modfile=tools/go.mod", "-n", "pebble")
	find.Dir = filepath.Join(filepath.Dir(file), "..", "..", "..")
	find.Stderr = os.Stderr
	out, err := find.Output()
	if err != nil {
		t.Fatalf("%v: %v", find, err)
	}
	return strings.TrimSpace(string(out))
}

// Options are those of one Server. All must be set.
type Options struct {
	CertFile, KeyFile string        // of its own HTTPS server, for 127.0.0.1
	HTTPPort, TLSPort int           // where it validates
	Validity          time.Duration // of what it issues, in whole seconds
}

// A Server is an authority of the test's own, for which every name is 127.0.0.1.
// It refuses orders for blocked.example.
type Server struct {
	Directory string         // its URL
	Roots     *x509.CertPool // what the certificates that it issues lead to
	Log       *rig.Log
}

// Start starts one and waits until it answers. The end of the test ends it.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	own, err := os.ReadFile(opts.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	// Pebble does not tell which ports it got, so they are chosen here.
	directory, management := rig.FreeAddr(t), rig.FreeAddr(t)
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           directory,
		"managementListenAddress": management,
		"certificate":             opts.CertFile,
		"privateKey":              opts.KeyFile,
		"httpPort":                opts.HTTPPort,
		"tlsPort":                 opts.TLSPort,
		"domainBlocklist":         []string{"blocked.example"},
		"retryAfter":              map[string]int{"authz": 1, "order": 1},
		"profiles":                map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": int(opts.Validity.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(config, settings, 0o600); err != nil {
		t.Fatal(err)
	}

	s := &Server{Directory: "https://" + directory + "/dir", Roots: x509.NewCertPool(), Log: new(rig.Log)}
	run := exec.Command(binary(t), "-config", config, "-dnsserver", nameserver(t))
	run.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	run.Stdout, run.Stderr = s.Log, s.Log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait() // killed
		if t.Failed() {
			t.Logf("pebble:\n%s", strings.Join(s.Log.Lines(""), "\n"))
		}
	})

	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(own)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	rig.Eventually(t, "pebble's directory", func() bool { return len(get(client, s.Directory)) > 0 })
	rig.Eventually(t, "pebble's root", func() bool {
		return s.Roots.AppendCertsFromPEM(get(client, "https://"+management+"/roots/0"))
	})
	return s
}

// get returns what is at the URL; nothing if it cannot be had.
func get(client *http.Client, url string) []byte {
	res, err := client.Get(url)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil
	}
	return body
}
