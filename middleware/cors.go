package middleware

import (
	"net/http"

	"github.com/rs/cors"
)

// CORS lets pages of the given origins (see [NewOrigins]) read answers: their
// Origin is echoed together with Access-Control-Allow-Credentials. Everybody
// else gets no Access-Control-* header, but is answered all the same. Every
// answer has Vary: Origin.
//
// A preflight is answered here, with 204, whether or not it is granted. Granted
// are the methods that Express's cors grants by default, and any header.
func CORS(origins []string) func(http.Handler) http.Handler {
	allowed := NewOrigins(origins)
	return cors.New(cors.Options{
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
	}).Handler
}
