package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWantsHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "text/*": false, "text/htmlx": false,
		"text/html": true, "Text/HTML; charset=utf-8": true, "application/json, text/html;q=0.1": true, "text/html;q=0": false,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if got := WantsHTML(r); got != want {
			t.Errorf("%q: %v", accept, got)
		}
	}
}

// What a request says about itself is text on the page, not markup.
func TestLandingEscapes(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = `a"><script>alert(1)</script>`
	rec := httptest.NewRecorder()
	Landing{Title: "T", Base: "/signal", Pages: true}.Write(rec, r, http.StatusNotFound)
	page := rec.Body.String()
	if rec.Code != http.StatusNotFound || strings.Contains(page, "<script") || !strings.Contains(page, `href="/signal/demo"`) {
		t.Errorf("status %d, page\n%s", rec.Code, page)
	}
}
