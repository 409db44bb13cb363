package cluster

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A user of another instance takes what it has of its own, and keeps nothing else of
// the message by which it became known.
func TestMemoryOfOthers(t *testing.T) {
	c := newCluster(t)
	const users, together = 2_000, 20
	fed := func(kind, name string) string {
		var b strings.Builder
		for _, field := range []string{kind, name, "n.x.ABCDEFGH", "1", ""} {
			fmt.Fprintf(&b, "%d:%s", len(field), field)
		}
		return b.String()
	}
	before := heap()
	version := 0
	for i := range users {
		// Of those who come together, all but one leave again.
		var changes []string
		for j := range together {
			changes = append(changes, fed(kindClaim, fmt.Sprintf("user-%05d-%02d", i, j)))
		}
		for j := range together - 1 {
			changes = append(changes, fed(kindRelease, fmt.Sprintf("user-%05d-%02d", i, j)))
		}
		version += len(changes)
		if err := c.session.apply(fmt.Sprintf("%d %d %s", version, len(changes), strings.Join(changes, ""))); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Hub.Others(); n != users {
		t.Fatalf("%d users", n)
	}
	size := (heap() - before) / users
	t.Logf("%d bytes for each user", size)
	if size > 500 {
		t.Errorf("%d bytes for each user", size)
	}
	runtime.KeepAlive(c)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
