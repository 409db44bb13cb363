package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Pebble is the test server of Let's Encrypt.
const pebblePackage = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0"

var (
	pebbleDir   string
	buildPebble = sync.OnceValues(func() (string, error) {
		var err error
		if pebbleDir, err = os.MkdirTemp("", "pebble"); err != nil {
			return "", err
		}
		install := exec.Command("go", "install", pebblePackage)
		install.Env = append(os.Environ(), "GOBIN="+pebbleDir, "GOFLAGS=")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return filepath.Join(pebbleDir, "pebble"), nil
	})
)

func removePebble() {
	if pebbleDir != "" {
		_ = os.RemoveAll(pebbleDir)
	}
}

// A pebble is an authority of the test's own, for which every name is 127.0.0.1.
type pebble struct {
	directory  string
	management string
	own        pair // its HTTPS server's certificate
	log        *logs
}

// startPebble starts one that validates at the given ports, until the test ends.
// Its certificates last for the time given.
func startPebble(t *testing.T, httpPort, tlsPort int, validity time.Duration) *pebble {
	t.Helper()
	binary, err := buildPebble()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &pebble{own: newPair(t, nextMonth(), "localhost"), log: new(logs)}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, certFile, p.own.cert)
	write(t, keyFile, p.own.key)
	// Pebble does not tell which ports it got, so they are chosen here.
	directory, management := listen(t), listen(t)
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress":           directory.Addr().String(),
		"managementListenAddress": management.Addr().String(),
		"certificate":             certFile,
		"privateKey":              keyFile,
		"httpPort":                httpPort,
		"tlsPort":                 tlsPort,
		"domainBlocklist":         []string{"blocked.example"},
		"retryAfter":              map[string]int{"authz": 1, "order": 1},
		"profiles":                map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": int(validity.Seconds())}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "pebble.json")
	write(t, config, settings)
	_ = directory.Close()
	_ = management.Close()

	run := exec.Command(binary, "-config", config, "-dnsserver", nameserver(t))
	run.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	run.Stdout, run.Stderr = p.log, p.log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Logf("pebble:\n%s", p.log)
		}
	})
	p.directory = "https://" + directory.Addr().String() + "/dir"
	p.management = "https://" + management.Addr().String()
	for _, url := range []string{p.directory, p.management + "/roots/0"} {
		eventually(t, url, func() bool { return len(p.get(t, url)) > 0 })
	}
	return p
}

// get returns what is at the URL; nothing if it cannot be had.
func (p *pebble) get(t *testing.T, url string) []byte {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.own.roots()}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(url)
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

// root is what the certificates that it issues lead to.
func (p *pebble) root(t *testing.T) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(p.get(t, p.management+"/roots/0")) {
		t.Fatal("pebble has no root")
	}
	return roots
}

// orders is how many were made.
func (p *pebble) orders() int { return p.log.count("POST /order-plz") }

// nameserver answers 127.0.0.1 for every name, until the test ends.
func nameserver(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
					Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = c.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() {
		_ = c.Close()
		serving.Wait()
	})
	return c.LocalAddr().String()
}
