package middleware

import (
	"maps"
	"net/http"
	"net/url"

	"github.com/unrolled/secure"
)

// contentSecurityPolicy is Helmet 7's default, to the letter.
const contentSecurityPolicy = "default-src 'self';base-uri 'self';font-src 'self' https: data:;" +
	"form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';" +
	"script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';" +
	"upgrade-insecure-requests"

// Headers sets the twelve security headers that Helmet 7 sets by default, with
// its values, over HTTPS and plain HTTP alike. They are set before the next
// handler runs, which may replace them.
func Headers() func(http.Handler) http.Handler {
	fixed := helmetHeaders()
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			maps.Copy(w.Header(), fixed)
			next.ServeHTTP(w, r)
		})
	}
}

// helmetHeaders asks secure once for what it would otherwise format again for
// every request. Its values have no spare capacity, so a handler's Header.Add
// copies them instead of writing into what all requests share.
func helmetHeaders() http.Header {
	s := secure.New(secure.Options{
		ContentSecurityPolicy:         contentSecurityPolicy,
		ContentTypeNosniff:            true,
		CrossOriginOpenerPolicy:       "same-origin",
		CrossOriginResourcePolicy:     "same-origin",
		CustomBrowserXssValue:         "0",
		CustomFrameOptionsValue:       "SAMEORIGIN",
		ForceSTSHeader:                true,
		ReferrerPolicy:                "no-referrer",
		STSIncludeSubdomains:          true,
		STSSeconds:                    15552000,
		XDNSPrefetchControl:           "off",
		XPermittedCrossDomainPolicies: "none",
	})
	// No option that could refuse a request is set, so there is no error.
	h, _, _ := s.ProcessNoModifyRequest(nil, &http.Request{URL: &url.URL{}})
	h.Set("Origin-Agent-Cluster", "?1")
	h.Set("X-Download-Options", "noopen")
	return h
}
