package middleware

import (
	"log/slog"
	"net/http"
	"time"

	chimw "github.com/go-chi/chi/v5/middleware"
)

// maxLogged bounds, in bytes, what a client can put into one attribute.
const maxLogged = 256

// RequestLog writes one line when a request has been answered, with method,
// path, status, bytes of the body, duration_ms, and the request id if chi's
// RequestID is mounted outside. The query is left out, since it carries session
// ids and tokens. The client's address is added where debug is enabled.
//
// The message is "request answered", or "connection upgraded" when the connection
// was hijacked, the status being 101 then and the duration that of the handler, or
// "response aborted" when the handler panicked past it, which is the way to drop a
// connection.
//
// The level is warn for status 500 and above but 503, which is what all get while
// the server stops; debug for 503, for 429, of which one client can cause any
// number, and for answers below 400 for which quiet is true (nil: none); else
// info.
func RequestLog(log *slog.Logger, quiet func(*http.Request) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			rec := record(w)
			message := "response aborted"
			// Deferred, to see what panics past as well.
			defer func() {
				if rec.hijacked {
					message, rec.status = "connection upgraded", http.StatusSwitchingProtocols
				}
				level := slog.LevelInfo
				switch {
				case rec.status >= 500 && rec.status != http.StatusServiceUnavailable:
					level = slog.LevelWarn
				case rec.status == http.StatusTooManyRequests,
					(rec.status < 400 || rec.status == http.StatusServiceUnavailable) && quiet != nil && quiet(r):
					level = slog.LevelDebug
				}
				if !log.Enabled(r.Context(), level) {
					return
				}
				attrs := append(requestAttrs(r),
					slog.Int("status", rec.status),
					slog.Int64("bytes", rec.bytes),
					slog.Float64("duration_ms", float64(time.Since(start).Microseconds())/1000))
				if log.Enabled(r.Context(), slog.LevelDebug) {
					attrs = append(attrs, slog.String("remote", Addr(r).String()))
				}
				log.LogAttrs(r.Context(), level, message, attrs...)
			}()
			next.ServeHTTP(rec, r)
			message = "request answered"
			if rec.status == 0 {
				rec.status = http.StatusOK // what net/http sends now
			}
		})
	}
}

// requestAttrs names a request in logs.
func requestAttrs(r *http.Request) []slog.Attr {
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs, slog.String("method", clip(r.Method)), slog.String("path", clip(r.URL.Path)))
	if id := chimw.GetReqID(r.Context()); id != "" {
		attrs = append(attrs, slog.String("request_id", clip(id))) // may be the client's own words
	}
	return attrs
}

func clip(s string) string {
	return s[:min(len(s), maxLogged)]
}
