package wire

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/oodaa/signaling/test/rig/pipes"
)

// onTLS runs a test with both versions of TLS, read by a loop and by a goroutine.
func onTLS(t *testing.T, f func(t *testing.T, n network)) {
	for name, n := range map[string]network{"goroutine": sealedTCP, "loop": sealedEpoll} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			n.tls = n.tls.Clone()
			n.tls.MaxVersion = version
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) { f(t, n) })
		}
	}
}

// crypto/tls keeps what has arrived of a record where the connection below it answers
// with a temporary error, and goes on with it later. All of sealed depends on it.
func TestTLSGoesOnAfterATemporaryError(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ours, theirs := net.Pipe()
			wire := &tape{Conn: theirs}
			client := tls.Client(wire, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			server := secure(ours, tlsConfig)
			shaken := make(chan error, 1)
			go func() { shaken <- client.Handshake() }()
			if err := errors.Join(server.Handshake(), <-shaken); err != nil {
				t.Fatal(err)
			}
			s := (*sealed)(server.NetConn().(*beneath))
			s.detached, wire.on = true, true

			var want, got []byte
			for i := range 20 {
				message := []byte(fmt.Sprint(i, letters(i*i*40)))
				want = append(want, message...)
				if _, err := client.Write(message); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			room := make([]byte, maxOpened)
			for i, b := range wire.tape {
				got = append(got, room[:s.open([]byte{b}, room)]...)
				if last := i == len(wire.tape)-1; s.end != nil && (!last || s.end != errEOF) {
					t.Fatalf("ended by %v at byte %d of %d", s.end, i, len(wire.tape))
				}
			}
			if s.end == nil || !bytes.Equal(got, want) {
				t.Errorf("end %v, %d bytes of %d", s.end, len(got), len(want))
			}
		})
	}
}

// A tape keeps what is written to a connection, once it is on.
type tape struct {
	net.Conn
	on   bool
	tape []byte
}

func (c *tape) Write(p []byte) (int, error) {
	if !c.on {
		return c.Conn.Write(p)
	}
	c.tape = append(c.tape, p...)
	return len(p), nil
}

func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// A chopper writes in pieces of random size, whatever TLS's records are.
type chopper struct {
	net.Conn
	mu   sync.Mutex
	held []byte
	most int // 0: hold all back until release
}

func (c *chopper) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, p...)
	if c.most > 0 {
		return len(p), c.chop()
	}
	return len(p), nil
}

// SetWriteDeadline is for what TLS says last, which is held back.
func (c *chopper) SetWriteDeadline(time.Time) error { return nil }

func (c *chopper) chop() error {
	for len(c.held) > 0 {
		n := len(c.held)
		if c.most > 0 {
			n = min(1+rand.IntN(c.most), n)
		}
		if _, err := c.Conn.Write(c.held[:n]); err != nil {
			return err
		}
		c.held = c.held[n:]
	}
	return nil
}

func (c *chopper) release(t *testing.T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.chop(); err != nil {
		t.Error(err)
	}
}

// chopped is connectTo over TLS whose records arrive in pieces.
func chopped(t *testing.T, n network, r *recorder) (*link, *chopper) {
	t.Helper()
	server, client := n.connect(t)
	c := &chopper{Conn: client, most: 1 << 20}
	s, sealed := n.secured(t, server, c)
	return start(t, limits(), n, s, sealed, r), c
}

// However records are cut on their way, and however many come together, all
// messages arrive in their order, and are handled without anything following them.
func TestRecordsInPieces(t *testing.T) {
	onTLS(t, func(t *testing.T, n network) {
		for _, most := range []int{1, 3, 100, 5000, 100_000} {
			t.Run(fmt.Sprint(most), func(t *testing.T) {
				l, c := chopped(t, n, newRecorder(t))
				c.most = most
				var want []string
				for i := range 30 {
					size := rand.IntN(min(1000*most, 40_000))
					if most == 1 {
						size = rand.IntN(300)
					}
					m := fmt.Sprint(i, " ", letters(size))
					want = append(want, "text "+m)
					l.write(text(m))
				}
				l.saw(want...)
				l.sawNothing()
			})
		}
		t.Run("together", func(t *testing.T) {
			l, c := chopped(t, n, newRecorder(t))
			c.most = 0
			var want []string
			for i := range 2000 {
				m := fmt.Sprint(i)
				want = append(want, "text "+m)
				l.write(text(m))
			}
			c.release(t)
			l.saw(want...)
			l.sawNothing()
		})
		t.Run("two and a half", func(t *testing.T) {
			l, c := chopped(t, n, newRecorder(t))
			c.most = 0
			l.write(text("a"))
			l.write(text("b"))
			l.write(text("c"))
			half := c.held[len(c.held)-4:]
			c.held = c.held[:len(c.held)-4]
			c.release(t)
			l.saw("text a", "text b")
			l.sawNothing()
			c.held = half
			c.release(t)
			l.saw("text c")
		})
	})
}

// What TLS has read and decrypted before the connection was taken over is handled,
// though nothing more arrives.
func TestRecordsBeforeUpgrade(t *testing.T) {
	onTLS(t, func(t *testing.T, n network) {
		server, client := n.connect(t)
		c := &chopper{Conn: client}
		c.most = 1 << 20
		s, sealed := n.secured(t, server, c)
		c.most = 0
		var want []string
		for i := range 30 {
			m := fmt.Sprint(i, letters(i*50))
			want = append(want, "text "+m)
			if _, err := sealed.Write(text(m)); err != nil {
				t.Fatal(err)
			}
		}
		if err := sealed.(*tls.Conn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		c.release(t)
		read := bufio.NewReader(s)
		if _, err := read.Peek(3); err != nil { // the first record
			t.Fatal(err)
		}
		cfg := limits()
		cfg.Loops = n.loops
		conn, p := upgradeBy(t, cfg, hijacker{nc: s, r: read}, sealed)
		r := newRecorder(t)
		served := make(chan struct{})
		conn.Start(r, func() { close(served) })
		r.saw(want...)
		r.ended()
		p.expectEOF()
		<-served
	})
}

// A peer that says on TLS that it has closed its end is gone, also where its socket
// stays open, once what it sent before is handled.
func TestGoodbyeOfTLS(t *testing.T) {
	onTLS(t, func(t *testing.T, n network) {
		for _, holds := range []bool{false, true} {
			t.Run(fmt.Sprint("hold ", holds), func(t *testing.T) {
				r := newRecorder(t)
				if holds {
					r.hold = func([]byte) Hold { return func() {} }
				}
				l, c := chopped(t, n, r)
				c.most = 0
				l.write(text("the"), text("last"))
				if err := l.peer.nc.(*tls.Conn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				c.release(t)
				r.saw("text the", "text last", "closed")
				if err := r.ended(); !errors.Is(err, io.EOF) {
					t.Errorf("ended by %v", err)
				}
				l.expectEOF() // with a goodbye
				l.waitServed()
			})
		}
	})
}

// An altered record ends the connection, with an alert that says why.
func TestAlteredRecord(t *testing.T) {
	onTLS(t, func(t *testing.T, n network) {
		l, c := chopped(t, n, newRecorder(t))
		c.most = 0
		l.write(text("good"))
		l.write(text("bad"))
		c.held[len(c.held)-1] ^= 1
		c.release(t)
		l.saw("text good", "closed")
		if err := l.ended(); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("ended by %v", err)
		}
		if _, err := io.Copy(io.Discard, l.peer.r); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
			t.Errorf("the peer was told %v", err)
		}
	})
}

// Connections with TLS that wait cost no goroutine, and hold no buffer of ours.
func TestIdleTLSHasNoGoroutine(t *testing.T) {
	echo(t, limits(), sealedEpoll)
	before := runtime.NumGoroutine()
	links := make([]*link, 50)
	for i := range links {
		links[i] = echo(t, limits(), sealedEpoll)
		links[i].write(text("hello"))
		links[i].expectText("hello")
	}
	if after := runtime.NumGoroutine(); after > before+runtime.GOMAXPROCS(0) {
		t.Errorf("%d goroutines for %d connections", after-before, len(links))
	}
	for _, l := range links {
		l.writer.waitIdle()
		if held := l.sealed.memory(); held != 0 {
			t.Errorf("%d bytes are held", held)
		}
	}
}

// Many goroutines write to a connection that reads and is asked for new keys.
func TestKeyUpdates(t *testing.T) {
	for name, n := range map[string]network{"goroutine": sealedTCP, "loop": sealedEpoll} {
		t.Run(name, func(t *testing.T) {
			l, raw := rawTLS(t, n)
			const writers, each = 4, 200
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					for k := range each {
						if err := l.Send(nil, Message{Payload: []byte(fmt.Sprint(i, " ", k, " ", letters(rand.IntN(1000))))}); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			go func() {
				for k := range each {
					if k%20 == 0 { // the client's library takes 16 answers in a row
						raw.updateKeys(true)
					}
					raw.send(text(fmt.Sprint(k)))
				}
			}()
			next := make([]int, writers)
			for range writers * each {
				f, err := l.next()
				if err != nil {
					t.Fatal(err)
				}
				var i, k int
				if _, err := fmt.Sscan(string(f.Payload), &i, &k); err != nil || next[i] != k {
					t.Fatalf("%.20q where %v are due", f.Payload, next)
				}
				next[i]++
			}
			for k := range each {
				l.saw(fmt.Sprint("text ", k))
			}
			all.Wait()
			raw.updateKeys(false)
			raw.send(frame(true, ws.OpPing, "alive"))
			l.expect(ws.OpPong, "alive")
		})
	}
}

// A peer that has TLS answer, and reads no answers, is cut when they have become too
// many. It does not keep a loop from reading others.
func TestKeyUpdateFlood(t *testing.T) {
	for name, n := range map[string]network{"goroutine": sealedTCP, "loop": sealedEpoll} {
		t.Run(name, func(t *testing.T) {
			others := make([]*link, 2*runtime.GOMAXPROCS(0)) // at least one of each loop
			for i := range others {
				others[i] = echo(t, limits(), n)
			}
			l, raw := rawTLS(t, n)
			narrow(l.writer.conn.nc, l.peer.nc)
			raw.w = bufio.NewWriterSize(raw.w, readSize)
			go func() {
				for !raw.failed {
					raw.updateKeys(true)
					raw.send(text("x"))
				}
			}()
			for i := 0; ; i++ {
				select {
				case err := <-l.recorder.end:
					if !errors.Is(err, errFlooded) {
						t.Errorf("ended by %v", err)
					}
					return
				case <-l.calls:
				}
				if held := l.sealed.memory(); held > 2*maxSealed+maxSealed {
					t.Fatalf("%d bytes are held", held)
				}
				if i%1000 == 0 {
					for _, o := range others {
						o.write(text("there?"))
						o.expectText("there?")
					}
				}
			}
		})
	}
}

// A rawConn writes records of TLS 1.3 as a client whose library cannot be asked to
// change its keys.
type rawConn struct {
	t      *testing.T
	w      io.Writer
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
	failed bool
}

// rawTLS is connect for a client that writes its records itself.
func rawTLS(t *testing.T, n network) (*link, *rawConn) {
	t.Helper()
	server, client := n.connect(t)
	var keys bytes.Buffer
	s, c := secure(server, n.tls), tls.Client(client, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keys})
	shaken := make(chan error, 1)
	go func() { shaken <- s.Handshake() }()
	if err := errors.Join(c.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the cipher suite is %s", tls.CipherSuiteName(suite))
	}
	raw := &rawConn{t: t, w: client}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			raw.secret, _ = hex.DecodeString(f[2])
		}
	}
	raw.setKeys()
	return start(t, limits(), n, s, c, newRecorder(t)), raw
}

// expand is HKDF-Expand-Label (RFC 8446, section 7.1) without a context.
func (c *rawConn) expand(label string, n int) []byte {
	label = "tls13 " + label
	info := append([]byte{byte(n >> 8), byte(n), byte(len(label))}, label...)
	key, err := hkdf.Expand(sha256.New, c.secret, string(append(info, 0)), n)
	if err != nil {
		c.t.Error(err)
	}
	return key
}

func (c *rawConn) setKeys() {
	block, err := aes.NewCipher(c.expand("key", 16))
	if err != nil {
		c.t.Error(err)
		return
	}
	c.aead, _ = cipher.NewGCM(block)
	c.iv, c.seq = c.expand("iv", 12), 0
}

// record writes a record of a type (RFC 8446, section 5.2).
func (c *rawConn) record(kind byte, p []byte) {
	nonce := bytes.Clone(c.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, c.seq) {
		nonce[4+i] ^= b
	}
	c.seq++
	n := len(p) + 1 + c.aead.Overhead()
	header := []byte{23, 3, 3, byte(n >> 8), byte(n)}
	if _, err := c.w.Write(c.aead.Seal(header, nonce, append(bytes.Clone(p), kind), header)); err != nil {
		c.failed = true
	}
}

func (c *rawConn) send(p []byte) { c.record(23, p) }

// updateKeys changes the client's keys, and may ask the server to change its own
// (RFC 8446, section 4.6.3).
func (c *rawConn) updateKeys(ask bool) {
	requested := byte(0)
	if ask {
		requested = 1
	}
	c.record(22, []byte{24, 0, 0, 1, requested})
	c.secret = c.expand("traffic upd", sha256.Size)
	c.setKeys()
}

// TestHandshakesLeaveAProcessor has twice as many clients come as may compute at a
// time, beside as many that begin and say nothing more.
func TestHandshakesLeaveAProcessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		computing, most := 0, 0
		var mu sync.Mutex
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			computing += n
			most = max(most, computing)
		}
		config := tlsConfig.Clone()
		config.Certificates = nil
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			count(1)
			time.Sleep(time.Millisecond) // of the bubble: all that may be here are
			count(-1)
			return &tlsConfig.Certificates[0], nil
		}
		below := pipes.Listen()
		l := ListenTLS(below, config)
		want := cap(l.(*tlsListener).turns)
		dial := func() net.Conn {
			nc, err := below.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return nc
		}
		var serving, coming sync.WaitGroup
		serving.Go(func() {
			for nc, err := l.Accept(); err == nil; nc, err = l.Accept() {
				serving.Go(func() {
					_, _ = io.CopyN(nc, nc, 1) // the slow ones are closed
					_ = nc.Close()
				})
			}
		})
		var slow []net.Conn
		for range 2 * want {
			nc := dial()
			if _, err := nc.Write([]byte{22, 3}); err != nil { // of a record's header
				t.Fatal(err)
			}
			slow = append(slow, nc)
		}
		for range 2 * want {
			nc := tls.Client(dial(), &tls.Config{InsecureSkipVerify: true})
			coming.Go(func() {
				defer nc.Close()
				if _, err := nc.Write([]byte{'x'}); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		coming.Wait()
		if most != want || want >= max(runtime.GOMAXPROCS(0), 2) {
			t.Errorf("%d handshakes computed at a time, want %d on %d processors", most, want, runtime.GOMAXPROCS(0))
		}
		for _, nc := range slow {
			_ = nc.Close()
		}
		_ = below.Close()
		serving.Wait()
	})
}
