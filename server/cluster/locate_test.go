package cluster

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/oodaa/signaling/test/rig"
)

// startSentinel starts what answers as a Sentinel does that knows one primary.
func startSentinel(t *testing.T, primary string) (addr string) {
	t.Helper()
	host, port, err := net.SplitHostPort(primary)
	if err != nil {
		t.Fatal(err)
	}
	answer := fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ends sync.WaitGroup
	ends.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			ends.Go(func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					reply := "-ERR unknown command\r\n" // HELLO, of an old Sentinel
					if bytes.Contains(buf[:n], []byte("get-master-addr-by-name")) {
						reply = answer
					}
					if _, err := c.Write([]byte(reply)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		ends.Wait()
	})
	return l.Addr().String()
}

// Of the Sentinels, some may be away, and some may name a primary that is none any
// more: the others are asked.
func TestSentinelsThatDoNotHelp(t *testing.T) {
	redis := rig.StartRedis(t)
	host, port, err := net.SplitHostPort(redis.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := rig.StartRedis(t, "--replicaof", host, port)
	away, dead := rig.FreeAddr(t), startSentinel(t, rig.FreeAddr(t))
	behind, right := startSentinel(t, replica.Addr), startSentinel(t, redis.Addr)
	c := start(t, fmt.Sprintf("redis+sentinel://%s,%s,%s,%s?master_name=m", away, dead, behind, right), "a", true)
	rig.Eventually(t, "joined", func() bool { return c.current() != nil && c.Status().Lost == "" })
}
