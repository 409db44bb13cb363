package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// authority makes a certificate authority and a certificate of its for loopback,
// and returns the files.
func authority(t *testing.T) (ca, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sign := func(template, parent *x509.Certificate, public, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &public.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	from, until := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a private authority"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootKey, leafKey := newKey(), newKey()
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: from, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		t.Fatal(err)
	}
	return write("ca.pem", "CERTIFICATE", sign(root, root, rootKey, rootKey)),
		write("redis.pem", "CERTIFICATE", sign(leaf, root, leafKey, rootKey)),
		write("redis.key", "PRIVATE KEY", keyDER)
}

// Instances reach a Redis whose certificate an authority of one's own has signed,
// only with that authority.
func TestRedisPrivateAuthority(t *testing.T) {
	t.Parallel()
	ca, cert, key := authority(t)
	addr := rig.FreeAddr(t)
	rig.StartRedis(t, "--tls-port", portOf(t, addr), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no")
	url := "REDIS_URL=rediss://" + addr
	stranger := rig.Start(t, url, "LOG_LEVEL=info")
	const message = "cannot reach Redis yet, serving local users only, retrying"
	rig.Eventually(t, "the reason is logged", func() bool { // behind a timeout where all is slow
		return slices.ContainsFunc(stranger.Log.Lines(message), func(line string) bool { return strings.Contains(line, "x509") })
	})
	var nodes []*rig.Server
	for i := range 2 {
		nodes = append(nodes, rig.Start(t, url, "REDIS_CA_FILE="+ca, fmt.Sprintf("NODE_ID=n%d", i), shortGrace))
		rig.AwaitReady(t, nodes[i])
	}
	exchange(t, nodes)
}

// shortGrace is for exchange, which waits for the end of two graces.
const shortGrace = "RECONNECT_GRACE=1s"

// exchange has everything happen between two instances that users do.
func exchange(t *testing.T, nodes []*rig.Server) {
	t.Helper()
	a, b := rig.MustDial(t, nodes[0].Addr, rig.Oodaa), rig.MustDial(t, nodes[1].Addr, rig.Volli)
	mustRegister(t, a, "a")
	mustRegister(t, b, "b")
	answers := func(to, want string) {
		t.Helper()
		rig.Eventually(t, "the answer from "+to, func() bool {
			answer, err := ask(a, to, `1`)
			if err != nil {
				t.Fatal(err)
			}
			return strings.HasPrefix(answer, want)
		})
	}
	answers("b", `{"ok":true}`)
	other := rig.MustDial(t, nodes[0].Addr, rig.Oodaa)
	mustRegister(t, other, "b") // takes the name over
	select {
	case <-b.Done():
	case <-time.After(rig.Patience):
		t.Fatal("the former holder of the name is still connected")
	}
	answers("b", `{"ok":true}`)
	other.Close()
	answers("b", `{"ok":false`)
	// An instance that is killed is cleared away by the other.
	c := rig.MustDial(t, nodes[1].Addr, rig.Oodaa)
	mustRegister(t, c, "c")
	answers("c", `{"ok":true}`)
	nodes[1].Kill()
	answers("c", `{"ok":false`)
}

// With exactly the rights that docs/redis.md lists, Redis refuses nothing.
func TestRedisLeastRights(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rights, ok := strings.Cut(string(text), "ACL SETUSER signaling ")
	if !ok {
		t.Fatal("docs/redis.md lists no rights")
	}
	rights, _, _ = strings.Cut(strings.NewReplacer("PASSWORD", "pw", "'", "").Replace(rights), "\n")
	for _, program := range []string{"redis-server", "valkey-server"} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil && program != "redis-server" {
				t.Skip("Debian has it from 13 on")
			}
			redis := rig.StartRedisProgram(t, program)
			redis.Do(append([]string{"ACL", "SETUSER", "signaling"}, strings.Fields(rights)...)...)
			for _, presence := range []string{"all", "none"} {
				var nodes []*rig.Server
				for i := range 2 {
					nodes = append(nodes, rig.Start(t, "REDIS_URL=redis://signaling:pw@"+redis.Addr, fmt.Sprintf("NODE_ID=n%d", i), "PRESENCE="+presence, "RATE_LIMIT=1000", shortGrace))
					rig.AwaitReady(t, nodes[i])
				}
				exchange(t, nodes)
				nodes[0].Stop()
			}
			if refused := redis.Do("ACL", "LOG"); refused != "*0\r\n" {
				t.Errorf("refused: %s", refused)
			}
		})
	}
}
