package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// An Address is where Redis is: what REDIS_URL says.
type Address struct {
	scheme string
	hosts  []string // with ports: of Redis, of Sentinels, or of some nodes of a Redis Cluster
	master string   // what the Sentinels call the primary; empty without Sentinels
	shards bool     // a Redis Cluster

	options                            any // redis.Options, for Redis itself: see Member
	database                           int
	tls                                bool
	sentinelUsername, sentinelPassword string
	ignored                            []string
}

const (
	sentinelSuffix = "+sentinel"
	clusterSuffix  = "+cluster"
)

// The errors say nothing of what the URL holds: with a password that is not
// encoded, any part of it may be the password's.
var (
	errScheme   = errors.New("must be a redis://, rediss://, redis+sentinel:// or redis+cluster:// URL")
	errUserInfo = errors.New(`has a user name or password that is not encoded: write "/" as %2F, "?" as %3F, "#" as %23, "@" as %40 and "%" as %25`)
	errHost     = errors.New("must name hosts with ports, such as redis.example:6379")
	errHosts    = errors.New("names several hosts, which needs redis+sentinel:// or redis+cluster://")
	errDatabase = errors.New("has a database that is not a number")
	errMaster   = errors.New("needs ?master_name=NAME, as the Sentinels call it")
	errShards   = errors.New("names a database: Redis Cluster has none but 0")
	errValue    = errors.New("has a parameter with an invalid value")
)

// ParseURL reads a URL such as
//
//	redis://user:password@host:6379/0
//	redis+sentinel://user:password@host:26379,host:26379/0?master_name=NAME
//	redis+cluster://user:password@host:6379,host:6379
//
// where rediss stands for TLS. The user and password are Redis's; those of the
// Sentinels, where they need any, are the parameters sentinel_username and
// sentinel_password.
func ParseURL(text string) (*Address, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
	if !ok {
		return nil, errScheme
	}
	scheme = strings.ToLower(scheme)
	base, kind := scheme, ""
	if at := strings.IndexByte(scheme, '+'); at >= 0 {
		base, kind = scheme[:at], scheme[at:]
	}
	if base != "redis" && base != "rediss" || kind != "" && kind != sentinelSuffix && kind != clusterSuffix {
		return nil, errScheme
	}
	a := &Address{scheme: scheme, shards: kind == clusterSuffix}
	port := "6379"
	if kind == sentinelSuffix {
		port = "26379"
	}

	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if strings.ContainsAny(rest, "@#") {
		return nil, errUserInfo
	}
	userInfo, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		userInfo, hosts = authority[:at+1], authority[at+1:]
	}
	if _, err := url.Parse("redis://" + userInfo + "host"); err != nil {
		return nil, errUserInfo
	}
	for host := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("redis://" + strings.TrimSpace(host))
		if err != nil || u.Hostname() == "" && kind != "" {
			return nil, errHost
		}
		number := orElse(u.Port(), port)
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 {
			return nil, errHost
		}
		a.hosts = append(a.hosts, net.JoinHostPort(orElse(u.Hostname(), "localhost"), number))
	}
	if kind == "" && len(a.hosts) > 1 {
		return nil, errHosts
	}

	path, query, _ := strings.Cut(rest, "?")
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return nil, errValue
	}
	take := func(name string) string {
		defer parameters.Del(name)
		return parameters.Get(name)
	}
	if kind == sentinelSuffix {
		if a.master = take("master_name"); a.master == "" {
			return nil, errMaster
		}
		a.sentinelUsername, a.sentinelPassword = take("sentinel_username"), take("sentinel_password")
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		// An empty value is valid for every parameter that the library knows.
		if _, err := redis.ParseURL(base + "://host?" + url.QueryEscape(name) + "="); err != nil {
			parameters.Del(name)
			a.ignored = append(a.ignored, name)
		}
	}
	if strings.Contains(query, "password") && len(a.ignored) > 0 {
		// Of a password with "&" in it, the rest looks like a parameter.
		a.ignored = []string{"…"}
	}

	if _, err := redis.ParseURL("redis://host" + path); err != nil {
		return nil, errDatabase
	}
	options, err := redis.ParseURL(base + "://" + userInfo + a.hosts[0] + path + "?" + parameters.Encode())
	if err != nil {
		return nil, errValue
	}
	a.options, a.database, a.tls = *options, options.DB, options.TLSConfig != nil
	if a.shards && a.database != 0 {
		return nil, errShards
	}
	return a, nil
}

// Exposed reports whether the password and all that Redis is told cross a network
// in the clear.
func (a *Address) Exposed() bool {
	return !a.tls && slices.ContainsFunc(a.hosts, func(at string) bool {
		host, _, _ := net.SplitHostPort(at)
		ip, err := netip.ParseAddr(host)
		return host != "localhost" && (err != nil || !ip.IsLoopback())
	})
}

// String is the URL without any user name, password or parameter.
func (a *Address) String() string {
	text := a.scheme + "://" + strings.Join(a.hosts, ",")
	if a.database != 0 {
		text += fmt.Sprintf("/%d", a.database)
	}
	if a.master != "" {
		text += ", master " + a.master
	}
	return text
}

// Ignored are the names of parameters that only other clients know.
func (a *Address) Ignored() []string { return a.ignored }

// TLS reports whether the connections are encrypted.
func (a *Address) TLS() bool { return a.tls }

// clientOptions are those of a client of the Redis at host. No command is
// repeated: what a timeout leaves open must not be done twice.
func clientOptions(a *Address, host string, authorities *x509.CertPool) *redis.Options {
	o := a.options.(redis.Options)
	o.Addr = host
	if o.TLSConfig != nil {
		o.TLSConfig = o.TLSConfig.Clone()
		o.TLSConfig.RootCAs = authorities
		o.TLSConfig.ServerName = nameOf(host)
		o.TLSConfig.MinVersion = tls.VersionTLS12
	}
	o.MaxRetries = -1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = commandTimeout, commandTimeout, commandTimeout
	o.DialerRetries, o.DialerRetryTimeout = 1, time.Millisecond
	o.ContextTimeoutEnabled = true
	o.Protocol = 2 // nothing but answers and what was subscribed to
	o.PoolSize = 4
	o.DisableIdentity = true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &o
}

// nameOf is the host without its port.
func nameOf(host string) string {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return host
	}
	return name
}

// inOneSlot is a prefix with which all keys are in one slot of a Redis Cluster,
// so that scripts may use them together.
func inOneSlot(prefix string) string {
	if _, tag, ok := strings.Cut(prefix, "{"); ok && strings.IndexByte(tag, '}') > 0 {
		return prefix
	}
	return "{" + orElse(prefix, "all") + "}" // {} would be no tag
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
