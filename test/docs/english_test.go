package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The rules for English that a machine can check.
var (
	anew = regexp.MustCompile(`(?i)\banew\b`)
	isNo = regexp.MustCompile(`(?i)\bis no\b`)
	// "who" needs someone in front of it.
	who  = regexp.MustCompile(`(?i)(\S+) (who|whoever)\b|\b(who|whoever)\b`)
	said = regexp.MustCompile(`(?i)^\W*(any|some|every)(one|body)\W*$|^\W*(those|person|people|others|clients?|users?|visitors?|operators?|readers?|attackers?|holders?|senders?|callers?|callees?|peers?|someone|else)\W*$|^for$`)
)

func faults(text string) (found []string) {
	for _, rule := range []*regexp.Regexp{anew, isNo} {
		found = append(found, rule.FindAllString(text, -1)...)
	}
	for _, m := range who.FindAllStringSubmatch(text, -1) {
		if !said.MatchString(m[1]) {
			found = append(found, m[0])
		}
	}
	return found
}

// prose is what people read, by where it is: documents, pages, alerts and
// dashboards, help, log messages and errors.
func prose(t *testing.T, check func(where, text string)) {
	t.Helper()
	for _, name := range pages(t) {
		for i, line := range strings.Split(readPage(t, name), "\n") {
			check(name+":"+strconv.Itoa(i+1), line)
		}
	}
	files := token.NewFileSet()
	for _, dir := range []string{"cmd", "server", "middleware", "events", "web", "deploy"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			switch {
			case strings.HasSuffix(path, "_test.go"), strings.Contains(path, "testdata"):
			case strings.HasSuffix(path, ".go"):
				file, err := parser.ParseFile(files, path, nil, 0)
				if err != nil {
					return err
				}
				ast.Inspect(file, func(n ast.Node) bool {
					if s, ok := n.(*ast.BasicLit); ok && s.Kind == token.STRING {
						check(files.Position(s.Pos()).String(), s.Value)
					}
					return true
				})
			case strings.HasSuffix(path, ".html"), strings.HasSuffix(path, ".js"), strings.HasSuffix(path, ".yml"),
				strings.HasSuffix(path, ".yaml"), strings.HasSuffix(path, ".json"), strings.HasSuffix(path, ".conf"):
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				for i, line := range strings.Split(string(text), "\n") {
					check(path+":"+strconv.Itoa(i+1), line)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEnglish(t *testing.T) {
	prose(t, func(where, text string) {
		if found := faults(text); len(found) > 0 {
			t.Errorf("%s: %q in %s", where, found, strings.TrimSpace(text))
		}
	})
}

func TestEnglishFaultsAreFound(t *testing.T) {
	for text, want := range map[string]int{
		"Who has none gets an error.": 1, "read anew": 1, "is no URL": 1, "`0` is no limit": 1, "told of who comes": 1,
		"Clients who have none get an error.": 0, "For anyone who runs it.": 0, "reloaded": 0, "someone who is online": 0,
	} {
		if got := faults(text); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
