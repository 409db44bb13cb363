package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	source = "golang.org/x/vulndb"
	// pinned is the version for proxies that do not say which is the newest.
	pinned = "v0.0.0-20261105234957-e22db6528018"
	maxAge = 7 * 24 * time.Hour
)

// refresh has dir hold a database that was fetched within maxAge, and returns
// the version of its source.
func refresh(dir string) (version string, err error) {
	stamp := filepath.Join(dir, "version")
	if made, err := os.Stat(stamp); err == nil && time.Since(made.ModTime()) < maxAge {
		version, err := os.ReadFile(stamp)
		return string(version), err
	}
	from, version, err := download("latest")
	if err != nil {
		var old error
		if from, version, old = download(pinned); old != nil {
			return "", errors.Join(err, old)
		}
	}
	// One that is half written is never used.
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(dir), "vulndb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := write(fresh, filepath.Join(from, "data", "osv")); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(fresh, "version"), []byte(version), 0o644); err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return version, os.Rename(fresh, dir)
}

// download fetches a version of the source.
func download(version string) (dir, resolved string, err error) {
	out, err := exec.Command("go", "mod", "download", "-json", source+"@"+version).Output()
	var module struct{ Dir, Version, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || module.Error != "" || err != nil {
		return "", "", fmt.Errorf("%s@%s: %s: %w", source, version, module.Error, cmp.Or(err, jsonErr))
	}
	return module.Dir, module.Version, nil
}

// An entry of the index, as https://go.dev/doc/security/vuln/database describes
// it. Without the version that it is fixed in, govulncheck looks at each entry.
type entry struct {
	ID       string `json:"id"`
	Modified string `json:"modified"`
}

type module struct {
	Path  string  `json:"path"`
	Vulns []entry `json:"vulns"`
}

// write makes a database of a directory of reports.
func write(dir, reports string) error {
	for _, sub := range []string{"ID", "index"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	names, err := filepath.Glob(filepath.Join(reports, "*.json"))
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("no reports in %s", reports)
	}
	modules := make(map[string][]entry)
	last := ""
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var r struct {
			entry
			Affected []struct{ Package struct{ Name string } }
		}
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		last = max(last, r.Modified)
		affected := make(map[string]bool)
		for _, a := range r.Affected {
			affected[a.Package.Name] = true
		}
		for path := range affected {
			modules[path] = append(modules[path], r.entry)
		}
		if err := os.WriteFile(filepath.Join(dir, "ID", filepath.Base(name)), text, 0o644); err != nil {
			return err
		}
	}
	var index []module
	for _, path := range slices.SortedFunc(maps.Keys(modules), strings.Compare) {
		index = append(index, module{path, modules[path]})
	}
	return errors.Join(
		writeJSON(filepath.Join(dir, "index", "modules.json"), index),
		writeJSON(filepath.Join(dir, "index", "db.json"), map[string]string{"modified": last}))
}

func writeJSON(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}
