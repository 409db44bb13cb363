package server

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/oodaa/signaling/web"
)

// The paths of the pages for people.
const (
	demoPath   = "/demo"
	statusPath = "/status"
)

// newPages adds the pages, and the stream that the status page shows.
func (s *Server) newPages() {
	start := rand.Text()
	s.feed = newFeed(func() []byte {
		// Counters begin anew with each start, which start lets one notice.
		body, err := json.Marshal(struct {
			Start string `json:"start"`
			statistics
		}{start, s.statistics()})
		if err != nil {
			panic(err) // our own types
		}
		return append(append([]byte("data: "), body...), "\n\n"...)
	})
}

// pages adds the routes of the pages.
func (s *Server) pages(r chi.Router) {
	r.Method(http.MethodGet, eventsPath, s.feed)
	for _, path := range []string{demoPath, statusPath} {
		page := web.New(strings.TrimPrefix(path, "/"), http.HandlerFunc(notFound))
		r.Method(http.MethodGet, path, page)
		r.Method(http.MethodGet, path+"/*", page)
	}
}

// eventsPath is where the figures of the status page are streamed.
const eventsPath = statusPath + "/events"

// fileFactor is how many times RATE_LIMIT the files of pages may be asked for.
const fileFactor = 10

// isPageFile tells the requests for a page's files, of which a browser makes a
// dozen after that for the page, and then keeps them.
func (s *Server) isPageFile(r *http.Request) bool {
	path := r.URL.Path
	return s.opts.StatusPages && path != eventsPath &&
		(strings.HasPrefix(path, demoPath+"/") || strings.HasPrefix(path, statusPath+"/"))
}
