package hub

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oodaa/signaling/server/wire"
)

// TestWatch plays scripts as TestRegister does. Without "all", clients are told of
// whom they watch only.
func TestWatch(t *testing.T) {
	tests := []struct {
		name      string
		all, none bool
		script    []string
	}{
		{name: "nobody is told of whom it does not watch", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A list => A:[]",
			"W list => W:[]",
			"B leave =>",
		}},
		{name: "the list and what follows it", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A watch b c => A:{b}",
			"C register c => A:+c | C:[]",
			"A list => A:[b c]",
			"A register a => A:[b c]",
			"B leave => A:-b",
			"A list => A:[c]",
			"V register d => V:[]",
			"A register e => A:[c]",
			"C leave => A:-c",
		}},
		{name: "the list changes", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"C register c => C:[]",
			"A watch b => A:{b}",
			"A add c x c => A:{b c}",
			"A add => A:{b c}",
			"A remove b y => A:{c}",
			"B register d =>  B:[]",
			"C register x => A:-c +x | C:[]",
			"A watch d => A:{d}",
			"C leave =>",
			"A watch => A:{}",
			"B leave =>",
		}},
		{name: "several watchers", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"C register c => C:[]",
			"A watch v => A:{}",
			"B watch v => B:{}",
			"C watch v => C:{}",
			"V register v => A:+v | B:+v | C:+v | V:[]",
			"B remove v => B:{}",
			"V register w => A:-v | C:-v | V:[]",
			"A leave =>",
			"V register v => C:+v | V:[]",
			"C watch w => C:{}",
			"V leave =>",
		}},
		{name: "takeover", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A watch b => A:{b}",
			"B watch a => B:{a}",
			"C register b => A:-b +b | B:replaced | C:[]",
			"A register x => A:[b]",
		}},
		{name: "oneself", script: []string{
			"A register a => A:[]",
			"A watch a b => A:{}",
			"A register b => A:[]",
			"C register a => A:+a | C:[]",
			"A register a => A:[] | C:replaced",
			"A leave =>",
		}},
		{name: "only who has registered", script: []string{
			"A watch b => A:refused:4",
			"B register b => B:[]",
			"A register a => A:[]",
			"A watch b => A:{b}",
			"A leave =>",
			"A watch b => A:refused:10",
		}},
		{name: "where everybody is told of everybody", all: true, script: []string{
			"A register a => A:[] | B:+a | C:+a | W:+a",
			"A watch b => A:{}",
			"B register b => A:+b | B:[a] | C:+b | W:+b",
			"C register c => B:+c | C:[a b] | W:+c",
			"A list => A:[b]",
			"A watch => A:{}",
			"A list => A:[]",
			"B leave => C:-b | W:-b",
			"A leave => C:-a | W:-a",
		}},
		{name: "without presence", none: true, script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A watch b => A:{}",
			"B leave =>",
			"A list => A:[]",
			"A add b => A:{}",
		}},
		{name: "draining", script: []string{
			"A register a => A:[]",
			"B register b => B:[]",
			"A watch b => A:{b}",
			"hub drain =>",
			"B leave =>",
			"A watch b => A:{}",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := New(Options{Presence: !tt.none, Watched: !tt.all})
				defer h.Close()
				clients := []*client{join(h, "A"), join(h, "B"), join(h, "C"), joinDeaf(h, "V"), join(h, "W")}
				for i, line := range tt.script {
					play(t, h, clients, i, line)
				}
			})
		})
	}
}

// Users who are away are online for their watchers; those whose page is gone are not.
func TestWatchAway(t *testing.T) {
	onStreet(t, testGrace, func(s *street) {
		b, c := s.phone("b", ""), s.phone("c", "")
		s.watcher.register("w")
		s.watcher.watch(WatchOnly, "b", "c")
		if got := s.watcher.take(); got != "[b c] {b c}" {
			t.Errorf("heard %q", got)
		}
		s.Leave(&b.Member, Broke, nil)
		s.Leave(&c.Member, PageGone, nil)
		synctest.Wait()
		if got := s.watcher.take(); got != "-c" {
			t.Errorf("heard %q", got)
		}
		s.watcher.watch(WatchOnly, "c", "b")
		late := join(s.Hub, "late")
		late.register("late")
		late.watch(WatchOnly, "c", "b")
		if got := s.watcher.take() + late.take(); !strings.HasPrefix(got, "{b}") || !strings.HasSuffix(got, "{b}") {
			t.Errorf("heard %q", got)
		}
		s.phone("c", "")
		late.take()
		time.Sleep(testGrace)
		synctest.Wait()
		if got := late.take(); got != "-b" {
			t.Errorf("heard %q", got)
		}
	})
}

func TestWatchTooMany(t *testing.T) {
	h := New(Options{Presence: true, Watched: true})
	defer h.Close()
	a, b := join(h, "A"), join(h, "B")
	b.register("0")
	a.register("a")
	ids := make([]string, MaxWatched)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	a.watch(WatchOnly, ids[1:]...)
	a.take()
	if code := a.watch(WatchAlso, "more", "0", "1"); code != InvalidList {
		t.Errorf("code %d", code)
	}
	if code := a.watch(WatchAlso, "0", "1"); code != OK {
		t.Errorf("code %d", code)
	}
	if got, want := a.take(), fmt.Sprintf("refused:%d {0}", InvalidList); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	if n := len(h.watched.names); n != MaxWatched {
		t.Errorf("%d names", n)
	}
	h.Leave(&a.Member, Goodbye, nil)
	if n := len(h.watched.names); n != 0 {
		t.Errorf("%d names", n)
	}
}

// The index gives its memory back when most of its names are gone.
func TestWatchIndexShrinks(t *testing.T) {
	h := New(Options{Presence: true, Watched: true})
	defer h.Close()
	var watchers []*client
	for i := range 2 * minPeak / MaxWatched {
		c := join(h, "")
		c.register(fmt.Sprint("c", i))
		ids := make([]string, MaxWatched)
		for j := range ids {
			ids[j] = fmt.Sprint(i, "x", j)
		}
		c.watch(WatchOnly, ids...)
		watchers = append(watchers, c)
	}
	for _, c := range watchers {
		h.Leave(&c.Member, Goodbye, nil)
	}
	if h.watched.peak > minPeak {
		t.Errorf("room for %d names", h.watched.peak)
	}
}

// TestWatchBusy has one watcher that takes nothing: the changes wait, and where there
// are too many a list is told instead.
func TestWatchBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Options{Presence: true, Watched: true})
		defer h.Close()
		slow, quick := join(h, "slow"), join(h, "quick")
		for _, c := range []*client{slow, quick} {
			c.register(c.id)
			c.watch(WatchOnly, "b", "c")
			c.take()
		}
		slow.busy.Store(true)
		b := joinDeaf(h, "B")
		b.register("b")
		synctest.Wait()
		if got := quick.take() + "|" + slow.take(); got != "+b|" {
			t.Errorf("heard %q", got)
		}
		slow.busy.Store(false)
		time.Sleep(2 * retryInterval)
		if got := slow.take(); got != "+b" {
			t.Errorf("slow heard %q", got)
		}
		slow.busy.Store(true)
		b.register("c")
		h.CatchUp(&slow.Member, nil) // what is sent to it next comes behind
		if got := slow.take(); got != "-b +c" {
			t.Errorf("slow heard %q", got)
		}

		synctest.Wait()
		quick.take()
		for range minPending {
			b.register("b")
			synctest.Wait()
			b.register("c")
			synctest.Wait()
		}
		if n := len(strings.Fields(quick.take())); n != 4*minPending {
			t.Errorf("quick heard %d changes", n)
		}
		slow.busy.Store(false)
		time.Sleep(2 * retryInterval)
		if got := slow.take(); got != "{c}" {
			t.Errorf("slow heard %q", got)
		}
		b.register("b")
		synctest.Wait()
		if got := slow.take(); got != "-c +b" {
			t.Errorf("slow heard %q", got)
		}
	})
}

// The account holds what lists take, until their members leave.
func TestWatchAccount(t *testing.T) {
	account := wire.NewAccount(0)
	defer account.Close()
	h := New(Options{Presence: true})
	defer h.Close()
	a := join(h, "A")
	a.register("a")
	holder := account.Open(func() {})
	check := func(users int64) {
		t.Helper()
		if held := account.Held(); held != users*sightSize {
			t.Errorf("%d bytes are held for %d users", held, users)
		}
	}
	for _, step := range []struct {
		list  WatchList
		users int64
	}{
		{WatchList{WatchOnly, []string{"b", "c", "b"}}, 2},
		{WatchList{WatchAlso, []string{"c", "d"}}, 3},
		{WatchList{WatchNever, []string{"d", "x"}}, 2},
		{WatchList{WatchOnly, []string{"e"}}, 1},
	} {
		if code := h.Watch(&a.Member, step.list, &holder, nil); code != OK {
			t.Fatalf("code %d", code)
		}
		check(step.users)
	}
	h.Leave(&a.Member, Goodbye, nil)
	check(0)
}

// Each user that is watched takes no more memory than it is accounted with.
func TestWatchMemory(t *testing.T) {
	h := New(Options{Presence: true, Watched: true})
	defer h.Close()
	const watchers, each = 200, 100
	clients := make([]*client, watchers)
	lists := make([][]string, watchers)
	for i := range clients {
		clients[i] = &client{hub: h, quiet: true}
		h.Join(&clients[i].Member, clients[i], false)
		clients[i].register(fmt.Sprint("client", i))
		for j := range each {
			lists[i] = append(lists[i], fmt.Sprintf("user-%05d-%05d", i, j))
		}
	}
	before := heap()
	for i, c := range clients {
		c.watch(WatchOnly, lists[i]...)
		c.heard = nil
	}
	const name = 16 // bytes, which were there before
	size := name + (heap()-before)/(watchers*each)
	t.Logf("%d bytes for each user that one member watches", size)
	if size > sightSize {
		t.Errorf("%d bytes, more than %d", size, sightSize)
	}
	runtime.KeepAlive(clients)
	runtime.KeepAlive(lists)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkWatchers is one user that changes its name, of which its watchers are told,
// among many users and watchers of others.
func BenchmarkWatchers(b *testing.B) {
	const users = 10_000
	for _, watchers := range []int{0, 1, 100, 1000} {
		b.Run(fmt.Sprintf("%d watchers", watchers), func(b *testing.B) {
			h := New(Options{Presence: true, Watched: true})
			defer h.Close()
			populate(h, users)
			names := []string{"one", "other"}
			var left atomic.Int64
			all := make(chan struct{}, 1)
			var holder wire.Holder
			for i := range users {
				c := &counter{left: &left, all: all}
				h.Join(&c.Member, c, true)
				h.Bind(&c.Member, Claim{ID: fmt.Sprint("c", i)}, nil)
				ids := []string{fmt.Sprint("user-", i), fmt.Sprint("user-", i+1)}
				if i < watchers {
					ids = slices.Concat(ids, names)
				}
				h.Watch(&c.Member, WatchList{WatchOnly, ids}, &holder, nil)
			}
			c := joinDeaf(h, "")
			left.Store(int64(watchers))
			h.Bind(&c.Member, Claim{ID: names[1]}, nil)
			wait := func() {
				if watchers > 0 {
					<-all
				}
			}
			wait()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				left.Store(2 * int64(watchers))
				h.Bind(&c.Member, Claim{ID: names[i%2]}, nil)
				wait()
			}
		})
	}
}

// BenchmarkWatchList is a list of as many users as there may be that takes the place of
// another one, while the hub is locked.
func BenchmarkWatchList(b *testing.B) {
	h := New(Options{Presence: true, Watched: true})
	defer h.Close()
	populate(h, 10_000)
	var lists [2][]string
	for i := range MaxWatched {
		lists[0] = append(lists[0], fmt.Sprintf("user-%08d", i))
		lists[1] = append(lists[1], fmt.Sprintf("nobody-%08d", i))
	}
	c := &counter{}
	h.Join(&c.Member, c, true)
	h.Bind(&c.Member, Claim{ID: "c"}, nil)
	var holder wire.Holder
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if h.Watch(&c.Member, WatchList{WatchOnly, lists[i%2]}, &holder, nil) != OK {
			b.Fatal("refused")
		}
	}
}
