// Package browser holds what the pages do in real browsers, against the real
// binary.
package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/oodaa/signaling/test/node"
	"github.com/oodaa/signaling/test/rig"
)

// updating means that the pictures of the README are to be made again. They
// change a little each time.
var updating = os.Getenv("UPDATE_SCREENSHOTS") != ""

// The names under which browsers are installed; the variables CHROMIUM and
// FIREFOX name others. The headless shell is Chromium without its windows, and
// takes less than half of the processor time.
var (
	chromiums = []string{os.Getenv("CHROMIUM"), "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}
	firefoxes = []string{os.Getenv("FIREFOX"), "firefox-esr", "firefox"}
)

func TestMain(m *testing.M) { rig.Main(m) }

func TestPages(t *testing.T) {
	node.Require(t, "playwright-core", "puppeteer-core", "axe-core", "jsqr")
	chromium, firefox := find(t, "chromium-headless-shell", "CHROMIUM", chromiums), find(t, "firefox-esr", "FIREFOX", firefoxes)
	// The pictures are to show the memory that the server needs without it.
	binary := rig.Binary(t, !updating)
	node.Run(t, 2, []string{
		"SIGNALD=" + binary, "CHROMIUM=" + chromium, "FIREFOX=" + firefox, "SCREENSHOTS=" + screenshots(t),
	})
}

// screenshots is where pictures go: those of the README into docs, others nowhere.
func screenshots(t *testing.T) string {
	if !updating {
		return t.TempDir()
	}
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// find returns the path of a browser.
func find(t *testing.T, debian, variable string, names []string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Fatalf("no %s: run `make setup` as root, install Debian's package of that name, or name a browser in %s", debian, variable)
	return ""
}
