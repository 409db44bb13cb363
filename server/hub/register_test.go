package hub

import (
	"strings"
	"testing"
	"testing/synctest"
)

// TestRegister plays scripts. Each line is what one client does, and after the
// arrow all that anybody hears of it. A, B, C and W are told of the others, V
// is not.
func TestRegister(t *testing.T) {
	tests := []struct {
		name   string
		silent bool // without presence
		script []string
	}{
		{name: "newcomers", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"B register b => A:+b | B:[a] | C:+b | W:+b",
			"V register v => A:+v | B:+v | C:+v | V:[a b] | W:+v",
			"W list => W:[a b v]",
			"B list => B:[a v]",
			"V list => V:[a b]",
			"find a => A",
			"find v => V",
			"find w => nobody",
		}},
		{name: "the same name again", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"B register b => A:+b | B:[a] | C:+b | W:+b",
			"A register a => A:[b]",
			"find a => A",
			"W list => W:[a b]",
		}},
		{name: "another name", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"B register b => A:+b | B:[a] | C:+b | W:+b",
			"A register c => A:[b] | B:-a +c | C:-a +c | W:-a +c",
			"find a => nobody",
			"find c => A",
			"C register a => A:+a | B:+a | C:[b c] | W:+a",
			"A register a => A:[b] | B:-c -a +a | C:replaced | W:-c -a +a",
			"find a => A",
			"find c => nobody",
		}},
		{name: "takeover", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"C register c => A:+c | B:+c | C:[a] | W:+c",
			"B register a => A:replaced | B:[c] | C:-a +a | W:-a +a",
			"find a => B",
			"A leave =>",
			"find a => B",
			"C list => C:[a]",
			"C register a => B:replaced | C:[] | W:-c -a +a",
			"B leave =>",
			"find a => C",
			"C leave => W:-a",
			"find a => nobody",
		}},
		{name: "takeover by one who has a name", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"B register b => A:+b | B:[a] | C:+b | W:+b",
			"B register a => A:replaced | B:[] | C:-b -a +a | W:-b -a +a",
			"find b => nobody",
			"find a => B",
		}},
		{name: "takeover of one who is told nothing", script: []string{
			"V register v => A:+v | B:+v | C:+v | V:[] | W:+v",
			"A register v => A:[] | B:-v +v | C:-v +v | V:replaced | W:-v +v",
			"find v => A",
		}},
		{name: "takeover by one who is told nothing", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"V register a => A:replaced | B:-a +a | C:-a +a | V:[] | W:-a +a",
			"find a => V",
			"V leave => B:-a | C:-a | W:-a",
		}},
		{name: "leaving", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"A leave => B:-a | C:-a | W:-a",
			"A leave =>",
			"find a => nobody",
			"B register a => B:[] | C:+a | W:+a",
			"A leave =>",
			"find a => B",
			"W leave =>",
			"C register c => B:+c | C:[a]",
			"B list => B:[c]",
		}},
		{name: "after the end", script: []string{
			"A leave =>",
			"A register a => A:refused:10",
			"find a => nobody",
			"B register b => B:[] | C:+b | W:+b",
			"C register b => B:replaced | C:[] | W:-b +b",
			"B register b => B:refused:10",
			"B register c => B:refused:10",
			"find b => C",
			"find c => nobody",
		}},
		{name: "draining", script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"hub drain =>",
			"B register b => B:refused:10",
			"B register a => B:refused:10",
			"A register a => A:refused:10",
			"find a => A",
			"find b => nobody",
			"B list => B:[a]",
			"A leave =>",
			"B list => B:[a]",
			"find a => nobody",
		}},
		{name: "no presence", silent: true, script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A list => A:[]",
			"W list => W:[]",
			"C register a => A:replaced | C:[]",
			"find a => C",
			"find b => B",
			"C register c => C:[]",
			"find a => nobody",
			"find c => C",
			"B leave =>",
			"find b => nobody",
			"hub drain =>",
			"W register w => W:refused:10",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := start(t, !tt.silent)
				clients := []*client{join(h, "A"), join(h, "B"), join(h, "C"), joinDeaf(h, "V"), join(h, "W")}
				for i, line := range tt.script {
					play(t, h, clients, i, line)
				}
			})
		})
	}
}

// play plays one line of a script.
func play(t *testing.T, h *Hub, clients []*client, i int, line string) {
	t.Helper()
	action, want, ok := strings.Cut(line, " =>")
	words := strings.Fields(action)
	if !ok || len(words) < 2 {
		t.Fatalf("line %d, %s: not understood", i, line)
	}
	want = strings.TrimSpace(want)
	if words[0] == "find" {
		got := "nobody"
		for _, c := range clients {
			if u := h.Find([]byte(words[1])); u != nil && u.Peer == Peer(c) {
				got = c.id
			}
		}
		if got != want {
			t.Fatalf("line %d, %s: got %s", i, line, got)
		}
		return
	}
	if words[0] == "hub" {
		h.Drain()
	}
	for _, c := range clients {
		if c.id != words[0] {
			continue
		}
		switch words[1] {
		case "register":
			c.register(words[2])
		case "list":
			h.List(&c.Member, nil)
		case "watch":
			c.watch(WatchOnly, words[2:]...)
		case "add":
			c.watch(WatchAlso, words[2:]...)
		case "remove":
			c.watch(WatchNever, words[2:]...)
		case "leave":
			h.Leave(&c.Member, Goodbye, nil)
		}
	}
	synctest.Wait() // for the hub's goroutine

	var got []string
	online := 0
	for _, c := range clients {
		if heard := c.take(); heard != "" {
			got = append(got, c.id+":"+heard)
		}
		if u := c.User(); u != nil {
			online++
			if h.Find([]byte(u.ID)) != u {
				t.Fatalf("line %d, %s: %s holds %s, but is not found", i, line, c.id, u.ID)
			}
		}
	}
	if got := strings.Join(got, " | "); got != want {
		t.Fatalf("line %d, %s\ngot  %s\nwant %s", i, line, got, want)
	}
	if h.Online() != online {
		t.Fatalf("line %d, %s: %d online, want %d", i, line, h.Online(), online)
	}
}

// TestReplacedDuringTakeover lets a client claim its name back after it lost
// it, and before it is disconnected for that.
func TestReplacedDuringTakeover(t *testing.T) {
	h := start(t, true)
	a, b := join(h, "A"), join(h, "B")
	a.register("x")
	b.told = func() {
		if a.User() != nil {
			t.Error("the name's former holder still holds it")
		}
		if a.register("x") == OK || a.register("y") == OK {
			t.Error("who is about to be disconnected got a name")
		}
	}
	code := b.register("x")
	if code != OK {
		t.Errorf("code %d", code)
	}
	if u := h.Find([]byte("x")); u == nil || u.Peer != Peer(b) {
		t.Errorf("x is held by %+v", u)
	}
	if h.Online() != 1 {
		t.Errorf("%d online", h.Online())
	}
}

func TestKeys(t *testing.T) {
	h := start(t, true)
	a, b := joinDeaf(h, "A"), joinDeaf(h, "B")
	key := func() string { return h.Find([]byte("x")).Key() }

	h.Bind(&a.Member, Claim{ID: "x", Key: "one"}, nil)
	first := h.Find([]byte("x"))
	if key() != "one" {
		t.Errorf("key %q", key())
	}
	h.Bind(&a.Member, Claim{ID: "x", Key: "two"}, nil)
	if key() != "two" || h.Find([]byte("x")) != first {
		t.Errorf("key %q, or another registration", key())
	}
	h.Bind(&b.Member, Claim{ID: "x"}, nil)
	if key() != "" || first.Key() != "two" {
		t.Errorf("keys %q and %q", key(), first.Key())
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	h := start(t, true)
	join(h, "A").register("somebody-81d0")
	there, notThere := []byte("somebody-81d0"), []byte("nobody-5f2c")
	if allocs := testing.AllocsPerRun(100, func() {
		if h.Find(there) == nil || h.Find(notThere) != nil {
			t.Error("found wrongly")
		}
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestNoNewsAllocatesNothing is of the way of every relay: before it, its
// target is told what has changed, which is mostly nothing.
func TestNoNewsAllocatesNothing(t *testing.T) {
	h := start(t, true)
	a := join(h, "A")
	a.register("a")
	h.CatchUp(&a.Member, nil)
	if allocs := testing.AllocsPerRun(100, func() { h.CatchUp(&a.Member, nil) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A guarded name is taken from a holder with a key only by who has proved the
// same key; free names, and holders without a key, are not guarded.
func TestGuardedNames(t *testing.T) {
	h := start(t, true)
	holder := joinDeaf(h, "holder")
	if code := h.Bind(&holder.Member, Claim{ID: "x", Key: "key", Guarded: true}, nil); code != OK {
		t.Fatalf("free name: code %d", code)
	}
	for name, claim := range map[string]Claim{
		"no key":                  {ID: "x", Guarded: true},
		"the key, not proved":     {ID: "x", Key: "key", Guarded: true},
		"another key, proved":     {ID: "x", Key: "other", Guarded: true, Proved: true},
		"another key, not proved": {ID: "x", Key: "other", Guarded: true},
	} {
		c := joinDeaf(h, name)
		h.Bind(&c.Member, Claim{ID: name}, nil)
		if code := h.Bind(&c.Member, claim, nil); code != InvalidProof {
			t.Errorf("%s: code %d", name, code)
		}
		if u := c.User(); u == nil || u.ID != name {
			t.Errorf("%s: lost the name that it had", name)
		}
	}
	if h.Find([]byte("x")) != holder.User() {
		t.Error("the holder lost its name")
	}
	if code := h.Bind(&holder.Member, Claim{ID: "x", Key: "new key", Guarded: true}, nil); code != OK {
		t.Errorf("own name: code %d", code)
	}
	next := joinDeaf(h, "next")
	if code := h.Bind(&next.Member, Claim{ID: "x", Key: "new key", Guarded: true, Proved: true}, nil); code != OK {
		t.Errorf("the same key, proved: code %d", code)
	}
}

// The users of other instances are counted, whichever way they come and go.
func TestOthers(t *testing.T) {
	for _, watched := range []bool{false, true} {
		h := New(Options{Presence: true, Watched: watched})
		defer h.Close()
		remote := func(id, instance string) *User {
			u := NewUser(id, "", &client{hub: h})
			u.Instance = instance
			return u
		}
		check := func(what string, others, online int) {
			t.Helper()
			if h.Others() != others || h.Online() != online {
				t.Errorf("%s: %d of others and %d of ours, want %d and %d", what, h.Others(), h.Online(), others, online)
			}
		}
		a := join(h, "A")
		a.register("a")
		x, y := remote("x", "n"), remote("y", "n")
		h.BindRemote(x, false)
		h.BindRemote(y, false)
		check("they come", 2, 1)
		h.BindRemote(remote("y", "m"), false)
		check("one moves", 2, 1)
		join(h, "B").register("x")
		check("one comes here", 1, 2)
		h.UnbindRemote(x)
		check("which is told late", 1, 2)
		h.BindRemote(remote("a", "n"), false)
		check("one of ours goes there", 2, 1)
		h.UnbindRemote(h.Find([]byte("a")))
		h.UnbindRemote(h.Find([]byte("y")))
		check("they go", 0, 1)
	}
}

// Users that leave an instance which stops register with another: for whoever is still
// here they never left. What comes of them later is announced.
func TestLeavingWhileDraining(t *testing.T) {
	for _, watched := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := New(Options{Presence: true, Watched: watched})
			defer h.Close()
			a, b := join(h, "A"), join(h, "B")
			a.register("a")
			b.register("b")
			if watched {
				a.watch(WatchOnly, "b", "c")
			}
			elsewhere := func(id string) *User {
				u := NewUser(id, "", &client{hub: h})
				u.Instance = "n"
				return u
			}
			synctest.Wait()
			a.take()
			expect := func(what, want string) {
				t.Helper()
				synctest.Wait()
				if got := a.take(); got != want {
					t.Errorf("%s, watched %v: %q, want %q", what, watched, got, want)
				}
			}
			h.Drain()
			h.Leave(&b.Member, Broke, nil)
			expect("b leaves", "")
			moved := elsewhere("b")
			h.BindRemote(moved, false)
			expect("b is back elsewhere", "")
			h.BindRemote(elsewhere("c"), false)
			expect("c comes", "+c")
			if !watched {
				h.List(&a.Member, nil)
				expect("list", "[b c]")
			}
			h.UnbindRemote(moved)
			expect("b leaves there", "-b")
			h.BindRemote(elsewhere("b"), false)
			expect("b comes again", "+b")
		})
	}
}
