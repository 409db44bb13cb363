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
	// eventsPath has the figures of the status page as a stream, pastPath those
	// of the last hour.
	eventsPath = statusPath + "/events"
	pastPath   = statusPath + "/past"
)

// newPages starts the feed of the status page.
func (s *Server) newPages() {
	// Counters begin at zero with each start: another value says so.
	start := rand.Text()
	s.feed = newFeed(start, s.sample, func(figures []figure) []byte {
		named := make(map[string]float64, len(figures))
		for _, f := range figures {
			named[f.name] = f.value
		}
		body, err := json.Marshal(struct {
			Start   string             `json:"start"`
			Figures map[string]float64 `json:"figures"`
			statistics
		}{start, named, s.statistics()})
		if err != nil {
			panic(err) // our own types
		}
		return append(append([]byte("data: "), body...), "\n\n"...)
	})
}

// past answers with the last hour of figures.
func (s *Server) past(w http.ResponseWriter, _ *http.Request) {
	names, rows := s.feed.history()
	answer(w, http.StatusOK, struct {
		Start string      `json:"start"`
		Names []string    `json:"names"`
		Rows  [][]float64 `json:"rows"`
	}{s.feed.start, names, rows})
}

// pages adds the routes of the pages.
func (s *Server) pages(r chi.Router) {
	r.Method(http.MethodGet, eventsPath, s.feed)
	r.Get(pastPath, s.past)
	for _, path := range []string{demoPath, statusPath} {
		page := web.New(strings.TrimPrefix(path, "/"), s.presence(), http.HandlerFunc(s.notFound))
		r.Method(http.MethodGet, path, page)
		r.Method(http.MethodGet, path+"/*", page)
	}
}

// presence is the setting PRESENCE.
func (s *Server) presence() string {
	switch {
	case s.opts.Watched:
		return "watched"
	case s.opts.Presence:
		return "all"
	}
	return "none"
}

// fileFactor is how many times RATE_LIMIT the files of pages may be asked for.
const fileFactor = 10

// isPageFile tells the requests for a page's files, of which a browser makes
// some twenty after that for the page, and then keeps them.
func (s *Server) isPageFile(r *http.Request) bool {
	path := r.URL.Path
	return s.opts.StatusPages && path != eventsPath && path != pastPath &&
		(strings.HasPrefix(path, demoPath+"/") || strings.HasPrefix(path, statusPath+"/"))
}
