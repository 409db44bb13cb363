package web

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var gone = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })

func get(p *Page, path string, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Result()
}

func TestPage(t *testing.T) {
	for _, name := range []string{"demo", "status"} {
		p := New(name, "all", gone)
		root := "/" + name
		files := root + "/" + p.version
		const forGood = "public, max-age=31536000, immutable"
		for _, c := range []struct {
			path, kind, caching string
			status              int
		}{
			{root, "text/html; charset=utf-8", "no-cache", http.StatusOK},
			{files + "/main.js", "text/javascript; charset=utf-8", forGood, http.StatusOK},
			{files + "/theme.css", "text/css; charset=utf-8", forGood, http.StatusOK},
			{files + "/" + name + ".css", "text/css; charset=utf-8", forGood, http.StatusOK},
			// Another instance's page, in the middle of a deployment.
			{root + "/0123456789abcdef/main.js", "text/javascript; charset=utf-8", "no-cache", http.StatusOK},
			{root + "/", "", "", http.StatusPermanentRedirect},
			{root + "/main.js", "", "", http.StatusGone},
			{files, "", "", http.StatusGone},
			{files + "/", "", "", http.StatusGone},
			{files + "/index.html", "", "", http.StatusGone},
			{files + "/main.js/", "", "", http.StatusGone},
			{files + "//main.js", "", "", http.StatusGone},
			{files + "/../web.go", "", "", http.StatusGone},
			{root + "//main.js", "text/javascript; charset=utf-8", "no-cache", http.StatusOK},
		} {
			answer := get(p, c.path)
			if answer.StatusCode != c.status {
				t.Errorf("%s: status %d, not %d", c.path, answer.StatusCode, c.status)
				continue
			}
			if c.status == http.StatusPermanentRedirect && answer.Header.Get("Location") != ".."+root {
				t.Errorf("%s: leads to %q", c.path, answer.Header.Get("Location"))
			}
			if c.status != http.StatusOK {
				continue
			}
			for key, want := range map[string]string{
				"Content-Type": c.kind, "Cache-Control": c.caching, "Content-Security-Policy": Policy,
			} {
				if got := answer.Header.Get(key); got != want {
					t.Errorf("%s: %s: %q, not %q", c.path, key, got, want)
				}
			}
			tag := answer.Header.Get("Etag")
			if again := get(p, c.path, "If-None-Match", tag); tag == "" || again.StatusCode != http.StatusNotModified {
				t.Errorf("%s: status %d for its own tag %q", c.path, again.StatusCode, tag)
			}
			if other := get(p, c.path, "If-None-Match", `"other"`); other.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d for another tag", c.path, other.StatusCode)
			}
		}
	}
}

// What a document or script refers to must be there, on this server, and
// nothing may be inline.
func TestPagesReferToWhatIsThere(t *testing.T) {
	reference := regexp.MustCompile(`(?:src|href)="([^"]*)"|(?:import |from |import\()'([^']*)'`)
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*[^>]>[^<])|<style|\sstyle=|\son[a-z]+=|["']javascript:`)
	foreign := regexp.MustCompile(`(?:https?|wss?):?//|["'(]//`)
	for _, name := range []string{"demo", "status"} {
		p := New(name, "all", gone)
		for file, f := range p.files {
			// A name, and a link that nobody has to follow.
			text := strings.NewReplacer("http://www.w3.org/2000/svg", "",
				"`https://github.com/oodaa/signaling/blob/main/docs/${part}`", "").Replace(string(f.body))
			if found := foreign.FindString(text); found != "" {
				t.Errorf("%s: %q: refers to another host with %q", name, file, found)
			}
			if file != "" {
				for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"} {
					if strings.Contains(text, sink) {
						t.Errorf("%s: %s uses %s", name, file, sink)
					}
				}
			} else if found := inline.FindString(text); found != "" {
				t.Errorf("%s: the document has something inline: %q", name, found)
			}
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				target := m[1] + m[2]
				switch {
				case strings.HasPrefix(target, "data:"), strings.HasPrefix(target, "#"):
				case target == "demo", target == "status", target == "stats":
				case strings.HasPrefix(target, "./"): // of a script
					if _, ok := p.files[target[2:]]; !ok {
						t.Errorf("%s: %s imports %s", name, file, target)
					}
				default: // of a document
					if answer := get(p, "/"+target); answer.StatusCode != http.StatusOK {
						t.Errorf("%s: %q refers to %s: status %d", name, file, target, answer.StatusCode)
					}
				}
			}
		}
	}
}

// Every chart of the status page leads to a part of the documents.
func TestRunbookHasThePartsThatChartsLeadTo(t *testing.T) {
	var parts []string
	for _, name := range []string{"runbooks.md", "capacity.md"} {
		page, err := os.ReadFile("../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, name)
		for _, heading := range regexp.MustCompile(`(?m)^##+ (.*)$`).FindAllStringSubmatch(string(page), -1) {
			parts = append(parts, name+"#"+strings.ReplaceAll(strings.ToLower(heading[1]), " ", "-"))
		}
	}
	script := string(New("status", "all", gone).files["main.js"].body)
	charts := regexp.MustCompile(`runbook: '([^']*)'`).FindAllStringSubmatch(script, -1)
	if len(charts) < 10 || len(charts) != strings.Count(script, "title: '") {
		t.Errorf("%d charts have a runbook, of %d", len(charts), strings.Count(script, "title: '"))
	}
	for _, chart := range charts {
		if !slices.Contains(parts, chart[1]) {
			t.Errorf("the documents have no %q", chart[1])
		}
	}
}

func TestVersionsDifferWithTheFiles(t *testing.T) {
	demo, status := New("demo", "all", gone), New("status", "all", gone)
	if demo.version == status.version || len(demo.version) != 16 || New("demo", "all", gone).version != demo.version {
		t.Errorf("versions %q and %q", demo.version, status.version)
	}
}
