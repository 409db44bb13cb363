package cluster

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// appendFeed writes what the scripts publish.
func appendFeed(version int64, list ...fed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d ", version, len(list))
	for _, f := range list {
		for _, field := range []string{f.kind, f.name, f.instance, fmt.Sprint(f.epoch), f.key} {
			fmt.Fprintf(&b, "%d:%s", len(field), field)
		}
	}
	return b.String()
}

func TestParseFeed(t *testing.T) {
	list := []fed{
		{kind: kindClaim, name: "a b:1\n", holder: holder{"n.1", 18446744073709551615, "a key"}},
		{kind: kindAgain, name: "é", holder: holder{"n.1", 2, ""}},
		{kind: kindRelease, name: "", holder: holder{"n.1", 3, ""}},
	}
	version, got, err := parseFeed(appendFeed(7, list...))
	if err != nil || version != 7 || !reflect.DeepEqual(got, list) {
		t.Errorf("%d, %v, %v", version, got, err)
	}
	whole := appendFeed(7, list...)
	for i := range len(whole) {
		if _, _, err := parseFeed(whole[:i]); err == nil {
			t.Errorf("%q is taken for whole", whole[:i])
		}
	}
	for _, payload := range []string{
		"", " ", "1", "1 1", "x 1 ", "1 x ", "1 0 ", "1 -1 ", "0 1 ", "1 2 " + whole[4:], whole + "x", "99999999999999999999 1 ",
		"1 1000000 1:c", "1 1 -1:c", "1 1 9999999999999999999:c", "1 1 1:c1:a3:n.11:x0:", "1 1 1:c1:a3:n.12:-10:", "1 1 1:c1:a1:n1:10:",
	} {
		if _, _, err := parseFeed(payload); err == nil {
			t.Errorf("%q is taken for a feed", payload)
		}
	}
}

func FuzzFeed(f *testing.F) {
	f.Add(appendFeed(7, fed{kind: kindClaim, name: "a", holder: holder{"n.1", 1, "k"}}))
	f.Add(appendFeed(2, fed{kind: kindAgain, name: "b", holder: holder{"n.1", 1, ""}}, fed{kind: kindRelease, name: "c", holder: holder{"n.2", 9, ""}}))
	f.Add("1 1 0:0:2:n.1:00:")
	f.Fuzz(func(t *testing.T, payload string) {
		version, list, err := parseFeed(payload)
		if err != nil {
			return
		}
		again, same, err := parseFeed(appendFeed(version, list...))
		if err != nil || again != version || !reflect.DeepEqual(list, same) {
			t.Errorf("%q is read as %v and that as %v, %v", payload, list, same, err)
		}
	})
}

// Every change is applied once, in its order; what is missing is noticed.
func TestApply(t *testing.T) {
	c := newCluster(t)
	s := c.session
	s.applied.Store(4)
	claim := func(name, instance string) fed {
		return fed{kind: kindClaim, name: name, holder: holder{instance, 1, ""}}
	}
	who := func(name string) string {
		if u := c.Hub.Find([]byte(name)); u != nil {
			return u.Instance
		}
		return ""
	}
	for _, step := range []struct {
		name, payload string
		fails         bool
		applied       int64
		a, b          string
	}{
		{name: "from before", payload: appendFeed(4, claim("a", "old.1"), claim("b", "old.1")), applied: 4},
		{name: "half of it from before", payload: appendFeed(5, claim("a", "old.1"), claim("b", "n.1")), applied: 5, b: "n"},
		{name: "the next", payload: appendFeed(6, claim("a", "m.2")), applied: 6, a: "m", b: "n"},
		{name: "a release by who has it no more", payload: appendFeed(7, fed{kind: kindRelease, name: "a", holder: holder{"n.1", 1, ""}}), applied: 7, a: "m", b: "n"},
		{name: "a release of another registration", payload: appendFeed(8, fed{kind: kindRelease, name: "a", holder: holder{"m.2", 2, ""}}), applied: 8, a: "m", b: "n"},
		{name: "a release", payload: appendFeed(9, fed{kind: kindRelease, name: "a", holder: holder{"m.2", 1, ""}}), applied: 9, b: "n"},
		{name: "a kind of a later release", payload: appendFeed(11, fed{kind: "z", name: "b", holder: holder{"n.1", 1, ""}}, claim("a", "l.1")), applied: 11, a: "l", b: "n"},
		{name: "a gap", payload: appendFeed(14, claim("a", "n.3"), claim("b", "n.3")), fails: true, applied: 11, a: "l", b: "n"},
		{name: "malformed", payload: "nonsense", fails: true, applied: 11, a: "l", b: "n"},
	} {
		if err := s.apply(step.payload); (err != nil) != step.fails {
			t.Errorf("%s: %v", step.name, err)
		}
		if s.applied.Load() != step.applied || who("a") != step.a || who("b") != step.b {
			t.Errorf("%s: applied %d, a %q, b %q", step.name, s.applied.Load(), who("a"), who("b"))
		}
	}
}

// A name that another instance claims is its own from then on: our client is
// disconnected.
func TestApplyReplaces(t *testing.T) {
	c := newCluster(t)
	ours := c.testUser(t, "x")
	if err := c.session.apply(appendFeed(1, fed{kind: kindClaim, name: "x", holder: holder{"n.1", 1, ""}})); err != nil {
		t.Fatal(err)
	}
	if !ours.isReplaced() || ours.User() != nil {
		t.Error("our client is not disconnected")
	}
	if u := c.Hub.Find([]byte("x")); u == nil || u.Instance != "n" {
		t.Errorf("held by %v", u)
	}
}

func TestParseHolder(t *testing.T) {
	for value, want := range map[string]holder{
		"n.1 7 ":              {"n.1", 7, ""},
		"n.1 7 a key of many": {"n.1", 7, "a key of many"},
		"a.b.c 0 k":           {"a.b.c", 0, "k"},
	} {
		if h, ok := parseHolder(value); !ok || h != want {
			t.Errorf("%q: %v, %v", value, h, ok)
		}
	}
	for _, value := range []string{"", "n.1", "n.1 7", "n.1 x k", "n.1 -7 k", " 0 k", "n 0 k", ".n 0 k"} {
		if h, ok := parseHolder(value); ok {
			t.Errorf("%q is taken for %v", value, h)
		}
	}
}

// An instance that joins anew is the same for everybody, and reached where it
// is now.
func TestJoinedAnew(t *testing.T) {
	c := newCluster(t)
	a := c.testUser(t, "a")
	version := int64(0)
	apply := func(f fed) {
		t.Helper()
		version++
		if err := c.session.apply(appendFeed(version, f)); err != nil {
			t.Fatal(err)
		}
	}
	apply(fed{kind: kindClaim, name: "x", holder: holder{"n.p.1", 5, "k"}})
	before := c.Hub.Find([]byte("x"))
	apply(fed{kind: kindAgain, name: "x", holder: holder{"n.p.2", 5, "another"}})
	if u := c.Hub.Find([]byte("x")); u != before || u.Key() != "another" {
		t.Errorf("another user, or with the key %q", u.Key())
	}
	c.testSend(a, "x", "1")
	if out, _ := c.testPublished(); len(out) != 1 || len(out["n.p.2"]) != 1 {
		t.Errorf("published: %v", out)
	}
	// What is freed of the former instance is another registration.
	apply(fed{kind: kindRelease, name: "x", holder: holder{"n.p.1", 4, ""}})
	if u := c.Hub.Find([]byte("x")); u != before {
		t.Error("the user is gone")
	}
	apply(fed{kind: kindRelease, name: "x", holder: holder{"n.p.2", 5, ""}})
	if u := c.Hub.Find([]byte("x")); u != nil {
		t.Error("the user is still there")
	}
}
