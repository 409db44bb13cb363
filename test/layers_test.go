// Package test holds what is checked about the project as a whole.
package test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/oodaa/signaling/"

// layers lists for every package which of ours it may import (docs/ARCHITECTURE.md).
var layers = map[string]string{
	"events":                      "",
	"server/wire":                 "",
	"server/socketio":             "server/wire events",
	"server/socketio/conformance": "server/socketio server/wire events",
	"server/hub":                  "server/wire events",
	"server/cluster":              "server/hub server/wire events",
	"server/auth":                 "",
	"server/certs":                "",
	"server/turn":                 "",
	"server/oodaa":                "server/auth server/turn server/hub server/socketio server/wire events",
	"server/volli":                "server/auth server/turn server/hub server/wire events",
	"server/zishang":              "server/socketio server/wire events",
	"middleware":                  "",
	"web":                         "",
	"server":                      "server/zishang server/volli server/oodaa server/auth server/turn server/cluster server/hub middleware web server/socketio server/wire events",
	"cmd/signald":                 "server server/certs server/cluster server/volli middleware",
	"cmd/sigload":                 "",
}

func TestPackagesImportOnlyWhatTheyMay(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "../...").Output()
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
