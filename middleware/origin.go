package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Origin refuses with 403 what [Origins.Check] does not accept. Browsers ask no
// permission to open a WebSocket to another site, so this is what keeps foreign
// pages out. Plain routes do without it: [CORS] hides their answers.
func Origin(origins []string) func(http.Handler) http.Handler {
	allowed := NewOrigins(origins)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !allowed.Check(r) {
				refuse(w, http.StatusForbidden, "Origin not allowed")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Origins is a set of web origins (RFC 6454) that are allowed to use the
// server. The zero value allows none. It does not change once made, and is safe
// for concurrent use.
type Origins struct {
	all bool
	set map[string]struct{}
}

// NewOrigins makes the set of the given origins, written as
// scheme "://" host [":" port]. "*" allows all. Case, surrounding space, one
// trailing slash and the scheme's default port make no difference; empty
// entries and "null" are ignored, and so in effect is anything that
// [ValidateOrigins] reports.
func NewOrigins(origins []string) Origins {
	o := Origins{set: make(map[string]struct{}, len(origins))}
	for _, s := range origins {
		switch s = canonicalOrigin(s); s {
		case "", "null":
		case "*":
			o.all = true
		default:
			o.set[s] = struct{}{}
		}
	}
	return o
}

// ValidateOrigins names each entry that is neither an origin nor "*", such as a
// host without a scheme or a pattern, and so would never match. Empty entries
// are fine. The error joins one per entry.
func ValidateOrigins(origins []string) error {
	var errs []error
	for _, s := range origins {
		origin := canonicalOrigin(s)
		if origin == "" || origin == "*" {
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || origin != u.Scheme+"://"+u.Host || strings.Contains(origin, "*") ||
			u.Hostname() == "" && u.Scheme != "file" {
			errs = append(errs, fmt.Errorf("%q is neither an origin such as https://app.example.com nor *", s))
		}
	}
	return errors.Join(errs...)
}

// Allowed reports whether origin, the value of an Origin header, is in the set.
// The opaque origin "null" never is, except where all are.
func (o Origins) Allowed(origin string) bool {
	if o.all {
		return true
	}
	_, ok := o.set[canonicalOrigin(origin)]
	return ok
}

// Check reports whether r may use the server: it has no Origin (or an empty
// one), as native applications, or exactly one that is allowed or is the host
// that the request itself names.
func (o Origins) Check(r *http.Request) bool {
	origins := r.Header["Origin"]
	switch {
	case o.all || len(origins) == 0:
		return true
	case len(origins) > 1:
		return false
	}
	return origins[0] == "" || o.Allowed(origins[0]) || isOwnHost(origins[0], r.Host)
}

// isOwnHost compares without the scheme: behind a proxy that ends TLS, the
// server cannot know which one the page was loaded by.
func isOwnHost(origin, host string) bool {
	scheme, originHost, ok := strings.Cut(canonicalOrigin(origin), "://")
	return ok && originHost != "" && originHost == trimDefaultPort(scheme, strings.ToLower(host))
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
