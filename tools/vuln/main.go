// Command vuln looks up known vulnerabilities in what the binaries call. It fails
// when there is one in a module, and names the Go release to build with when
// there is one in the standard library.
//
// The database is a Go module, so that any module proxy serves it. It is kept in
// the user's cache for a week.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

// run works in the directory of the tools' module.
func run() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	database := filepath.Join(cache, "oodaa-signaling", "vulndb")
	version, err := refresh(database)
	if err != nil {
		if os.Getenv("VULN_OFFLINE") == "1" {
			fmt.Println("vuln: NOT CHECKED, no database of vulnerabilities:", err)
			return nil
		}
		return fmt.Errorf("database of vulnerabilities: %w", err)
	}
	fmt.Println("vuln: database", version)

	found, err := scan(database, "", "symbol")
	if err != nil {
		return err
	}
	release, err := releaseGo()
	if err != nil {
		return err
	}
	ofRelease, err := scan(database, release, "package")
	if err != nil {
		return err
	}
	return report(os.Stdout, found, ofRelease, release)
}

// report prints what was found and returns an error if something must change.
// Findings in packages that are not called do not count.
func report(w io.Writer, found, ofRelease []finding, release string) error {
	var failed, standard []string
	ours, fixedIn := "", ""
	for _, f := range found {
		switch {
		case !f.called():
		case f.module() == "stdlib":
			ours, fixedIn = f.Trace[0].Version, newer(fixedIn, f.Fixed)
			standard = append(standard, f.OSV)
		default:
			failed = append(failed, f.OSV)
			fmt.Fprintf(w, "vuln: %s: %s %s, fixed in %s\n", f.OSV, f.module(), f.Trace[0].Version, f.Fixed)
		}
	}
	if len(standard) > 0 {
		fmt.Fprintf(w, "vuln: Go %s has %d in its standard library (%s): build with Go %s or later; the Dockerfile has %s (GOTOOLCHAIN=%s)\n",
			strings.TrimPrefix(ours, "v"), len(standard), strings.Join(standard, ", "), strings.TrimPrefix(fixedIn, "v"), release, release)
	}
	for _, f := range ofRelease {
		if f.module() == "stdlib" {
			failed = append(failed, f.OSV)
			fmt.Fprintf(w, "vuln: %s: in %s, which the Dockerfile builds with, fixed in Go %s\n", f.OSV, release, strings.TrimPrefix(f.Fixed, "v"))
		}
	}
	if len(failed) > 0 {
		return errors.New(strings.Join(failed, ", "))
	}
	return nil
}

// releaseGo is the Go release that the image is built with.
func releaseGo() (string, error) {
	dockerfile, err := os.ReadFile("../Dockerfile")
	if err != nil {
		return "", err
	}
	version := regexp.MustCompile(`(?m)^FROM .*\bgolang:(\d+\.\d+\.\d+)\b`).FindSubmatch(dockerfile)
	if version == nil {
		return "", errors.New("the Dockerfile names no patch release of golang")
	}
	return "go" + string(version[1]), nil
}

// newer is the higher one of two versions, or the only one that is given.
func newer(a, b string) string {
	var x, y [3]int
	_, _ = fmt.Sscanf(a, "v%d.%d.%d", &x[0], &x[1], &x[2]) // zero where there is none
	_, _ = fmt.Sscanf(b, "v%d.%d.%d", &y[0], &y[1], &y[2])
	if slices.Compare(x[:], y[:]) > 0 {
		return a
	}
	return b
}

// A finding is what govulncheck says of one vulnerability, at one of three
// levels: its module is required, its package imported, its function called.
type finding struct {
	OSV   string `json:"osv"`
	Fixed string `json:"fixed_version"`
	Trace []struct{ Module, Version, Function string }
}

func (f finding) module() string { return f.Trace[0].Module }
func (f finding) called() bool   { return f.Trace[0].Function != "" }

// scan runs govulncheck on the binaries, as if they were built with a release of
// Go, or else with the one that is installed, and returns each finding once.
func scan(database, release, level string) ([]finding, error) {
	command := exec.Command("go", "tool", "-modfile=tools/go.mod", "govulncheck",
		"-db=file://"+filepath.ToSlash(database), "-format=json", "-scan="+level, "./cmd/...")
	command.Dir = ".."
	if release != "" {
		command.Env = append(os.Environ(), "GOVERSION="+release)
	}
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("govulncheck: %w", err)
	}
	var list []finding
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var message struct{ Finding *finding }
		if err := d.Decode(&message); errors.Is(err, io.EOF) {
			return list, nil
		} else if err != nil {
			return nil, fmt.Errorf("govulncheck: %w", err)
		}
		f := message.Finding
		if f == nil || len(f.Trace) == 0 {
			continue
		}
		known := slices.ContainsFunc(list, func(g finding) bool { return g.OSV == f.OSV && g.called() == f.called() })
		if !known {
			list = append(list, *f)
		}
	}
}
