package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	dropped = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are those that pages of repositories make of headings.
func anchors(page string) map[string]bool {
	all := make(map[string]bool)
	for _, m := range heading.FindAllStringSubmatch(page, -1) {
		all[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}

func TestLinks(t *testing.T) {
	for _, name := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(readPage(t, name), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := name
			if target != "" {
				to = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, m[1])
			} else if anchor != "" && !anchors(readPage(t, to))[anchor] {
				t.Errorf("%s: %s has no heading #%s", name, to, anchor)
			}
		}
	}
}

// Every page begins with who needs it, and can be reached from the README.
func TestPagesAreReachedAndSayWhoNeedsThem(t *testing.T) {
	reached := map[string]bool{"README.md": true}
	for queue := []string{"README.md"}; len(queue) > 0; queue = queue[1:] {
		for _, m := range link.FindAllStringSubmatch(readPage(t, queue[0]), -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if to := path.Join(path.Dir(queue[0]), target); strings.HasSuffix(to, ".md") && !strings.Contains(target, "://") && !reached[to] {
				reached[to] = true
				queue = append(queue, to)
			}
		}
	}
	own := map[string]bool{"docs/ARCHITECTURE.md": true, "docs/PERFORMANCE.md": true, "docs/RELIABILITY.md": true}
	for _, name := range pages(t) {
		if !reached[name] {
			t.Errorf("no page leads to %s", name)
		}
		if strings.HasPrefix(name, "docs/") && !own[name] && !regexp.MustCompile(`^# [^\n]+\n\nFor anyone who`).MatchString(readPage(t, name)) {
			t.Errorf("%s does not begin with who needs it", name)
		}
	}
	if lines := strings.Count(readPage(t, "README.md"), "\n"); lines > 130 {
		t.Errorf("the README has %d lines, more than 130", lines)
	}
}
