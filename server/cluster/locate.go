package cluster

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// A locator finds the Redis to use now: the only one there is, the primary that
// the Sentinels name, or the node of a Redis Cluster that has our keys. Each
// session uses one, and a failover ends it.
type locator struct {
	address     *Address
	authorities *x509.CertPool // nil: the system's
	prefix      string         // of all keys, which are in one slot
	hosts       []string       // to ask, those that did not answer last
}

// locateTimeout is how long one Sentinel or node may take.
const locateTimeout = 500 * time.Millisecond

// locate returns the options of a client of the Redis to use now.
func (l *locator) locate(ctx context.Context) (*redis.Options, error) {
	ask := l.askNode
	switch {
	case l.address.master != "":
		ask = l.askSentinel
	case !l.address.shards:
		return clientOptions(l.address, l.hosts[0], l.authorities), nil
	}
	var err error
	for range l.hosts {
		var host string
		if host, err = l.askWith(ctx, ask); err == nil {
			return clientOptions(l.address, host, l.authorities), nil
		}
		err = fmt.Errorf("%s: %w", l.hosts[0], err)
		l.next()
	}
	return nil, err
}

// moved reports whether a Sentinel names another primary than this one: after a
// failover by hand the former one serves for seconds before it is told. A node of a
// Redis Cluster says so itself.
func (l *locator) moved(ctx context.Context, from string) bool {
	if l.address.master == "" {
		return false
	}
	host, err := l.askWith(ctx, l.askSentinel)
	if err != nil {
		l.next() // is asked in a second
		return false
	}
	return host != from
}

func (l *locator) next() { l.hosts = append(l.hosts[1:], l.hosts[0]) }

func (l *locator) askWith(ctx context.Context, ask func(context.Context, *redis.Options) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, locateTimeout)
	defer cancel()
	return ask(ctx, clientOptions(l.address, l.hosts[0], l.authorities))
}

// askSentinel asks a Sentinel where the primary is.
func (l *locator) askSentinel(ctx context.Context, o *redis.Options) (string, error) {
	o.Username, o.Password, o.DB = l.address.sentinelUsername, l.address.sentinelPassword, 0
	sentinel := redis.NewSentinelClient(o)
	defer sentinel.Close()
	at, err := sentinel.GetMasterAddrByName(ctx, l.address.master).Result()
	if err != nil {
		return "", fmt.Errorf("sentinel: %w", err)
	}
	if len(at) != 2 {
		return "", fmt.Errorf("sentinel: unexpected answer")
	}
	return net.JoinHostPort(at[0], at[1]), nil
}

// askNode asks a node of a Redis Cluster which of them has our slot.
func (l *locator) askNode(ctx context.Context, o *redis.Options) (string, error) {
	node := redis.NewClient(o)
	defer node.Close()
	slot, err := node.ClusterKeySlot(ctx, l.prefix).Result()
	if err != nil {
		return "", fmt.Errorf("redis cluster: %w", err)
	}
	//lint:ignore SA1019 a Redis before 7 has no CLUSTER SHARDS
	ranges, err := node.ClusterSlots(ctx).Result()
	if err != nil {
		return "", fmt.Errorf("redis cluster: %w", err)
	}
	for _, r := range ranges {
		if int64(r.Start) > slot || int64(r.End) < slot || len(r.Nodes) == 0 {
			continue
		}
		host, port, err := net.SplitHostPort(r.Nodes[0].Addr) // the first is the owner
		if err != nil {
			return "", fmt.Errorf("redis cluster: %w", err)
		}
		if host == "" { // it does not know its own address
			host = nameOf(o.Addr)
		}
		return net.JoinHostPort(host, port), nil
	}
	return "", fmt.Errorf("redis cluster: no node has slot %d", slot)
}
