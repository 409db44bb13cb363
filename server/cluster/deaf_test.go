package cluster

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig"
)

// A muffler is a way to Redis on which what is subscribed to can be lost, while
// commands go on.
type muffler struct {
	listener net.Listener
	to       string
	muffled  atomic.Int32 // numbers the connections that are: those up to it
	last     atomic.Int32
	ends     sync.WaitGroup
}

func newMuffler(t *testing.T, to string) *muffler {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &muffler{listener: l, to: to}
	m.ends.Go(m.accept)
	t.Cleanup(func() {
		_ = l.Close()
		m.ends.Wait()
	})
	return m
}

func (m *muffler) accept() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", m.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		n := m.last.Add(1)
		var subscribed atomic.Bool
		m.ends.Go(func() {
			pass(server, client, func(p []byte) bool {
				if bytes.Contains(p, []byte("subscribe")) {
					subscribed.Store(true)
				}
				return true
			})
		})
		m.ends.Go(func() {
			pass(client, server, func([]byte) bool { return !subscribed.Load() || n > m.muffled.Load() })
		})
	}
}

// pass copies what through lets through, until either end closes.
func pass(to, from net.Conn, through func(p []byte) bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if through(buf[:n]) {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// A subscription that is lost without a word, while all else goes on, is
// noticed, and made anew.
func TestDeafSubscription(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	m := newMuffler(t, redis.Addr)
	a, b := start(t, "redis://"+m.listener.Addr().String(), "a", true), start(t, redis.URL(), "b", true)
	for _, c := range []*Cluster{a, b} {
		rig.Eventually(t, c.Name+" joined", func() bool { return c.Status().Joined })
	}
	before := a.current()
	m.muffled.Store(m.last.Load())
	if _, code := b.testClaim(t, hub.Claim{ID: "x"}, nil); code != hub.OK {
		t.Fatal(code)
	}
	rig.Eventually(t, "a knows x", func() bool { return a.Hub.Find([]byte("x")) != nil })
	if a.current() == before {
		t.Error("the subscription is the same")
	}
	if s := a.Status(); s.Lost != "" {
		t.Errorf("%+v", s)
	}
	// The same where nothing is ever said.
	before = a.current()
	m.muffled.Store(m.last.Load())
	rig.Eventually(t, "another subscription", func() bool { s := a.current(); return s != nil && s != before })
}
