// Package browser holds what the pages do in a real browser, against the real
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

// updating means that the pictures of the README are to be made anew. They
// change a little each time.
var updating = os.Getenv("UPDATE_SCREENSHOTS") != ""

// browsers are the names under which Chromium is installed; the variable
// CHROMIUM names another one.
var browsers = []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"}

func TestMain(m *testing.M) { rig.Main(m) }

func TestPages(t *testing.T) {
	node.Require(t, "playwright-core", "axe-core")
	chromium := findChromium()
	if chromium == "" {
		t.Fatal("no chromium: run `make setup` as root, install Debian's package chromium, or name one in CHROMIUM")
	}
	// The pictures are to show the memory that the server needs without it.
	binary := rig.Binary(t, !updating)
	node.Run(t, 2, []string{"SIGNALD=" + binary, "CHROMIUM=" + chromium, "SCREENSHOTS=" + screenshots(t)})
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

func findChromium() string {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	return ""
}
