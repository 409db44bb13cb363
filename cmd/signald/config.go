package main

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oodaa/signaling/middleware"
	"github.com/oodaa/signaling/server"
	"github.com/oodaa/signaling/server/certs"
	"github.com/oodaa/signaling/server/cluster"
	"github.com/oodaa/signaling/server/volli"
)

// config is all that can be set from outside.
type config struct {
	server.Options

	host            string
	port            int
	environment     string // NODE_ENV
	production      bool
	logLevel        slog.Level
	drainDelay      time.Duration
	shutdownTimeout time.Duration
	debugAddr       string
	engine          string // the name of Options.Engine

	certFile, keyFile string
	acme              certs.ACMEOptions
	redirectAddr      string
	metricsAddr       string

	turnAuto bool // TURN.PublicIP is found at the start
}

// needsTokens reports whether clients need a token.
func (c *config) needsTokens() bool { return len(c.Tokens.Secrets) > 0 || c.Tokens.JWKS != "" }

// secure reports whether the server speaks TLS.
func (c *config) secure() bool { return c.certFile != "" || len(c.acme.Domains) > 0 }

// hasTURN reports whether the built-in TURN server runs.
func (c *config) hasTURN() bool { return c.TURN.Listen != "" || c.TURN.ListenTLS != "" }

// A setting is one environment variable and the flag of the same name.
type setting struct {
	name, value, usage string
	set                func(c *config, value string) error
}

// secret are the settings whose values must not be shown.
var secret = map[string]bool{"REDIS_URL": true, "AUTH_JWT_SECRET": true, "TURN_SECRET": true}

// clientScripts is Socket.IO's own public CDN, at the version of the client that
// the tests use.
const clientScripts = "https://cdn.socket.io/4.8.4/"

// settings holds every setting with its default.
var settings = []setting{
	{"PORT", "3001", "port to listen on; 0 picks any free port", func(c *config, v string) error {
		return setInt(&c.port, v, 0, 65535)
	}},
	{"HOST", "0.0.0.0", "IP address to listen on; 0.0.0.0 means all addresses, IPv6 included", func(c *config, v string) error {
		c.host = v
		if net.ParseIP(v) == nil && v != "localhost" {
			return errors.New("is not a valid IP address")
		}
		return nil
	}},
	{"CORS_ORIGINS", "http://localhost:3000", "allowed origins of web clients, comma-separated, such as https://*.example.com; null allows pages without an origin, * allows all; clients that send no Origin, such as native apps, are always allowed", func(c *config, v string) error {
		c.Origins = list(v)
		return middleware.ValidateOrigins(c.Origins)
	}},
	{"PUBLIC_HOSTS", "", "host names that clients use to reach the server, comma-separated; pages served from these hosts may connect; not needed over TLS, for IP addresses and for local names", func(c *config, v string) error {
		c.PublicHosts = list(strings.ToLower(v))
		for _, host := range c.PublicHosts {
			if strings.ContainsAny(host, "/:*@ ") {
				return fmt.Errorf("has %q, which is not a name such as signal.example.com", host)
			}
		}
		return nil
	}},
	{"BASE_PATH", "", "prefix of all routes, such as /signal, behind a proxy that does not strip it", func(c *config, v string) error {
		c.BasePath = strings.TrimRight(v, "/")
		if u, err := url.Parse(c.BasePath); c.BasePath != "" && (err != nil || c.BasePath[0] != '/' || u.EscapedPath() != c.BasePath || path.Clean(c.BasePath) != c.BasePath) {
			return errors.New(`must be a path such as "/signal"`)
		}
		return nil
	}},
	{"NODE_ENV", "development", "production switches to JSON logs", func(c *config, v string) error {
		c.environment, c.production = v, v == "production"
		return nil
	}},
	{"LOG_LEVEL", "info", "lowest level that is logged: debug, info, warn or error; user IDs appear at debug only", func(c *config, v string) error {
		if err := c.logLevel.UnmarshalText([]byte(v)); err != nil || strings.ContainsAny(v, "+-") {
			return errors.New("must be debug, info, warn or error")
		}
		return nil
	}},
	{"TRUSTED_PROXIES", "", "proxies whose X-Forwarded-For is trusted: CIDRs, comma-separated, or the number of proxies in front; too high a number lets clients fake their address; defaults to 1 on Heroku and Railway", func(c *config, v string) (err error) {
		c.Proxies, err = middleware.ParseProxies(v)
		return err
	}},
	{"PROXY_PROTOCOL", "off", "PROXY protocol, versions 1 and 2, from TRUSTED_PROXIES on every TCP listener: off or on", func(c *config, v string) error {
		c.ProxyProtocol = v == "on"
		return oneOf(v, "on", "off")
	}},
	{"RATE_LIMIT", "100", "requests and new connections per minute per client IP (IPv6: per /64), 429 above; 0 means no limit", func(c *config, v string) error {
		return setInt(&c.RateLimit, v, 0, 1<<30)
	}},
	{"MESSAGE_RATE", "50", "packets per second per connection; 0 means no limit", func(c *config, v string) error {
		return setInt(&c.MessageRate, v, 0, 1<<30)
	}},
	{"MESSAGE_BURST", "200", "packets that a connection may send at once; 0 means MESSAGE_RATE", func(c *config, v string) error {
		return setInt(&c.MessageBurst, v, 0, 1<<30)
	}},
	{"BYTE_RATE", "1000000", "bytes per second per connection; 0 means no limit, the default with MESSAGE_RATE=0", func(c *config, v string) error {
		return setInt(&c.ByteRate, v, 0, 1<<30)
	}},
	{"BYTE_BURST", "4000000", "bytes that a connection may send at once, at least MAX_MESSAGE_BYTES; 0 means BYTE_RATE", func(c *config, v string) error {
		return setInt(&c.ByteBurst, v, 0, 1<<30)
	}},
	{"MAX_MESSAGE_BYTES", "1000000", "maximum size of one message in bytes, in either direction", func(c *config, v string) error {
		return setInt(&c.MaxMessage, v, 1, 1<<30)
	}},
	{"MAX_OUTBOX_BYTES", "4194304", "memory that may wait for one client; a relay that does not fit is refused to its sender", func(c *config, v string) error {
		return setInt(&c.MaxOutbox, v, 1, 1<<30)
	}},
	{"MAX_HELD_BYTES", "", "memory for everything that is held for and from clients together: past it, relays to clients that are behind are refused, and the client is disconnected that holds most of what it caused itself; empty means a quarter of the memory that the process may use, 0 means no limit", func(c *config, v string) error {
		if v == "" {
			c.MaxHeld = usableMemory() / 4
			return nil
		}
		return setInt(&c.MaxHeld, v, 0, math.MaxInt)
	}},
	{"MAX_CONNECTIONS", "", "maximum number of connections, 503 above; empty means nine tenths of the limit of open files, 0 means no limit", func(c *config, v string) error {
		if v == "" {
			c.MaxConnections = openFiles() / 10 * 9
			return nil
		}
		return setInt(&c.MaxConnections, v, 0, 1<<30)
	}},
	{"MAX_CONNECTIONS_PER_IP", "1000", "maximum number of connections per client IP (IPv6: per /64), 429 above; 0 means no limit, which is the default with RATE_LIMIT=0", func(c *config, v string) error {
		return setInt(&c.MaxConnectionsPerIP, v, 0, 1<<30)
	}},
	{"PING_INTERVAL", "25s", "time between heartbeats", func(c *config, v string) error {
		return setDuration(&c.PingInterval, v)
	}},
	{"PING_TIMEOUT", "20s", "time that a client has to answer a heartbeat", func(c *config, v string) error {
		return setDuration(&c.PingTimeout, v)
	}},
	{"REGISTER_TIMEOUT", "0", "time that a client has to register after connecting; 0 means no limit; defaults to 60s where clients need tokens", func(c *config, v string) error {
		return setDurationOrZero(&c.RegisterTimeout, v)
	}},
	{"INACTIVITY_TIMEOUT", "5m", "disconnects a client that sends nothing for this long, heartbeats included; at least PING_INTERVAL + PING_TIMEOUT", func(c *config, v string) error {
		return setDuration(&c.InactivityTimeout, v)
	}},
	{"RECONNECT_GRACE", "20s", "time for which a user whose connection broke counts as online, and relays to it are held; 0 turns that off", func(c *config, v string) error {
		return setDurationOrZero(&c.ReconnectGrace, v)
	}},
	{"PRESENCE", "all", "users to notify when another user joins or leaves: all, watched (only those who watch that user), or none, which also leaves user lists empty", func(c *config, v string) error {
		c.Presence, c.Watched = v != "none", v == "watched"
		return oneOf(v, "all", "watched", "none")
	}},
	{"TRANSPORTS", "websocket,polling", "Socket.IO transports to offer", func(c *config, v string) error {
		c.WebSocket, c.Polling = false, false
		for _, t := range list(v) {
			switch t {
			case "websocket":
				c.WebSocket = true
			case "polling":
				c.Polling = true
			default:
				return fmt.Errorf("has the unknown transport %q", t)
			}
		}
		if !c.WebSocket && !c.Polling {
			return errors.New("names no transport")
		}
		return nil
	}},
	{"ENGINE", defaultEngine, "Socket.IO engine: native, or zishang (WebSocket only, in binaries built with -tags zishang)", (*config).setEngine},
	{"REDIS_URL", "", "URL of Redis: redis://, redis+sentinel:// or redis+cluster://, with rediss for TLS; instances with the same URL and prefix act as one server", func(c *config, v string) (err error) {
		if c.Redis = nil; v != "" {
			c.Redis, err = cluster.ParseURL(v)
		}
		return err
	}},
	{"REDIS_CA_FILE", "", "certificate authorities in PEM for TLS to Redis; empty means the system's", func(c *config, v string) error {
		if c.RedisAuthorities = nil; v == "" {
			return nil
		}
		pem, err := os.ReadFile(v)
		if err != nil {
			return err
		}
		c.RedisAuthorities = x509.NewCertPool()
		if !c.RedisAuthorities.AppendCertsFromPEM(pem) {
			return errors.New("has no certificate in PEM")
		}
		return nil
	}},
	{"REDIS_PREFIX", "oodaa:", "prefix of all keys and channels in Redis", func(c *config, v string) error {
		c.RedisPrefix = v
		return nil
	}},
	{"NODE_ID", "", "name of this instance in logs and in Redis; random if empty", func(c *config, v string) error {
		if c.NodeID = v; v == "" {
			c.NodeID = strings.ToLower(rand.Text()[:8])
		}
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return errors.New("must not contain spaces")
		}
		return nil
	}},
	{"STATUS_PAGES", "on", "on serves the pages /demo and /status, off serves neither", func(c *config, v string) error {
		c.StatusPages = v == "on"
		return oneOf(v, "on", "off")
	}},
	{"SECURITY_CONTACT", "", "whom to tell of a vulnerability, an e-mail address or a URL, served as /.well-known/security.txt", func(c *config, v string) error {
		c.SecurityContact = v
		if at, err := mail.ParseAddress(v); err == nil && at.Address == v {
			c.SecurityContact = "mailto:" + v
			return nil
		}
		u, err := url.Parse(v)
		if v != "" && (err != nil || !slices.Contains([]string{"mailto", "https", "tel"}, u.Scheme) || strings.ContainsAny(v, " \r\n")) {
			return errors.New("must be an e-mail address, or a mailto:, https: or tel: URL")
		}
		return nil
	}},
	{"CLIENT_SCRIPT_URL", clientScripts, "where /socket.io/socket.io.js redirects to: a file, or a directory that ends in a slash; off answers 404", func(c *config, v string) error {
		if c.ClientScripts = v; v == "off" {
			c.ClientScripts = ""
			return nil
		}
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("must be a URL or off")
		}
		return nil
	}},
	{"DRAIN_DELAY", "0", "time between SIGTERM and the stop during which /ready answers 503, for load balancers that poll", func(c *config, v string) error {
		return setDurationOrZero(&c.drainDelay, v)
	}},
	{"SHUTDOWN_TIMEOUT", "10s", "maximum duration of a stop, after DRAIN_DELAY", func(c *config, v string) error {
		return setDuration(&c.shutdownTimeout, v)
	}},
	{"DEBUG_ADDR", "", "address to serve profiles on (/debug/pprof/); :PORT alone means loopback only", func(c *config, v string) error {
		return setAddr(&c.debugAddr, v)
	}},
	{"AUTH_JWT_SECRET", "", "HMAC secrets for tokens, comma-separated, any of which is accepted; setting it makes tokens mandatory", func(c *config, v string) error {
		c.Tokens.Secrets = list(v)
		return nil
	}},
	{"AUTH_JWKS", "", "URL or file of a JSON Web Key Set for tokens (RS256, ES256, EdDSA), reloaded regularly; setting it makes tokens mandatory", func(c *config, v string) error {
		c.Tokens.JWKS = v
		return nil
	}},
	{"AUTH_ISSUER", "", "required issuer of tokens", func(c *config, v string) error {
		c.Tokens.Issuer = v
		return nil
	}},
	{"AUTH_AUDIENCE", "", "required audience of tokens", func(c *config, v string) error {
		c.Tokens.Audience = v
		return nil
	}},
	{"AUTH_CLAIM", "sub", "claim of a token that holds the user ID", func(c *config, v string) error {
		c.Tokens.Claim = v
		return nil
	}},
	{"WATCH_CLAIM", "", "claim of a token that lists the user IDs which its bearer may watch; tokens without the claim, or an empty setting, allow any", func(c *config, v string) error {
		c.Tokens.WatchClaim = v
		return nil
	}},
	{"KEY_PROOF", "off", "when a Volli client has to prove that it holds its private key: off, takeover or always", func(c *config, v string) error {
		c.KeyProof = map[string]volli.Proof{"takeover": volli.ProofTakeover, "always": volli.ProofAlways}[v]
		return oneOf(v, "off", "takeover", "always")
	}},
	{"STUN_URLS", "", "STUN servers to announce to clients, comma-separated", func(c *config, v string) error {
		c.ICE.STUN = list(v)
		return checkICE(c.ICE.STUN, "stun:", "stuns:")
	}},
	{"TURN_URLS", "", "TURN servers to announce to clients, comma-separated; needs TURN_SECRET", func(c *config, v string) error {
		c.ICE.TURN = list(v)
		return checkICE(c.ICE.TURN, "turn:", "turns:")
	}},
	{"TURN_SECRET", "", "secret from which TURN credentials are derived (coturn's static-auth-secret)", func(c *config, v string) error {
		c.ICE.Secret = strings.TrimRight(v, "\r\n") // of the file that it was read from
		return nil
	}},
	{"TURN_TTL", "1h", "lifetime of TURN credentials", func(c *config, v string) error {
		return setDuration(&c.ICE.TTL, v)
	}},
	{"TURN_LISTEN", "", "address of the built-in TURN server, over UDP and TCP, such as 0.0.0.0:3478; needs TURN_PUBLIC_IP", func(c *config, v string) error {
		return setAddr(&c.TURN.Listen, v)
	}},
	{"TURN_TLS_LISTEN", "", "address of the built-in TURN server over TLS, such as 0.0.0.0:5349; needs TURN_PUBLIC_IP, and TLS_CERT_FILE or ACME_DOMAINS", func(c *config, v string) error {
		return setAddr(&c.TURN.ListenTLS, v)
	}},
	{"TURN_PUBLIC_IP", "", "IP address at which clients reach the built-in TURN server; auto uses the address of the default route's interface or, if that is private, the address that the first of STUN_URLS sees", func(c *config, v string) (err error) {
		c.turnAuto = v == "auto"
		if v == "" || c.turnAuto {
			c.TURN.PublicIP = netip.Addr{}
			return nil
		}
		if c.TURN.PublicIP, err = netip.ParseAddr(v); err != nil {
			return errors.New("must be an IP address or auto")
		}
		return nil
	}},
	{"TURN_PUBLIC_HOST", "", "host name that TURN URLs have instead of TURN_PUBLIC_IP; over TLS it must be in the certificate", func(c *config, v string) error {
		c.TURN.PublicHost = v
		if strings.ContainsAny(v, "/:*@? ") {
			return errors.New("must be a name such as turn.example.com")
		}
		return nil
	}},
	{"TURN_RELAY_PORTS", "49152-65535", "ports that the built-in TURN server relays on", func(c *config, v string) error {
		first, last, found := strings.Cut(v, "-")
		if !found {
			last = first
		}
		low, lowErr := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		high, highErr := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if lowErr != nil || highErr != nil || low == 0 || low > high {
			return errors.New(`must be ports such as "49152-65535"`)
		}
		c.TURN.MinPort, c.TURN.MaxPort = uint16(low), uint16(high)
		return nil
	}},
	{"TURN_REALM", "oodaa", "realm of the built-in TURN server", func(c *config, v string) error {
		c.TURN.Realm = v
		return nil
	}},
	{"TURN_MAX_ALLOCATIONS", "10", "maximum number of allocations per user at a time, with ten times as many per client IP", func(c *config, v string) error {
		return setInt(&c.TURN.MaxAllocations, v, 1, 1<<20)
	}},
	{"TURN_MAX_BANDWIDTH", "0", "maximum bytes per second that one allocation relays in each direction; 0 means no limit", func(c *config, v string) error {
		return setInt(&c.TURN.MaxBandwidth, v, 0, 1<<30)
	}},
	{"TURN_ALLOW_PRIVATE", "false", "true lets the built-in TURN server relay to private addresses", func(c *config, v string) error {
		c.TURN.AllowPrivate = v == "true"
		return oneOf(v, "true", "false")
	}},
	{"METRICS_ADDR", "", "address of a separate listener for /metrics, which is then not served on PORT", func(c *config, v string) error {
		c.Metrics = v == ""
		return setAddr(&c.metricsAddr, v)
	}},
	{"TLS_CERT_FILE", "", "certificate chain in PEM, reloaded when it changes; with TLS_KEY_FILE it enables HTTPS and WSS", func(c *config, v string) error {
		c.certFile = v
		return nil
	}},
	{"TLS_KEY_FILE", "", "private key of TLS_CERT_FILE in PEM", func(c *config, v string) error {
		c.keyFile = v
		return nil
	}},
	{"ACME_DOMAINS", "", "domains to obtain certificates for by ACME, comma-separated; enables HTTPS and WSS", func(c *config, v string) error {
		c.acme.Domains = list(v)
		return nil
	}},
	{"ACME_EMAIL", "", "contact address for the certificate authority", func(c *config, v string) error {
		c.acme.Email = v
		return nil
	}},
	{"ACME_CACHE_DIR", "", "directory that keeps certificates and keys across restarts", func(c *config, v string) error {
		c.acme.CacheDir = v
		return nil
	}},
	{"ACME_DIRECTORY_URL", "", "directory URL of the certificate authority; empty means Let's Encrypt", func(c *config, v string) error {
		c.acme.DirectoryURL = v
		return nil
	}},
	{"HTTP_REDIRECT_ADDR", "", "address of a plain HTTP listener that redirects to HTTPS and answers ACME challenges", func(c *config, v string) error {
		return setAddr(&c.redirectAddr, v)
	}},
}

// implied are the defaults that depend on other settings or on the platform; ""
// is the default of settings.
var implied = map[string]func(c *config, env environment) string{
	"TRUSTED_PROXIES": func(_ *config, env environment) string {
		if platform(env) != "" {
			return "1" // its router, which names the client
		}
		return ""
	},
	"BYTE_RATE": func(c *config, _ environment) string {
		if c.MessageRate == 0 {
			return "0"
		}
		return ""
	},
	"MAX_CONNECTIONS_PER_IP": func(c *config, _ environment) string {
		if c.RateLimit == 0 {
			return "0"
		}
		return ""
	},
	"REGISTER_TIMEOUT": func(c *config, _ environment) string {
		if c.needsTokens() {
			return "60s"
		}
		return ""
	},
}

// platform is where the server runs, if that is known, and behind a router then.
func platform(env environment) string {
	switch {
	case env.get("DYNO") != "":
		return "Heroku"
	case env.get("RAILWAY_ENVIRONMENT_NAME") != "":
		return "Railway"
	}
	return ""
}

// flagName is the flag that belongs to an environment variable.
func flagName(variable string) string {
	return strings.ReplaceAll(strings.ToLower(variable), "_", "-")
}

// define adds a flag for each setting.
func define(flags *flag.FlagSet) {
	for _, s := range settings {
		flags.String(flagName(s.name), s.value, s.usage)
	}
}

// load reads the settings from flags and, for those not given, from the
// environment. Its error lists everything that is wrong.
func load(flags *flag.FlagSet, env environment) (*config, error) {
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })

	c := new(config)
	var problems []error
	for _, s := range settings {
		name := flagName(s.name)
		value := flags.Lookup(name).Value.String()
		if fromEnv := env.get(s.name); !given[name] && fromEnv != "" {
			value = fromEnv
			given[name] = true
		}
		if err := s.set(c, value); err != nil {
			if secret[s.name] {
				value = "…"
			}
			problems = append(problems, fmt.Errorf("%s=%q: %w", s.name, value, err))
			_ = s.set(c, s.value) // the default, for what depends on it
		}
	}
	for _, s := range settings {
		value := implied[s.name]
		if value == nil || given[flagName(s.name)] {
			continue
		}
		if v := value(c, env); v != "" {
			if err := s.set(c, v); err != nil {
				panic(err) // a default of ours
			}
		}
	}
	problems = append(problems, c.validate()...)
	if len(problems) > 0 {
		return nil, fmt.Errorf("invalid configuration:\n%w", errors.Join(problems...))
	}
	return c, nil
}

// validate finds what is wrong between settings.
func (c *config) validate() (problems []error) {
	if burst := cmp.Or(c.ByteBurst, c.ByteRate); c.ByteRate > 0 && burst < c.MaxMessage {
		problems = append(problems, fmt.Errorf("BYTE_BURST=%d: is below MAX_MESSAGE_BYTES=%d: the largest messages could not be sent", burst, c.MaxMessage))
	}
	if c.InactivityTimeout < c.PingInterval+c.PingTimeout {
		problems = append(problems, fmt.Errorf("INACTIVITY_TIMEOUT=%s: is below PING_INTERVAL + PING_TIMEOUT = %s: clients that are there would be dropped",
			c.InactivityTimeout, c.PingInterval+c.PingTimeout))
	}
	if !c.WebSocket && !c.offersPolling() {
		problems = append(problems, fmt.Errorf("ENGINE=%s: offers WebSocket only, which TRANSPORTS leaves out", c.engine))
	}
	if len(c.ICE.TURN) > 0 && c.ICE.Secret == "" {
		problems = append(problems, errors.New("TURN_URLS: needs TURN_SECRET, which credentials are made with"))
	}
	if c.ProxyProtocol && c.Proxies.String() == "" {
		problems = append(problems, errors.New("PROXY_PROTOCOL: needs TRUSTED_PROXIES, from whom it is read"))
	}
	if c.hasTURN() && !c.TURN.PublicIP.IsValid() && !c.turnAuto {
		problems = append(problems, errors.New("TURN_LISTEN and TURN_TLS_LISTEN: need TURN_PUBLIC_IP, where clients reach them, or TURN_PUBLIC_IP=auto"))
	}
	if c.TURN.ListenTLS != "" && !c.secure() {
		problems = append(problems, errors.New("TURN_TLS_LISTEN: needs a certificate, by TLS_CERT_FILE or ACME_DOMAINS"))
	}
	if (c.certFile == "") != (c.keyFile == "") {
		problems = append(problems, errors.New("TLS_CERT_FILE and TLS_KEY_FILE: need each other"))
	}
	if c.certFile != "" && len(c.acme.Domains) > 0 {
		problems = append(problems, errors.New("TLS_CERT_FILE and ACME_DOMAINS: exclude each other"))
	}
	if c.redirectAddr != "" && !c.secure() {
		problems = append(problems, errors.New("HTTP_REDIRECT_ADDR: redirects to HTTPS, which needs TLS_CERT_FILE or ACME_DOMAINS"))
	}
	return problems
}

// checkICE checks URLs of STUN or TURN servers (RFC 7064, RFC 7065).
func checkICE(urls []string, schemes ...string) error {
	for _, u := range urls {
		known := slices.ContainsFunc(schemes, func(s string) bool { return strings.HasPrefix(u, s) && len(u) > len(s) })
		if !known || strings.ContainsAny(u, " /") {
			return fmt.Errorf("has %q, which is not a valid %s URL", u, schemes[0])
		}
	}
	return nil
}

// setAddr takes an address to listen on, or none.
func setAddr(dst *string, v string) error {
	*dst = v
	if v == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(v)
	if err != nil {
		return errors.New("must be host:port or :port")
	}
	return setInt(new(int), port, 0, 65535)
}

func list(v string) []string {
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func setInt(dst *int, v string, least, most int) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return fmt.Errorf("must be a whole number from %d to %d", least, most)
	}
	*dst = n
	return nil
}

func setDuration(dst *time.Duration, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil || d < time.Millisecond {
		return errors.New(`must be a duration such as "500ms", "20s" or "5m"`)
	}
	*dst = d
	return nil
}

func setDurationOrZero(dst *time.Duration, v string) error {
	if v == "0" {
		*dst = 0
		return nil
	}
	return setDuration(dst, v)
}

func oneOf(v string, values ...string) error {
	for _, allowed := range values {
		if v == allowed {
			return nil
		}
	}
	return fmt.Errorf("must be %s", strings.Join(values, " or "))
}
