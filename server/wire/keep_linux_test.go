package wire

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// A peer that is gone has what its TCP has acknowledged, and nothing else: all
// that it read, or could have read, is not returned, all other relays are.
func TestUnacknowledgedByTCP(t *testing.T) {
	t.Parallel()
	narrow := func(server, client net.Conn) { _ = tcpBelow(client).SetReadBuffer(64 << 10) }
	for _, size := range []int{10, 300, 5000, 90_000} {
		for _, end := range []string{"cut", "close", "reset"} {
			t.Run(fmt.Sprint(size, "/", end), func(t *testing.T) {
				t.Parallel()
				onSockets(t, func(t *testing.T, n network) {
					k := keeping(t, n, false, narrow)
					var batch Batch
					for i := 0; len(k.sent)*size < 2<<20 && i < 20_000; i++ {
						k.relay(&batch, size, false)
						if i%10 == 0 {
							batch.Flush()
						}
						if i%1000 == 500 {
							_ = k.Ping() // overtakes
						}
					}
					batch.Flush()
					// What the peer's kernel has acknowledged is what it lets its
					// application read once no more comes.
					held := make(chan []byte, 1)
					received := awaitStill(t, k)
					switch end {
					case "cut":
						k.Cut()
					case "close":
						k.cfg.CloseTimeout = 50 * time.Millisecond
						k.Close(CloseGoingAway, "")
					case "reset":
						_ = tcpBelow(k.peer.nc).SetLinger(0)
						k.peer.nc.Close()
					}
					k.waitEnded()
					if end != "cut" { // what was on the wire may come twice
						k.takeBackAnd(func(first int) {
							if first == 0 && size < 50_000 || first == len(k.sent) {
								t.Errorf("the first one returned is %d of %d", first, len(k.sent))
							}
						})
						return
					}
					go func() {
						k.patient()
						all, _ := io.ReadAll(k.r)
						held <- all
					}()
					arrived := complete(<-held)
					if tcpInfo(t, k.peer.nc).Bytes_received == received {
						k.takeBack(arrived)
						return
					}
					// A probe of the window came between, and the kernel took more.
					k.takeBackAnd(func(first int) {
						if first > arrived {
							t.Errorf("relays %d to %d are lost", arrived, first-1)
						}
					})
				})
			})
		}
	}
}

// waitEnded waits until the connection is cut.
func (k *keptLink) waitEnded() {
	k.peer.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		if state, _ := k.writer.end(); state == cut {
			return
		}
		if time.Now().After(deadline) {
			k.peer.t.Fatal("the connection does not end")
		}
		runtime.Gosched()
	}
}

// takeBackAnd takes the relays back, of which a tail must be left.
func (k *keptLink) takeBackAnd(f func(first int)) {
	k.peer.t.Helper()
	first, next := len(k.sent), -1
	k.Unacknowledged(func(r Receipt, _ []Message) {
		if next < 0 {
			first, next = int(r.Accepted), int(r.Accepted)
		}
		if int(r.Accepted) != next {
			k.peer.t.Fatalf("relay %d, want %d", r.Accepted, next)
		}
		next++
	})
	f(first)
}

// awaitStill waits until the peer's kernel takes no more, and has acknowledged what
// it took, which it may put off for a fifth of a second. It returns how many bytes
// that are.
func awaitStill(t *testing.T, k *keptLink) (received uint64) {
	t.Helper()
	last, same := -1, 0
	for begun := time.Now(); same < 5; {
		if time.Since(begun) > patience {
			t.Fatal("the kernel goes on taking")
		}
		n, _ := k.writer.unacked()
		if n == last && tcpInfo(t, k.writer.conn.nc).Bytes_acked == tcpInfo(t, k.peer.nc).Bytes_received {
			same++
		} else {
			last, same = n, 0
		}
		tick := time.NewTimer(20 * time.Millisecond)
		<-tick.C
	}
	return tcpInfo(t, k.peer.nc).Bytes_received
}

func tcpInfo(t *testing.T, nc net.Conn) (info *unix.TCPInfo) {
	t.Helper()
	err := socket(nc).Control(func(fd uintptr) {
		var err error
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// complete is how many relays are whole in what was read.
func complete(stream []byte) int {
	relays := 0
	for len(stream) > 0 {
		h, n, err := parseHeader(stream)
		if err != nil || n == 0 || len(stream) < n+int(h.Length) {
			break
		}
		payload := string(stream[n : n+int(h.Length)])
		stream = stream[n+int(h.Length):]
		var i int
		if _, err := fmt.Sscanf(payload, "%06d ", &i); err != nil {
			continue
		}
		if (h.OpCode == ws.OpBinary) == (i%3 == 2) {
			relays = i + 1
		}
	}
	return relays
}

// An idle connection keeps nothing: what its peer has acknowledged is forgotten
// as soon as that is known.
func TestNothingIsKept(t *testing.T) {
	onSockets(t, func(t *testing.T, n network) {
		k := keeping(t, n, false, nil)
		for range 3000 {
			k.relay(nil, 1000, false)
			k.read(1)
			k.writer.mu.Lock()
			kept := k.writer.keep.kept.Memory()
			k.writer.mu.Unlock()
			if kept > maxKept+maxKept/2+maxChunk {
				t.Fatalf("%d bytes are kept", kept)
			}
		}
		if err := k.Ping(); err != nil {
			t.Fatal(err)
		}
		f, err := k.next()
		if err != nil {
			t.Fatal(err)
		}
		k.write(frame(true, ws.OpPong, string(f.Payload)))
		k.saw("pong")
		k.expectNothingKept()
	})
}

// At a takeover, what is not acknowledged is returned at once, and what has not
// begun to be written is not any more; the rest of a frame is, and what follows.
func TestTakenBackAlive(t *testing.T) {
	t.Parallel()
	onSockets(t, func(t *testing.T, n network) {
		t.Parallel()
		k := keeping(t, n, false, func(_, client net.Conn) { _ = tcpBelow(client).SetReadBuffer(64 << 10) })
		for range 100 {
			k.relay(nil, 20_000+rand.N(1000), false)
		}
		awaitStill(t, k)
		first := 0
		k.takeBackAnd(func(n int) { first = n })
		if first == 0 || first == 100 {
			t.Fatalf("the first is %d", first)
		}
		if err := k.Send(nil, Message{Payload: []byte("the last")}); err != nil {
			t.Fatal(err)
		}
		read := 0
		for {
			f, err := k.next()
			if err != nil {
				t.Fatal(err)
			}
			if string(f.Payload) == "the last" {
				break
			}
			if f.Header.OpCode == ws.OpText && !strings.HasPrefix(string(f.Payload), fmt.Sprintf("%06d ", read)) {
				t.Fatalf("%.20q where %d was due", f.Payload, read)
			}
			if f.Header.OpCode == ws.OpText {
				read++
			}
		}
		if read < first || read == 100 {
			t.Errorf("the peer got %d relays, of which %d were acknowledged", read, first)
		}
		k.expectNothingKept()
	})
}
