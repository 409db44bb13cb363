package middleware

import (
	"net/http"

	"github.com/rs/cors"
)

// CORS lets pages of the given origins read answers: their Origin is echoed
// together with Access-Control-Allow-Credentials. Everybody else gets no
// Access-Control-* header, but is answered all the same. Every answer has
// Vary: Origin.
//
// Where all origins are allowed, the answers to requests for which public is true
// can be read without credentials only.
//
// A preflight is answered here, with 204, whether or not it is granted. Granted
// are the methods that Express's cors grants by default, and any header.
func CORS(allowed Origins, public func(*http.Request) bool) func(http.Handler) http.Handler {
	options := cors.Options{
		// A function, even for "*": the library would answer "*" then, which
		// browsers do not take together with credentials.
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			// The library checks the first Origin, but echoes them all.
			return len(r.Header["Origin"]) == 1 && allowed.Allowed(origin), nil
		},
		AllowedMethods: []string{
			http.MethodGet, http.MethodHead, http.MethodPut,
			http.MethodPatch, http.MethodPost, http.MethodDelete,
		},
		AllowedHeaders:   []string{"*"},
		AllowCredentials: true,
	}
	withCredentials := cors.New(options)
	options.AllowCredentials = false
	without := cors.New(options)
	return func(next http.Handler) http.Handler {
		with, without := withCredentials.Handler(next), without.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if allowed.All() && public(r) {
				without.ServeHTTP(w, r)
			} else {
				with.ServeHTTP(w, r)
			}
		})
	}
}
