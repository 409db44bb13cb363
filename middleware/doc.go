// Package middleware holds what every HTTP answer of the server passes
// through, whatever the route: each part is a func(http.Handler) http.Handler
// and knows nothing of signaling.
//
// Mounted from the outside in, the order in which they rely on each other is
// [Headers], [ClientIP], [RequestLog], [Recover], [CORS], then
// [Limiter.Handler] and [Origin] around the routes that want them: so answers
// of the inner ones (429, 403, 500) carry the headers of the outer ones, are
// logged, and can be read by the pages that are allowed to.
package middleware
