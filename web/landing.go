package web

import (
	_ "embed"
	"html"
	"net/http"
	"strconv"
	"strings"
)

//go:embed landing.html
var landingPage string

// A Landing is the small page that a browser gets for "/" and for what is not
// found. Others get JSON there.
type Landing struct {
	Title, Text, Version string
	Base                 string // the prefix of all routes, or ""
	Pages                bool   // whether there are a demo and a status page
}

// Write writes the page as the answer to a request.
func (l Landing) Write(w http.ResponseWriter, r *http.Request, status int) {
	secure := ""
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		secure = "s"
	}
	page, options := landingPage, ""
	if l.Base != "" {
		options = `, { path: "` + l.Base + `/socket.io" }`
	}
	if !l.Pages {
		head, rest, _ := strings.Cut(page, "{{pages}}")
		_, tail, _ := strings.Cut(rest, "{{end}}")
		page = head + tail
	}
	// Not html/template: with it, the linker can leave out no method of any type,
	// and the binary is half as large again.
	fill := strings.NewReplacer(
		"{{pages}}", "", "{{end}}", "",
		"{{title}}", html.EscapeString(l.Title),
		"{{text}}", html.EscapeString(l.Text),
		"{{version}}", html.EscapeString(l.Version),
		"{{base}}", html.EscapeString(l.Base),
		"{{options}}", html.EscapeString(options),
		"{{origin}}", html.EscapeString("http"+secure+"://"+r.Host),
		"{{host}}", html.EscapeString(r.Host+l.Base),
		"{{secure}}", secure,
	)
	w.Header().Set("Content-Type", types[".html"])
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fill.WriteString(w, page)
}

// WantsHTML reports whether a request names text/html as a type that it
// accepts, as browsers do. A mere */* is anything, and does not count.
func WantsHTML(r *http.Request) bool {
	for _, header := range r.Header.Values("Accept") {
		for accepted := range strings.SplitSeq(header, ",") {
			kind, parameters, _ := strings.Cut(accepted, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/html") {
				return weight(parameters) > 0
			}
		}
	}
	return false
}

// weight is the parameter q, which is 1 where it is missing or not a number.
func weight(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			if q, err := strconv.ParseFloat(value, 64); err == nil {
				return q
			}
		}
	}
	return 1
}
