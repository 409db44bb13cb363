package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/oodaa/signaling/errcode"
)

// Origin refuses with 403 what [Origins.Check] and own do not accept. Browsers ask
// no permission to open a WebSocket to another site, so this is what keeps foreign
// pages out. Plain routes do without it: [CORS] hides their answers. A refusal is
// logged once for each host, with the setting that would allow it.
func Origin(allowed Origins, own OwnHosts, log *slog.Logger) func(http.Handler) http.Handler {
	var refusals refusalLog
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !allowed.Check(r) && !own.Check(r) {
				refusals.log(log, r)
				refuse(w, http.StatusForbidden, errcode.OriginNotAllowed, "Origin not allowed")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// A refusalLog logs refusals, once for each host.
type refusalLog struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

// maxRefusalHosts bounds the hosts that are logged: clients choose them.
const maxRefusalHosts = 100

func (l *refusalLog) log(log *slog.Logger, r *http.Request) {
	origin := clip(r.Header.Get("Origin"))
	scheme, host, _ := strings.Cut(canonicalOrigin(origin), "://")
	l.mu.Lock()
	_, seen := l.seen[host]
	if seen || len(l.seen) >= maxRefusalHosts {
		l.mu.Unlock()
		return
	}
	if l.seen == nil {
		l.seen = make(map[string]struct{})
	}
	l.seen[host] = struct{}{}
	l.mu.Unlock()
	setting := "CORS_ORIGINS=" + origin
	if host == trimDefaultPort(scheme, strings.ToLower(r.Host)) {
		setting = "PUBLIC_HOSTS=" + hostname(host)
	}
	log.Warn("origin refused", "origin", origin, "host", clip(r.Host), "setting", setting)
}

// Origins is a set of web origins (RFC 6454) that are allowed to use the
// server. The zero value allows none. It does not change once made, and is safe
// for concurrent use.
type Origins struct {
	all      bool
	set      map[string]struct{}
	suffixes []wildcard
}

// A wildcard stands for all subdomains of a host.
type wildcard struct{ scheme, suffix string } // "https", ".example.com"

// NewOrigins makes the set of the given origins, written as
// scheme "://" host [":" port]. "*" allows all, a host that begins with "*." all
// subdomains of what follows, and "null" pages that have no origin. Case,
// surrounding space, one trailing slash and the scheme's default port make no
// difference; empty entries are ignored, and so in effect is anything that
// [ValidateOrigins] reports.
func NewOrigins(origins []string) Origins {
	o := Origins{set: make(map[string]struct{}, len(origins))}
	for _, s := range origins {
		s = canonicalOrigin(s)
		scheme, host, _ := strings.Cut(s, "://")
		switch {
		case s == "":
		case s == "*":
			o.all = true
		case strings.HasPrefix(host, "*."):
			o.suffixes = append(o.suffixes, wildcard{scheme, host[1:]})
		default:
			o.set[s] = struct{}{}
		}
	}
	return o
}

// All reports whether every origin is allowed.
func (o Origins) All() bool { return o.all }

// ValidateOrigins names each entry that is neither an origin nor "*" nor "null",
// such as a host without a scheme, and so would never match. Empty entries are
// fine. The error joins one per entry.
func ValidateOrigins(origins []string) error {
	var errs []error
	for _, s := range origins {
		origin := canonicalOrigin(s)
		if origin == "" || origin == "*" || origin == "null" {
			continue
		}
		scheme, host, _ := strings.Cut(origin, "://")
		plain := scheme + "://" + strings.TrimPrefix(host, "*.")
		u, err := url.Parse(plain)
		if err != nil || plain != u.Scheme+"://"+u.Host || strings.Contains(plain, "*") ||
			u.Hostname() == "" && u.Scheme != "file" {
			errs = append(errs, fmt.Errorf("%q is not an origin such as https://app.example.com or https://*.example.com, nor * or null", s))
		}
	}
	return errors.Join(errs...)
}

// Allowed reports whether origin, the value of an Origin header, is in the set.
func (o Origins) Allowed(origin string) bool {
	if o.all {
		return true
	}
	origin = canonicalOrigin(origin)
	if _, ok := o.set[origin]; ok {
		return true
	}
	scheme, host, _ := strings.Cut(origin, "://")
	return slices.ContainsFunc(o.suffixes, func(w wildcard) bool {
		return scheme == w.scheme && len(host) > len(w.suffix) && strings.HasSuffix(host, w.suffix)
	})
}

// Check reports whether r may use the server: it has no Origin (or an empty
// one), as native applications, or exactly one that is allowed.
func (o Origins) Check(r *http.Request) bool {
	origins := r.Header["Origin"]
	switch {
	case o.all || len(origins) == 0:
		return true
	case len(origins) > 1:
		return false
	}
	return origins[0] == "" || o.Allowed(origins[0])
}

// OwnHosts says under which hosts pages of the server's own site may use it.
type OwnHosts struct {
	// Public are the names that clients reach the server by, in lower case.
	Public []string
	// Proxies are believed when they say that a request came over TLS.
	Proxies Proxies
}

// Check reports whether r comes from a page of the host that it names itself.
// Any site can let a name of its own resolve to an address in a private network
// (DNS rebinding), so that alone does not do: the host must be one that no
// stranger can own, or the request must have come over TLS, for which a stranger
// has no certificate.
func (h OwnHosts) Check(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) != 1 {
		return false
	}
	scheme, host, ok := strings.Cut(canonicalOrigin(origins[0]), "://")
	return ok && host != "" && host == trimDefaultPort(scheme, strings.ToLower(r.Host)) &&
		(h.secure(r) || h.named(hostname(host)))
}

func (h OwnHosts) secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",") // the first proxy's, which the client came to
	return strings.EqualFold(strings.TrimSpace(proto), "https") && h.Proxies.Trust(r)
}

// named reports whether the host is one that no stranger can own.
func (h OwnHosts) named(host string) bool {
	if slices.Contains(h.Public, host) || !strings.Contains(host, ".") {
		return true // localhost, IPv6, and names of a local network
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return slices.ContainsFunc(localDomains, func(domain string) bool { return strings.HasSuffix(host, domain) })
}

// localDomains are never in the public DNS (RFC 6762, RFC 6761, RFC 8375, and
// ICANN's resolution on .internal).
var localDomains = []string{".local", ".internal", ".home.arpa", ".localhost"}

// hostname takes the port off a host.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}

func canonicalOrigin(origin string) string {
	origin = strings.ToLower(strings.TrimSpace(origin))
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok {
		return origin
	}
	return scheme + "://" + trimDefaultPort(scheme, strings.TrimSuffix(host, "/"))
}

func trimDefaultPort(scheme, host string) string {
	switch scheme {
	case "http", "ws":
		return strings.TrimSuffix(host, ":80")
	case "https", "wss":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}
