package access

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// An authority issues certificates that only this test trusts.
type authority struct {
	t       testing.TB
	key     *ecdsa.PrivateKey
	root    *x509.Certificate
	rootPEM []byte
	serial  int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	a.root, a.rootPEM, a.key = a.certificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// certificate fills in the template and signs it: by itself, if it is the first.
func (a *authority) certificate(template *x509.Certificate) (*x509.Certificate, []byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	parent, signer := a.root, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

// files are a server's certificate and key.
type files struct{ cert, key string }

func newFiles(t testing.TB) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

func (f files) env() []string { return []string{"TLS_CERT_FILE=" + f.cert, "TLS_KEY_FILE=" + f.key} }

// issue writes a new certificate for localhost, and returns its serial number.
func (a *authority) issue(f files) int64 {
	a.t.Helper()
	made, certPEM, key := a.certificate(&x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	write(a.t, f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write(a.t, f.cert, certPEM)
	return made.SerialNumber.Int64()
}

// trusting is a client's side that trusts the authority alone.
func (a *authority) trusting() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	return &tls.Config{RootCAs: roots}
}

// serialOf is the serial number of the certificate that a new client gets.
func serialOf(t testing.TB, addr string, config *tls.Config) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLS(t *testing.T) {
	verifyNoLeaks(t)
	a := newAuthority(t)
	f := newFiles(t)
	a.issue(f)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := start(t, append(f.env(), "ENGINE="+engine, "CORS_ORIGINS=https://app.example")...)
			transport := newTransport(t)
			transport.TLSClientConfig = a.trusting()
			transport.ForceAttemptHTTP2 = true
			answer := get(t, transport, "https://"+s.Addr+"/health", nil)
			if answer.status != http.StatusOK || !strings.HasPrefix(answer.body, `{"status":"ok"`) {
				t.Errorf("/health: %d %s", answer.status, answer.body)
			}
			if hsts := answer.header.Get("Strict-Transport-Security"); hsts != "max-age=15552000; includeSubDomains" {
				t.Errorf("HSTS %q", hsts)
			}

			o := door{family: rig.Oodaa, tls: a.trusting()}.open(t, s.Addr).registerOodaa("alice")
			v := door{family: rig.Volli, tls: a.trusting()}.open(t, s.Addr).registerVolli("vera", "")
			o.await(`42["peer-connected",{"peerId":"vera"}]`)
			v.say(`{"type":"offer","from":"vera","to":"alice","offer":{"n":1}}`)
			o.expect(`42["offer",{"from":"vera","offer":{"n":1}}]`)

			requests := []nodeRequest{{URL: "https://" + s.Addr, Transports: []string{"websocket"}, Register: "node", CA: string(a.rootPEM)}}
			if engine == "native" {
				requests = append(requests,
					nodeRequest{URL: "https://" + s.Addr, Transports: []string{"polling"}, Register: "node", CA: string(a.rootPEM)},
					nodeRequest{URL: "https://" + s.Addr, Transports: []string{"polling", "websocket"}, Register: "node", CA: string(a.rootPEM), Upgrade: true})
			}
			for i, got := range node(t, requests) {
				transports := requests[i].Transports
				if string(got.Registered) != `{"ok":true}` || got.Transport != transports[len(transports)-1] {
					t.Errorf("%v: %+v", transports, got)
				}
			}
			if got := node(t, []nodeRequest{{URL: "https://" + s.Addr, Transports: []string{"websocket"}}})[0]; got.Connected {
				t.Error("a client that does not know the authority trusts the server")
			}

			for version, accepted := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
				config := a.trusting()
				config.MinVersion, config.MaxVersion = version, version
				config.NextProtos = []string{"h2", "http/1.1"}
				conn, err := tls.Dial("tcp", s.Addr, config)
				if (err == nil) != accepted {
					t.Errorf("%s: %v", tls.VersionName(version), err)
				}
				if err == nil {
					// Upgrades do not work over HTTP/2.
					if state := conn.ConnectionState(); state.NegotiatedProtocol != "http/1.1" {
						t.Errorf("%s: protocol %q", tls.VersionName(version), state.NegotiatedProtocol)
					}
					_ = conn.Close()
				}
			}
			plain := get(t, newTransport(t), "http://"+s.Addr+"/health", nil)
			if plain.status != http.StatusBadRequest {
				t.Errorf("without TLS: %d %s", plain.status, plain.body)
			}
		})
	}
}

func TestCertificatesAreReplaced(t *testing.T) {
	t.Parallel() // it waits for seconds
	a := newAuthority(t)
	f := newFiles(t)
	first := a.issue(f)
	s := start(t, f.env()...)
	alice := door{family: rig.Oodaa, tls: a.trusting()}.open(t, s.Addr).registerOodaa("alice")
	vera := door{family: rig.Volli, tls: a.trusting()}.open(t, s.Addr).registerVolli("vera", "")
	alice.await(`42["peer-connected",{"peerId":"vera"}]`)
	if got := serialOf(t, s.Addr, a.trusting()); got != first {
		t.Fatalf("serial number %d, want %d", got, first)
	}
	talk := func(n int) {
		t.Helper()
		alice.say(fmt.Sprintf(`42["offer",{"to":"vera","from":"alice","offer":{"n":%d}}]`, n))
		vera.expect(fmt.Sprintf(`{"type":"offer","from":"alice","to":"vera","offer":{"n":%d}}`, n))
	}
	talk(1)
	second := a.issue(f)
	rig.Eventually(t, "the second certificate", func() bool { return serialOf(t, s.Addr, a.trusting()) == second })
	talk(2)
	write(t, f.cert, []byte("no certificate"))
	s.Log.Await(t, "cannot use the new certificate, keeping the current one", s.Exited())
	if got := serialOf(t, s.Addr, a.trusting()); got != second {
		t.Errorf("serial number %d, want %d", got, second)
	}
	third := a.issue(f)
	rig.Eventually(t, "the third certificate", func() bool { return serialOf(t, s.Addr, a.trusting()) == third })
	talk(3)
	alice.silent()
	vera.silent()
	if s.Log.Has("PRIVATE KEY") {
		t.Error("the log tells the key")
	}
}

// redirectAddr is where the plain listener of a server is.
func redirectAddr(t *testing.T, s *rig.Server) string {
	t.Helper()
	addr, _ := s.Log.Await(t, "redirecting to HTTPS", s.Exited())["addr"].(string)
	if addr == "" {
		t.Fatal("no address of the redirect in the log")
	}
	return addr
}

func TestPlainRequestsAreSentToHTTPS(t *testing.T) {
	verifyNoLeaks(t)
	a := newAuthority(t)
	f := newFiles(t)
	a.issue(f)
	s := start(t, append(f.env(), "HTTP_REDIRECT_ADDR=127.0.0.1:0", "PUBLIC_HOSTS=signaling.example")...)
	addr := redirectAddr(t, s)
	_, httpsPort, _ := net.SplitHostPort(s.Addr)
	transport := newTransport(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/", http.StatusMovedPermanently},
		{http.MethodGet, "/stats?a=b&c=%20", http.StatusMovedPermanently},
		{http.MethodHead, "/demo", http.StatusMovedPermanently},
		{http.MethodPost, "/socket.io/?EIO=4", http.StatusPermanentRedirect},
	} {
		got := ask(t, transport, c.method, "http://"+addr+c.path, nil)
		if want := "https://127.0.0.1:" + httpsPort + c.path; got.status != c.status || got.header.Get("Location") != want {
			t.Errorf("%s %s: %d to %q, want %q", c.method, c.path, got.status, got.header.Get("Location"), want)
		}
	}
	// By any name that it is reached by, and by no other.
	for host, want := range map[string]string{
		"signaling.example:80": "https://signaling.example:" + httpsPort + "/x",
		"localhost":            "https://localhost:" + httpsPort + "/x",
		"evil.example":         "",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /x HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", host)
		got, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = got.Body.Close()
		if got.Header.Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", host, got.StatusCode, got.Header.Get("Location"), want)
		}
		if got.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
			t.Errorf("%s: headers %v", host, got.Header)
		}
	}
	if got := get(t, transport, "http://"+addr+"/health", nil); got.status != http.StatusOK || !strings.Contains(got.body, `"status":"ok"`) {
		t.Errorf("/health: %d %s", got.status, got.body)
	}
	transport.TLSClientConfig = a.trusting()
	if followed := get(t, transport, "https://"+s.Addr+"/health", nil); followed.status != http.StatusOK {
		t.Errorf("there: %d", followed.status)
	}
}

// health runs the server's own binary as the health check of a container.
func health(t *testing.T, s *rig.Server, env ...string) error {
	t.Helper()
	binary, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", s.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(s.Addr)
	run := exec.CommandContext(t.Context(), binary, "-health")
	run.Env = append(env, "HOST=127.0.0.1", "PORT="+port)
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

func TestHealthCheckOverTLS(t *testing.T) {
	verifyNoLeaks(t)
	a := newAuthority(t)
	f := newFiles(t)
	a.issue(f)
	s := start(t, f.env()...)
	if err := health(t, s, f.env()...); err != nil {
		t.Error(err)
	}
	if health(t, s) == nil {
		t.Error("the check without TLS takes a server with TLS for a healthy one")
	}
	plain := start(t)
	if err := health(t, plain); err != nil {
		t.Error(err)
	}
}

// While the authority gives no certificate, nothing takes the server for dead: a
// restart would only order again.
func TestHealthCheckWithoutACertificate(t *testing.T) {
	verifyNoLeaks(t)
	env := []string{"ACME_DOMAINS=signaling.example", "ACME_DIRECTORY_URL=https://127.0.0.1:1/dir"}
	s := start(t, append(env, "HTTP_REDIRECT_ADDR=127.0.0.1:0")...)
	s.Log.Await(t, "certificate not issued", s.Exited())
	if err := health(t, s, env...); err != nil {
		t.Error(err)
	}
	if got := get(t, newTransport(t), "http://"+redirectAddr(t, s)+"/health", nil); got.status != http.StatusOK {
		t.Errorf("/health of the plain listener: %d", got.status)
	}
}
