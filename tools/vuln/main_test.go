package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func found(osv, module, version, fixed, function string) finding {
	f := finding{OSV: osv, Fixed: fixed}
	f.Trace = append(f.Trace, struct{ Module, Version, Function string }{module, version, function})
	return f
}

func TestReport(t *testing.T) {
	for _, test := range []struct {
		name           string
		found, release []finding
		fails, says    string // fails: <nil>, or the findings that do
	}{
		{"nothing", nil, nil, "<nil>", ""},
		{"in a module", []finding{found("X", "m", "v1.0.0", "v1.0.1", "F")}, nil, "X", "m v1.0.0, fixed in v1.0.1"},
		{"in a module, not called", []finding{found("X", "m", "v1.0.0", "v1.0.1", "")}, nil, "<nil>", ""},
		{"in the standard library", []finding{found("X", "stdlib", "v1.26.8", "v1.26.9", "F"), found("Y", "stdlib", "v1.26.8", "v1.26.10", "F")},
			nil, "<nil>", "2 in its standard library (X, Y): build with Go 1.26.10 or later"},
		{"in the release", nil, []finding{found("X", "stdlib", "v1.27.3", "v1.27.4", "")}, "X", "X: in go1.27.3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := report(&out, test.found, test.release, "go1.27.3")
			if got := fmt.Sprint(err); got != test.fails {
				t.Errorf("fails with %s, want %s", got, test.fails)
			}
			if !strings.Contains(out.String(), test.says) {
				t.Errorf("says %q, want %q", &out, test.says)
			}
		})
	}
}

func TestDatabase(t *testing.T) {
	reports, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"GO-1": `{"id": "GO-1", "modified": "2026-01-01T00:00:00Z", "affected": [{"package": {"name": "m"}}, {"package": {"name": "m"}}]}`,
		"GO-2": `{"id": "GO-2", "modified": "2026-01-02T00:00:00Z", "affected": [{"package": {"name": "stdlib"}}, {"package": {"name": "m"}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(reports, name+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(dir, reports); err != nil {
		t.Fatal(err)
	}
	read := func(name string, v any) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(text, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var index []module
	read("index/modules.json", &index)
	if len(index) != 2 || index[0].Path != "m" || len(index[0].Vulns) != 2 || index[1].Path != "stdlib" || len(index[1].Vulns) != 1 ||
		index[1].Vulns[0] != (entry{"GO-2", "2026-01-02T00:00:00Z"}) {
		t.Errorf("index %+v", index)
	}
	var db struct{ Modified string }
	if read("index/db.json", &db); db.Modified != "2026-01-02T00:00:00Z" {
		t.Errorf("modified %q", db.Modified)
	}
	var report struct{ ID string }
	if read("ID/GO-1.json", &report); report.ID != "GO-1" {
		t.Errorf("report %q", report.ID)
	}
	if write(t.TempDir(), t.TempDir()) == nil {
		t.Error("a database of nothing")
	}
}
