// Package web holds the pages that the server shows to people. They are
// embedded as they are written, without a build step, and ask no other host for
// anything.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// Policy is the Content-Security-Policy of the pages: their own scripts and
// styles, connections to their own host (for which a browser takes 'self' to
// mean ws: and wss: as well), the icon inside of the document, and nothing
// else. No script can put markup into a document or code into an evaluator,
// since no Trusted Types policy may be made.
const Policy = "default-src 'none';base-uri 'none';connect-src 'self';form-action 'none';" +
	"frame-ancestors 'self';img-src data:;require-trusted-types-for 'script';script-src 'self';" +
	"script-src-attr 'none';style-src 'self';trusted-types 'none'"

//go:embed pages
var embedded embed.FS

const (
	// document is the file of a page that is served at the page's own path.
	document = "index.html"
	// shared is the directory of the files that belong to every page.
	shared = "shared"
	// presence is the placeholder for the setting PRESENCE.
	presence = "{{presence}}"
	// assets is the placeholder in a document for the directory of the page's other files,
	// as seen from the document.
	assets = "{{assets}}"
)

// types are the types of the files. The machine's own table is not asked: where
// it is wrong about scripts, browsers refuse them.
var types = map[string]string{
	".css":  "text/css; charset=utf-8",
	".html": "text/html; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
}

// A Page is one page with all its files. It is made by [New] and does not
// change. It is an [http.Handler] for GET and HEAD of its path and what lies
// below.
//
// The files lie below a directory that is named for what they contain. So a
// browser keeps them for good and asks for the document alone, and never mixes
// files of two releases.
type Page struct {
	root     string // its path
	version  string // of all its files together
	files    map[string]file
	notFound http.Handler
}

type file struct {
	kind, etag string
	body       []byte
}

// New returns the page of that name, to be served at /name and /name/*. told is the
// setting PRESENCE, which a page may want to know. notFound answers for what is not
// there. It panics if there is no such page, since the pages are part of the program.
func New(name, told string, notFound http.Handler) *Page {
	p := &Page{root: "/" + name, files: make(map[string]file), notFound: notFound}
	whole := sha256.New()
	for _, dir := range []string{shared, name} {
		entries, err := embedded.ReadDir("pages/" + dir)
		if err != nil {
			panic(err)
		}
		for _, e := range entries {
			f := read("pages/" + dir + "/" + e.Name())
			p.files[e.Name()] = f
			fmt.Fprintln(whole, e.Name(), f.etag)
		}
	}
	p.version = hex.EncodeToString(whole.Sum(nil)[:8])
	f, ok := p.files[document]
	if !ok {
		panic("web: no document in the page " + name)
	}
	delete(p.files, document)
	f.body = bytes.ReplaceAll(f.body, []byte(assets), []byte(name+"/"+p.version))
	f.body = bytes.ReplaceAll(f.body, []byte(presence), []byte(told))
	f.etag = etag(f.body)
	p.files[""] = f
	return p
}

func read(name string) file {
	kind, ok := types[path.Ext(name)]
	if !ok {
		panic("web: unknown type of file " + name)
	}
	body, err := fs.ReadFile(embedded, name)
	if err != nil {
		panic(err)
	}
	return file{kind: kind, etag: etag(body), body: body}
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// ServeHTTP implements [http.Handler].
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below := strings.TrimPrefix(r.URL.Path, p.root)
	if below == "/" {
		// Relative, since a proxy may serve us below another path.
		w.Header().Set("Location", ".."+p.root)
		w.WriteHeader(http.StatusPermanentRedirect)
		return
	}
	version, name, _ := strings.Cut(strings.TrimPrefix(below, "/"), "/")
	f, ok := p.files[name]
	if !ok || (below != "") != (name != "") {
		p.notFound.ServeHTTP(w, r)
		return
	}
	caching := "no-cache"
	if version == p.version {
		caching = "public, max-age=31536000, immutable"
	}
	h := w.Header()
	h.Set("Cache-Control", caching)
	h.Set("Content-Security-Policy", Policy)
	h.Set("Content-Type", f.kind)
	h.Set("Etag", f.etag)
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(f.body))
}
