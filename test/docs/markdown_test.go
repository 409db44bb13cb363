package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

// pages are the documents with commands for readers, by their path from the root.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"}
	for _, pattern := range []string{"docs/*.md", "docs/deploy/*.md", "examples/*.md", "examples/*/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, filepath.ToSlash(name))
		}
	}
	return found
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A block is a fenced block of a page.
type block struct {
	line     int    // of the fence
	language string // such as "sh"
	file     string // where a reader saves it: <!-- file: NAME --> above the fence
	notRun   string // why it cannot run here: <!-- not run: REASON --> above it
	text     string
}

var (
	fence = regexp.MustCompile("^( *)```(\\w*)$")
	mark  = regexp.MustCompile(`^ *<!-- (file|not run): (.+) -->$`)
)

func blocks(t *testing.T, name, page string) (all []block) {
	t.Helper()
	lines := strings.Split(page, "\n")
	for i := 0; i < len(lines); i++ {
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), "```") {
				t.Errorf("%s:%d: a fence of another form: %s", name, i+1, lines[i])
			}
			continue
		}
		b := block{line: i + 1, language: m[2]}
		if i > 0 {
			if said := mark.FindStringSubmatch(lines[i-1]); said != nil && said[1] == "file" {
				b.file = said[2]
			} else if said != nil {
				b.notRun = said[2]
			}
		}
		for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
			b.text += strings.TrimPrefix(lines[i], m[1]) + "\n"
		}
		if i == len(lines) {
			t.Fatalf("%s:%d: the block has no end", name, b.line)
		}
		all = append(all, b)
	}
	return all
}
