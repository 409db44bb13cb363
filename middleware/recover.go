package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/oodaa/signaling/errcode"
)

// Recover logs a panic of the handler, with its stack, as an error, and answers
// 500. If part of an answer has been written already, the connection is broken
// off instead, lest the client take that part for the whole. A hijacked
// connection is left to its owner. [http.ErrAbortHandler] passes through.
//
// It sees the goroutine of the handler only: others have to guard themselves.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := record(w)
			defer func() {
				v := recover()
				if v == nil {
					return
				}
				if v == http.ErrAbortHandler {
					panic(v)
				}
				log.LogAttrs(r.Context(), slog.LevelError, "panic recovered", append(requestAttrs(r),
					slog.String("panic", fmt.Sprint(v)),
					slog.String("stack", string(debug.Stack())))...)
				switch {
				case rec.hijacked:
				case rec.status != 0:
					panic(http.ErrAbortHandler)
				default:
					// They described another body.
					for _, key := range []string{"Cache-Control", "Content-Encoding", "Content-Length", "Etag", "Last-Modified"} {
						rec.Header().Del(key)
					}
					refuse(rec, http.StatusInternalServerError, errcode.Internal, "Internal server error")
				}
			}()
			next.ServeHTTP(rec, r)
		})
	}
}
