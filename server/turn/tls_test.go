package turn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// certificate is the server's side of TLS.
func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"turn.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// dialTLS is a client over TLS that has credentials and a nonce.
func dialTLS(t *testing.T, s *Server, protocols ...string) *client {
	t.Helper()
	conn, err := tls.Dial("tcp", s.tcp[len(s.tcp)-1].Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, conn: newStream(conn, patience), server: conn.RemoteAddr()}
	t.Cleanup(func() { _ = conn.Close() })
	c.username, c.password = credentials("alice", time.Hour)
	c.challenge()
	return c
}

func TestTLS(t *testing.T) {
	for name, opts := range map[string]Options{
		"beside UDP and TCP": {Listen: "127.0.0.1:0"},
		"alone":              {},
	} {
		t.Run(name, func(t *testing.T) {
			opts.ListenTLS, opts.TLS, opts.PublicIP, opts.Secret, opts.AllowPrivate = "127.0.0.1:0", certificate(t), loopback, secret, true
			s, err := Listen(opts)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c := dialTLS(t, s, "stun.turn") // RFC 7443
			relayed := c.allocate()
			peer, at := listenPeer(t)
			if !c.bind(0x4000, at) {
				t.Fatal("no channel")
			}
			c.channelData(0x4000, "hello")
			if got, from := readFrom(t, peer); got != "hello" || from != relayed {
				t.Errorf("the peer got %q from %v", got, from)
			}
			if got := s.Stats(); got.Allocations != 1 || got.Connections != 1 {
				t.Errorf("%+v", got)
			}
			// Neither port of the server is a peer.
			for _, port := range []uint16{s.port, s.portTLS} {
				if to, ok := s.route(addrPort(&net.UDPAddr{IP: loopback.AsSlice(), Port: int(port)})); ok {
					t.Errorf("a route to %v", to)
				}
			}
		})
	}
}

// Whoever does not finish the handshake is cut in time, and the server's end does
// not wait for clients that do not read.
func TestTLSClientsThatDoNothing(t *testing.T) {
	l := defaultLimits
	l.patience = 50 * time.Millisecond
	s := start(t, Options{ListenTLS: "127.0.0.1:0", TLS: certificate(t)}, l)
	conn, err := net.Dial("tcp", s.tcp[1].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("not cut")
	}
	eventually(t, "forgotten", func() bool { return s.Stats().Connections == 0 })
}

func TestBandwidth(t *testing.T) {
	s := start(t, Options{AllowPrivate: true, MaxBandwidth: 10_000}, defaultLimits)
	c := login(t, "tcp", s, "alice")
	relayed := c.allocate()
	peer, at := listenPeer(t)
	if !c.bind(0x4000, at) {
		t.Fatal("no channel")
	}
	text := string(make([]byte, 1000))
	const packets = 100 // ten seconds' worth, in much less
	begin := time.Now()
	for range packets {
		c.channelData(0x4000, text)
	}
	c.sync()
	allowed := uint64(10_000 + 10_000*time.Since(begin).Seconds())
	if got := s.Stats(); got.BytesToPeers < 10_000 || got.BytesToPeers > allowed || got.BytesDropped != packets*1000-got.BytesToPeers {
		t.Errorf("%d bytes of %d allowed, %d bytes dropped", got.BytesToPeers, allowed, got.BytesDropped)
	}
	before := s.Stats().BytesDropped
	for range packets {
		if _, err := peer.WriteToUDPAddrPort([]byte(text), relayed); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "dropped on the way back", func() bool { return s.Stats().BytesDropped > before })
	// Another allocation has its own.
	other := login(t, "tcp", s, "alice")
	other.allocate()
	_, second := listenPeer(t)
	if !other.bind(0x4000, second) {
		t.Fatal("no channel")
	}
	dropped, sent := s.Stats().BytesDropped, s.Stats().BytesToPeers
	other.channelData(0x4000, text)
	if answer := other.request(stun.MethodBinding); !succeeded(answer) {
		t.Fatal(answer)
	}
	if got := s.Stats(); got.BytesToPeers != sent+1000 {
		t.Errorf("%d bytes sent, %d bytes dropped", got.BytesToPeers-sent, got.BytesDropped-dropped)
	}
}
