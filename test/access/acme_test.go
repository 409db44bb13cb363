package access

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/oodaa/signaling/test/rig"
)

// Pebble is the test server of Let's Encrypt.
const pebblePackage = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.8.0"

// startPebble starts an authority that validates at the ports of the two
// addresses, and whose own certificate is the one in the files. It returns the
// URLs of its directory and of its management.
func startPebble(t *testing.T, plainAddr, tlsAddr string, own files) (directory, management string) {
	t.Helper()
	dir := t.TempDir()
	install := exec.Command("go", "install", pebblePackage)
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	port := func(addr string) int {
		_, digits, _ := net.SplitHostPort(addr)
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	directoryAddr, managementAddr := rig.FreeAddr(t), rig.FreeAddr(t)
	settings, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": directoryAddr, "managementListenAddress": managementAddr,
		"certificate": own.cert, "privateKey": own.key,
		"httpPort": port(plainAddr), "tlsPort": port(tlsAddr),
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "the only one", "validityPeriod": 7776000}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(filepath.Join(dir, "pebble"), "-config", write(t, filepath.Join(dir, "pebble.json"), settings), "-dnsserver", nameserver(t))
	run.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	log := new(rig.Log)
	run.Stdout, run.Stderr = log, log
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait() // killed
		if t.Failed() {
			t.Logf("pebble:\n%s", log.Tail())
		}
	})
	rig.Eventually(t, "pebble", func() bool {
		for _, addr := range []string{directoryAddr, managementAddr} {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return false
			}
			_ = conn.Close()
		}
		return true
	})
	return "https://" + directoryAddr + "/dir", "https://" + managementAddr
}

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

// A server that starts with nothing has a certificate soon, serves both families
// with it, and keeps it over a restart.
func TestCertificatesByACME(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	own := newFiles(t)
	a.issue(own)
	plain, secure := rig.FreeAddr(t), rig.FreeAddr(t)
	directory, management := startPebble(t, plain, secure, own)
	_, port, _ := net.SplitHostPort(secure)
	env := []string{
		"PORT=" + port, "HTTP_REDIRECT_ADDR=" + plain,
		"ACME_DOMAINS=signaling.example", "ACME_EMAIL=admin@example.com", "ACME_CACHE_DIR=" + t.TempDir(), "ACME_DIRECTORY_URL=" + directory,
		"SSL_CERT_FILE=" + write(t, filepath.Join(t.TempDir(), "root.pem"), a.rootPEM),
	}
	s := start(t, env...)

	transport := newTransport(t)
	transport.TLSClientConfig = a.trusting()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(get(t, transport, management+"/roots/0", nil).body)) {
		t.Fatal("pebble has no root")
	}
	issued := &tls.Config{RootCAs: roots, ServerName: "signaling.example"}
	rig.EventuallyWithin(t, 2*rig.Patience, "a certificate of the authority", func() bool {
		conn, err := tls.Dial("tcp", s.Addr, issued)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	serial := serialOf(t, s.Addr, issued)
	for _, family := range []rig.Family{rig.Oodaa, rig.Volli} {
		c := door{family: family, tls: issued}.open(t, s.Addr)
		if family == rig.Oodaa {
			c.registerOodaa("alice")
		} else {
			c.registerVolli("vera", "")
		}
	}
	if err := health(t, s, "ACME_DOMAINS=signaling.example", "ACME_CACHE_DIR="+t.TempDir()); err != nil {
		t.Error(err)
	}
	// The plain listener knows its own name only.
	if answer := get(t, newTransport(t), "http://"+plain+"/", nil); answer.status != 421 {
		t.Errorf("by address: %d", answer.status)
	}
	s.Stop()
	again := start(t, append(env, "PORT=0", "HTTP_REDIRECT_ADDR=127.0.0.1:0")...)
	if got := serialOf(t, again.Addr, issued); got != serial {
		t.Error("the certificate was not kept over the restart")
	}
}
