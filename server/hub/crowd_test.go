package hub

import (
	"fmt"
	"testing"
)

// Names that change faster than all can be told are not all spoken of, but
// what is told ends in the truth, and nobody goes who did not come.
func TestCrowd(t *testing.T) {
	h := start(t, true)
	_, open := block(h)
	behind := joinViewer(h) // is told nothing until open
	churner := joinViewer(h)
	const names = 20_000
	for i := range names {
		if code := h.Bind(&churner.Member, Claim{ID: fmt.Sprint("name", i)}, nil); code != OK {
			t.Fatalf("registration %d: code %d", i, code)
		}
	}
	behind.heard = 0
	h.CatchUp(&behind.Member, nil)
	if behind.heard > names {
		t.Errorf("told of %d changes", behind.heard)
	}
	checkViews(t, h, []*viewer{behind, churner})
	open()
	h.Leave(&churner.Member, Goodbye, nil)
	checkViews(t, h, []*viewer{behind})
}
