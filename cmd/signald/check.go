package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oodaa/signaling/server/turn"
)

// report prints what would run with this configuration, and what in it is
// likely to be wrong.
func (c *config) report(w io.Writer, env environment) error {
	var b strings.Builder
	fmt.Fprintln(&b, "configuration ok")
	for _, line := range c.describe() {
		fmt.Fprintf(&b, "  %-12s %s\n", line[0], line[1])
	}
	for _, warning := range c.warnings(env) {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// describe lists what would run: a name and a text each.
func (c *config) describe() (lines [][2]string) {
	add := func(name, format string, args ...any) {
		lines = append(lines, [2]string{name, fmt.Sprintf(format, args...)})
	}
	scheme := "http"
	switch {
	case c.certFile != "":
		scheme = "https with " + c.certFile
	case len(c.acme.Domains) > 0:
		scheme = "https with certificates by ACME for " + strings.Join(c.acme.Domains, ", ")
	}
	add("listens", "%s, %s", c.address(), scheme)
	if c.BasePath != "" {
		add("below", "%s", c.BasePath)
	}
	if c.redirectAddr != "" {
		add("redirect", "%s to https", c.redirectAddr)
	}
	add("metrics", "%s", orElse(c.metricsAddr, "/metrics"))
	if c.debugAddr != "" {
		add("profiles", "%s", onLoopback(c.debugAddr))
	}
	var transports []string
	if c.WebSocket {
		transports = append(transports, "websocket")
	}
	if c.offersPolling() {
		transports = append(transports, "polling")
	}
	add("engine", "%s, %s", c.engine, strings.Join(transports, " and "))
	add("origins", "%s", orElse(strings.Join(c.Origins, ", "), "only its own"))
	if len(c.PublicHosts) > 0 {
		add("hosts", "%s", strings.Join(c.PublicHosts, ", "))
	}
	add("proxies", "%s", orElse(c.Proxies.String(), "none trusted, X-Forwarded-For is ignored"))
	if c.ProxyProtocol {
		add("", "the nearest one by the PROXY protocol")
	}
	add("limits", "%s requests per minute per client IP, %s packets and %s bytes per second per connection, %d bytes per message, %d bytes waiting per client, %s connections, %s per client IP",
		limit(c.RateLimit), limit(c.MessageRate), limit(c.ByteRate), c.MaxMessage, c.MaxOutbox, limit(c.MaxConnections), limit(c.MaxConnectionsPerIP))
	register := "any time"
	if c.RegisterTimeout > 0 {
		register = c.RegisterTimeout.String()
	}
	if c.drainDelay > 0 {
		add("stop", "%s after SIGTERM, then up to %s", c.drainDelay, c.shutdownTimeout)
	} else {
		add("stop", "up to %s", c.shutdownTimeout)
	}
	add("heartbeat", "every %s, %s to answer; %s to register", c.PingInterval, c.PingTimeout, register)
	presence := "no user is notified about others"
	switch {
	case c.Watched:
		presence = "clients are notified about the users that they watch"
	case c.Presence:
		presence = "every user is notified about every other user"
	}
	add("presence", "%s", presence)
	add("tokens", "%s", c.describeTokens())
	add("key proof", "%s", [...]string{"never", "for user IDs that are held", "always"}[c.KeyProof])
	if c.Redis == nil {
		add("cluster", "none, one instance")
	} else {
		add("cluster", "%s, prefix %s, as %s", c.Redis, c.RedisPrefix, c.NodeID)
	}
	add("ice", "%s", orElse(strings.Join(slices.Concat(c.ICE.STUN, c.ICE.TURN), ", "), "no servers named"))
	if c.hasTURN() {
		at := "an address found at the start"
		if !c.turnAuto {
			at = c.TURN.PublicIP.String()
		}
		listens := c.TURN.Listen
		if c.TURN.ListenTLS != "" {
			listens = strings.TrimPrefix(listens+", "+c.TURN.ListenTLS+" with TLS", ", ")
		}
		if c.TURN.PublicHost != "" {
			at += " (" + c.TURN.PublicHost + ")"
		}
		add("turn", "%s, reached at %s, relays on %d-%d, %d allocations per user, %s bytes per second each, private addresses %s", listens, at,
			c.TURN.MinPort, c.TURN.MaxPort, c.TURN.MaxAllocations, limit(c.TURN.MaxBandwidth), map[bool]string{true: "allowed", false: "refused"}[c.TURN.AllowPrivate])
	}
	return lines
}

func (c *config) describeTokens() string {
	var from []string
	if n := len(c.Tokens.Secrets); n > 0 {
		from = append(from, fmt.Sprintf("%d HMAC secrets", n))
	}
	if c.Tokens.JWKS != "" {
		from = append(from, "the keys of "+withoutPassword(c.Tokens.JWKS))
	}
	if len(from) == 0 {
		return "not required"
	}
	return fmt.Sprintf("required, verified with %s; claim %s holds the user ID", strings.Join(from, " and "), c.Tokens.Claim)
}

// The least lengths of secrets, in bytes, that cannot be guessed: of HS256 (RFC
// 7518, section 3.2), and for HMAC-SHA1 as TURN has it.
const (
	minTokenSecret = 32
	minTURNSecret  = 16
)

func isLoopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// warnings are combinations that work, and are rarely meant.
func (c *config) warnings(env environment) (warnings []string) {
	warn := func(when bool, text string) {
		if when {
			warnings = append(warnings, text)
		}
	}
	trusts := c.Proxies.String() != ""
	tokens := c.needsTokens()
	warn(c.production && slices.Contains(c.Origins, "*"),
		"CORS_ORIGINS=* in production: pages of any site may use this server from their visitors' browsers")
	warn(c.production && slices.Contains(c.Origins, "http://localhost:3000"),
		"CORS_ORIGINS allows http://localhost:3000 in production: set it to your own site's")
	where := platform(env)
	warn(where != "" && !trusts,
		"TRUSTED_PROXIES is empty behind "+where+"'s router: all clients share one address, and its rate limit; set it to 1")
	warn(!slices.Contains([]string{"production", "development", "test"}, c.environment),
		fmt.Sprintf("NODE_ENV=%s is unknown: logs are as for development", c.environment))
	stop, patience := c.drainDelay+c.shutdownTimeout, 30*time.Second
	if where == "Heroku" {
		patience = 25 * time.Second // it kills after 30
	}
	warn(stop > patience, fmt.Sprintf("DRAIN_DELAY + SHUTDOWN_TIMEOUT is %s: platforms such as Heroku and Kubernetes kill a process 30s after SIGTERM", stop))
	for name, meant := range env.misspelled() {
		warn(true, fmt.Sprintf("%s is not a setting: is %s meant?", name, meant))
	}
	warn(tokens && !c.secure() && !trusts,
		"tokens travel over plain HTTP: set TLS_CERT_FILE or ACME_DOMAINS, or put a proxy with TLS in front (TRUSTED_PROXIES)")
	warn(c.RateLimit == 0, "RATE_LIMIT=0: one address may open as many connections as it likes")
	warn(c.MessageRate == 0, "MESSAGE_RATE=0: one client may send as much as it likes")
	warn(c.production && c.MaxConnections == 0, "MAX_CONNECTIONS=0: memory is not bounded by a number of clients")
	warn(c.MaxConnections > 0 && c.MaxConnectionsPerIP >= c.MaxConnections,
		fmt.Sprintf("one client address may take all %d connections: set MAX_CONNECTIONS_PER_IP below MAX_CONNECTIONS", c.MaxConnections))
	warn(c.Proxies.Hops() > 3, "TRUSTED_PROXIES above 3: with fewer proxies than that in front, clients choose their own address")
	warn(slices.ContainsFunc(c.Tokens.Secrets, func(s string) bool { return len(s) < minTokenSecret }),
		fmt.Sprintf("AUTH_JWT_SECRET has a secret of fewer than %d bytes: anyone with a token can guess it and make others", minTokenSecret))
	warn(c.ICE.Secret != "" && len(c.ICE.Secret) < minTURNSecret,
		fmt.Sprintf("TURN_SECRET has fewer than %d bytes: anyone with credentials can guess it and make others", minTURNSecret))
	warn(c.debugAddr != "" && !isLoopback(onLoopback(c.debugAddr)),
		"DEBUG_ADDR is not on loopback: profiles show the memory of the process, secrets included, to anyone who reaches it")
	for _, f := range []struct{ name, path string }{{"TLS_CERT_FILE", c.certFile}, {"TLS_KEY_FILE", c.keyFile}, {"AUTH_JWKS", c.Tokens.JWKS}} {
		if f.path == "" || strings.Contains(f.path, "://") {
			continue
		}
		_, err := os.Stat(f.path)
		warn(err != nil, fmt.Sprintf("%s cannot be read: %v", f.name, err))
	}
	if c.Redis != nil {
		warn(c.Redis.Exposed(), "REDIS_URL without TLS to another host: anyone on the network path can read its password and all relays; use rediss://, unless the network is private")
		warn(len(c.Redis.Ignored()) > 0, "REDIS_URL has parameters that only other clients know, ignored: "+strings.Join(c.Redis.Ignored(), ", "))
		warn(c.RedisAuthorities != nil && !c.Redis.TLS(), "REDIS_CA_FILE is set but not used: REDIS_URL has no rediss://")
	}
	warn(c.hasTURN() && c.ICE.Secret == "" && c.Redis != nil,
		"TURN_SECRET is not set: each instance makes up its own, so its credentials work only with its own TURN server")
	warn(c.hasTURN() && c.TURN.AllowPrivate,
		"TURN_ALLOW_PRIVATE=true: clients reach this network's private addresses through the TURN server")
	warn(c.hasTURN() && !tokens,
		"the TURN server relays for anybody who asks: require tokens (AUTH_…) to limit it to your users")
	ports, perAddress := int(c.TURN.MaxPort)-int(c.TURN.MinPort)+1, turn.AddressFactor*c.TURN.MaxAllocations
	warn(c.hasTURN() && perAddress >= ports,
		fmt.Sprintf("one client address may take all %d ports of TURN_RELAY_PORTS: give it more than %d, or lower TURN_MAX_ALLOCATIONS", ports, perAddress))
	warn(c.TURN.ListenTLS != "" && c.TURN.PublicHost == "",
		"TURN_PUBLIC_HOST is not set: turns: URLs have an IP address, which most certificates do not name, so clients refuse them")
	warn(len(c.acme.Domains) > 0 && c.acme.CacheDir == "",
		"ACME_CACHE_DIR is not set: each start orders new certificates, until the authority's limits are reached")
	warn(c.Polling && !c.offersPolling(),
		fmt.Sprintf("ENGINE=%s offers WebSocket only: clients that begin with long-polling cannot connect", c.engine))
	return warnings
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func limit(n int) string {
	if n == 0 {
		return "any number of"
	}
	return fmt.Sprint(n)
}

// withoutPassword is a URL as it may be shown.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "…"
	}
	u.RawQuery = ""
	return u.Redacted()
}
