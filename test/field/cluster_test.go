package field

import (
	_ "embed"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

var (
	//go:embed testdata/nginx.conf
	nginxConfig string
	//go:embed testdata/haproxy.cfg
	haproxyConfig string
)

// A front starts a proxy in front of two instances, which may be the same, with
// a timeout for silent connections.
type front func(t *testing.T, first, second, timeout string) *rig.Proxy

func nginx(t *testing.T, first, second, timeout string) *rig.Proxy {
	return rig.StartNginx(t, nginxConfig, "$VERSION", "proxy_http_version 1.1;",
		"$FIRST", first, "$SECOND", second, "$TIMEOUT", timeout)
}

// plainNginx asks the instances in HTTP/1.0, as nginx does unless told
// otherwise.
func plainNginx(t *testing.T, first, second, timeout string) *rig.Proxy {
	return rig.StartNginx(t, nginxConfig, "$VERSION", "", "$FIRST", first, "$SECOND", second, "$TIMEOUT", timeout)
}

func haproxy(t *testing.T, first, second, timeout string) *rig.Proxy {
	return rig.StartHAProxy(t, haproxyConfig, "$FIRST", first, "$SECOND", second, "$TIMEOUT", timeout)
}

// rollingBehind restarts two instances behind a proxy, one after the other. The
// path is whole all the time: what counts is the time from the signal.
func rollingBehind(proxy front) func(*testing.T, fate, programs) {
	return func(t *testing.T, f fate, ps programs) {
		redis := rig.StartRedis(t)
		settings := []string{"REDIS_URL=" + redis.URL(), "TRUSTED_PROXIES=1"}
		addrs := []string{rig.FreeAddr(t), rig.FreeAddr(t)}
		var instances []*rig.Server
		for _, addr := range addrs {
			instances = append(instances, start(t, addr, settings...))
		}
		for _, s := range instances {
			rig.AwaitReady(t, s)
		}
		c := gather(t, ps, rows(), at(proxy(t, addrs[0], addrs[1], "60s").Addr))
		for i, addr := range addrs {
			asked := time.Now()
			instances[i].Stop()
			instances[i] = start(t, addr, settings...)
			rig.AwaitReady(t, instances[i])
			c.back(f.name, asked)
		}
	}
}

// redisGone takes Redis away from two instances, with one client of each pair
// on each of them.
func redisGone(t *testing.T, f fate, ps programs) {
	redis := rig.StartRedis(t)
	var addrs []string
	for range 2 {
		addr := rig.FreeAddr(t)
		rig.AwaitReady(t, start(t, addr, "REDIS_URL="+redis.URL()))
		addrs = append(addrs, addr)
	}
	c := gather(t, ps, rows(), place{a: addrs[0], b: addrs[1]})
	redis.Kill()
	pause(either(5*time.Second, 10*time.Second))
	redis.Start()
	c.backByCall(f.name, time.Now())
}
