// Package test holds what is checked about the project as a whole.
package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oodaa/signaling/"

// layers lists for every package which of ours it may import (docs/ARCHITECTURE.md).
var layers = map[string]string{
	"server/rawjson":              "",
	"server/rawjson/reference":    "",
	"server/wire":                 "",
	"server/socketio":             "errcode server/wire server/rawjson",
	"server/socketio/conformance": "server/socketio server/wire server/rawjson",
	"server/zishang":              "errcode server/socketio server/wire",
	"server/hub":                  "server/wire server/rawjson",
	"server/cluster":              "server/hub server/wire server/rawjson",
	"server/auth":                 "server/rawjson",
	"server/certs":                "",
	"server/proxyproto":           "",
	"server/turn":                 "",
	"errcode":                     "",
	"events":                      "errcode server/hub server/wire server/rawjson server/auth server/turn",
	"server/oodaa":                "events server/hub server/socketio server/wire server/rawjson server/auth",
	"server/volli":                "events server/hub server/wire server/rawjson server/auth",
	"middleware":                  "errcode",
	"web":                         "",
	"server":                      "errcode server/volli server/oodaa events server/auth server/turn server/cluster server/hub middleware web server/socketio server/wire",
	"cmd/signald":                 "server server/zishang server/certs server/proxyproto server/cluster server/turn server/volli server/socketio middleware",
	"cmd/sigload":                 "",
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	out, err := exec.Command("go", "list", "-tags", "zishang", "-json=ImportPath,Imports", "../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.HasPrefix(name, "test") {
			continue
		}
		seen++
		allowed, known := layers[name]
		if strings.HasPrefix(name, "bench/") { // they measure the server from outside
			known = true
			for _, i := range p.Imports {
				if ours, ok := strings.CutPrefix(i, module+"bench/"); ok {
					allowed += " bench/" + ours
				}
			}
		}
		if !known {
			t.Errorf("package %s has no place in the layers", name)
			continue
		}
		for _, i := range p.Imports {
			if ours, ok := strings.CutPrefix(i, module); ok && !strings.Contains(" "+allowed+" ", " "+ours+" ") {
				t.Errorf("%s imports %s", name, ours)
			}
		}
	}
	if seen < 8 {
		t.Errorf("found only %d packages", seen)
	}
}

// The meaning of events must not depend on any transport.
func TestEventsKnowsNoTransport(t *testing.T) {
	for _, p := range []string{"events", "server/hub"} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+p).Output()
		if err != nil {
			t.Fatal(err)
		}
		for i := range strings.FieldsSeq(string(out)) {
			if strings.HasPrefix(i, "net") {
				t.Errorf("%s imports %s", p, i)
			}
		}
	}
}

// The library's engine is only in binaries whose builder asked for it: it brings
// QUIC and HTTP/3 along, and modules with known vulnerabilities.
func TestOnlyTheTagLinksTheLibrary(t *testing.T) {
	linked := func(tags string) (found []string) {
		out, err := exec.Command("go", "list", "-tags", tags, "-deps", module+"cmd/signald").Output()
		if err != nil {
			t.Fatal(err)
		}
		for p := range strings.FieldsSeq(string(out)) {
			if strings.Contains(p, "zishang") || strings.Contains(p, "quic-go") {
				found = append(found, p)
			}
		}
		return found
	}
	if found := linked(""); len(found) > 0 {
		t.Errorf("linked without the tag: %v", found)
	}
	if found := linked("zishang"); !slices.Contains(found, module+"server/zishang") {
		t.Errorf("the tag links only %v", found)
	}
}
