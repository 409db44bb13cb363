package cluster

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// shards is a Redis Cluster of three nodes, and replicas of some of them.
type shards struct {
	t     *testing.T
	nodes []*rig.Redis
	bus   string // the port of the first that the nodes use among themselves
}

func newShards(t *testing.T, args ...string) *shards {
	t.Helper()
	c := &shards{t: t}
	for i := range 3 {
		n := c.start(args...)
		n.Do("CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		first, last := 16384*i/3, 16384*(i+1)/3-1
		if answer := n.Do("CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(first), fmt.Sprint(last)); answer != "+OK\r\n" {
			t.Fatal(answer)
		}
	}
	c.await("three nodes", 3)
	return c
}

// start starts a node, and makes it known to the first.
func (c *shards) start(args ...string) *rig.Redis {
	c.t.Helper()
	bus := portOf(c.t, rig.FreeAddr(c.t))
	n := rig.StartRedis(c.t, append([]string{"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1000"}, args...)...)
	if len(c.nodes) > 0 {
		n.Do("CLUSTER", "MEET", "127.0.0.1", portOf(c.t, c.nodes[0].Addr), c.bus)
	} else {
		c.bus = bus
	}
	c.nodes = append(c.nodes, n)
	return n
}

// await waits until all nodes know n of them, and serve.
func (c *shards) await(what string, n int) {
	c.t.Helper()
	rig.Eventually(c.t, what, func() bool {
		for _, node := range c.nodes {
			info := node.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r\n", n)) {
				return false
			}
		}
		return true
	})
}

// owner is the node that has a key.
func (c *shards) owner(key string) *rig.Redis {
	c.t.Helper()
	for _, n := range c.nodes {
		if answer := n.Do("EXISTS", key); strings.HasPrefix(answer, ":") {
			return n
		}
	}
	c.t.Fatalf("no node has %s", key)
	return nil
}

// replicate starts a replica of a node.
func (c *shards) replicate(owner *rig.Redis, args ...string) *rig.Redis {
	c.t.Helper()
	id := strings.Split(owner.Do("CLUSTER", "MYID"), "\r\n")[1]
	replica := c.start(args...)
	c.await("four nodes", 4)
	rig.Eventually(c.t, "a replica", func() bool { return replica.Do("CLUSTER", "REPLICATE", id) == "+OK\r\n" })
	rig.Eventually(c.t, "a replica in step", func() bool { return strings.Contains(replica.Do("INFO", "replication"), "master_link_status:up") })
	rig.Eventually(c.t, "everybody knows the replica", func() bool {
		for _, n := range c.nodes {
			if !strings.Contains(n.Do("CLUSTER", "NODES"), "slave "+id) {
				return false
			}
		}
		return true
	})
	return replica
}

func (c *shards) url() string {
	var addrs []string
	for _, n := range c.nodes[:3] {
		addrs = append(addrs, n.Addr)
	}
	return "redis+cluster://" + strings.Join(addrs, ",")
}

func portOf(t *testing.T, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The node that has our keys dies under traffic, and its replica takes over.
func TestRedisClusterFailover(t *testing.T) {
	t.Parallel()
	c := newShards(t)
	owner := c.owner("{oodaa:}names")
	replica := c.replicate(owner)
	w := newWorldAt(t, c.url())
	w.populate(crowd, pace)
	w.during(500 * time.Millisecond)
	if n := owner.Do("EXISTS", "{oodaa:}names"); n != ":1\r\n" {
		t.Fatalf("the owner of the slot has no names: %s", n)
	}

	if *long {
		w.failOver(owner, replica)
		owner, replica = replica, owner
	}
	owner.Kill()
	died := time.Now()
	rig.Eventually(t, "the replica is the owner", func() bool { return strings.Contains(replica.Do("ROLE"), "master") })
	w.awaitJoined()
	t.Logf("all instances have joined %v after the owner's death", time.Since(died))
	w.quiet()
	w.noneGone()
}

// failOver makes the replica the owner by hand. The former owner lives on, and
// becomes its replica.
func (w *world) failOver(owner, replica *rig.Redis) {
	t := w.t
	t.Helper()
	if answer := replica.Do("CLUSTER", "FAILOVER"); answer != "+OK\r\n" {
		t.Fatal(answer)
	}
	begun := time.Now()
	rig.Eventually(t, "the replica is the owner", func() bool { return strings.Contains(replica.Do("ROLE"), "master") })
	w.awaitJoined()
	t.Logf("all instances have joined %v after a failover by hand", time.Since(begun))
	w.quiet()

	rig.Eventually(t, "the former owner is a replica in step", func() bool { return strings.Contains(owner.Do("INFO", "replication"), "master_link_status:up") })
}
