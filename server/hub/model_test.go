package hub

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/oodaa/signaling/server/wire"
)

// A model is a hub without goroutines and shards: what must be, and who must
// hear what.
type model struct {
	watched bool                        // nobody is told of whom it does not watch
	watches map[*client]map[string]bool // of clients that watch
	names   []string                    // in the order of their registration
	holders map[string]*client
	members []*client
	heard   map[*client][]string
}

// tell has everybody hear of a change but those it concerns.
func (m *model) tell(sign, name string, concerned ...*client) {
	for _, c := range m.members {
		if !slices.Contains(concerned, c) && m.sees(c, name) {
			m.heard[c] = append(m.heard[c], sign+name)
		}
	}
}

// sees reports whether c is told of a name.
func (m *model) sees(c *client, name string) bool {
	if names, watches := m.watches[c]; watches {
		return names[name]
	}
	return !m.watched
}

func (m *model) watch(c *client, how WatchHow, ids []string) {
	if m.watches[c] == nil || how == WatchOnly {
		m.watches[c] = make(map[string]bool)
	}
	for _, id := range ids {
		m.watches[c][id] = how != WatchNever
	}
	m.list(c)
	last := &m.heard[c][len(m.heard[c])-1]
	*last = "{" + (*last)[1:len(*last)-1] + "}"
}

// release ends the name's registration.
func (m *model) release(name string, concerned ...*client) {
	delete(m.holders, name)
	m.names = slices.DeleteFunc(m.names, func(n string) bool { return n == name })
	m.tell("-", name, concerned...)
}

// name is what c holds.
func (m *model) name(c *client) (name string, ok bool) {
	for name, holder := range m.holders {
		if holder == c {
			return name, true
		}
	}
	return "", false
}

func (m *model) register(c *client, name string) {
	old, had := m.name(c)
	if had && old == name {
		m.list(c)
		return
	}
	if had {
		m.release(old, c)
	}
	holder := m.holders[name]
	if holder != nil {
		m.release(name, c, holder)
	}
	m.holders[name] = c
	m.names = append(m.names, name)
	m.tell("+", name, c, holder)
	m.list(c)
	if holder != nil {
		m.leave(holder)
	}
}

func (m *model) list(c *client) {
	others := slices.DeleteFunc(slices.Clone(m.names), func(n string) bool { return m.holders[n] == c || !m.sees(c, n) })
	if m.watches[c] != nil {
		slices.Sort(others)
	}
	m.heard[c] = append(m.heard[c], "["+strings.Join(others, " ")+"]")
}

func (m *model) leave(c *client) {
	m.members = slices.DeleteFunc(m.members, func(o *client) bool { return o == c })
	if name, ok := m.name(c); ok {
		m.release(name, c)
	}
}

// TestAgainstModel does things at random, one after the other, and compares
// what everybody heard. When the hub's goroutine speaks is left to chance.
func TestAgainstModel(t *testing.T) {
	for seed := range 200 {
		watched := seed%2 > 0
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 1))
			h := New(Options{Presence: true, Watched: watched})
			defer h.Close()
			m := &model{watched: watched, watches: make(map[*client]map[string]bool), holders: make(map[string]*client), heard: make(map[*client][]string)}
			var all []*client
			for step := range 300 {
				if len(m.members) < 3 || rng.IntN(10) == 0 {
					c := join(h, fmt.Sprint(step))
					all = append(all, c)
					m.members = append(m.members, c)
					continue
				}
				c := m.members[rng.IntN(len(m.members))]
				switch rng.IntN(10) {
				case 8, 9:
					var ids []string
					for range rng.IntN(4) {
						ids = append(ids, string(rune('a'+rng.IntN(5))))
					}
					how := WatchHow(rng.IntN(3))
					_, registered := m.name(c)
					switch code := h.Watch(&c.Member, WatchList{how, ids}, new(wire.Holder), nil); {
					case registered && code == OK:
						m.watch(c, how, ids)
					case registered || code != NotRegistered:
						t.Fatalf("step %d: watch: %d", step, code)
					}
				case 0:
					h.Leave(&c.Member, Goodbye, nil)
					m.leave(c)
				case 1, 2:
					h.List(&c.Member, nil)
					m.list(c)
				case 3:
					h.CatchUp(&c.Member, nil)
					if got, want := c.words(), m.heard[c]; !slices.Equal(got, want) {
						t.Fatalf("step %d: %s heard %q, want %q", step, c.id, got, want)
					}
				case 4: // one who has left says more
					c = all[rng.IntN(len(all))]
					if !slices.Contains(m.members, c) {
						h.Leave(&c.Member, Goodbye, nil)
						if code := h.Bind(&c.Member, Claim{ID: "a"}, nil); code != Unavailable {
							t.Fatalf("step %d: registered after the end: %d", step, code)
						}
					}
				default:
					name := string(rune('a' + rng.IntN(5)))
					if code := c.register(name); code != OK {
						t.Fatalf("step %d: refused: %d", step, code)
					}
					m.register(c, name)
				}
				if step%4 == 3 { // before so much waits that a list is told instead
					for c := range m.watches {
						h.CatchUp(&c.Member, nil)
					}
				}
				if h.Online() != len(m.holders) {
					t.Fatalf("step %d: %d online, want %d", step, h.Online(), len(m.holders))
				}
			}
			for _, name := range "abcde" {
				u, want := h.Find([]byte(string(name))), m.holders[string(name)]
				if (u == nil) != (want == nil) || u != nil && u.Peer != Peer(want) {
					t.Errorf("%c is held by %+v, want %+v", name, u, want)
				}
			}
			for _, c := range all {
				got, want := c.words(), m.heard[c]
				if slices.Contains(m.members, c) {
					h.CatchUp(&c.Member, nil)
					got = c.words()
				} else if len(got) <= len(want) {
					want = want[:len(got)] // what it was not told when it left, it need not hear
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s heard %q, want %q", c.id, got, want)
				}
			}
		})
	}
}

func (c *client) words() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.heard)
}

// A viewer is a client that keeps who is there, by what it is told. From its
// first list on, it must hear of nobody that comes twice, or goes and was not
// there.
type viewer struct {
	Member
	hub      *Hub
	watches  map[string]bool // nil: it is told of everybody; set by its own goroutine
	replaced atomic.Int32
	over     atomic.Bool // it has left by itself

	mu    sync.Mutex
	view  map[string]bool
	error string
	heard int
}

func (v *viewer) Relay(*Relay) Outcome { return OK }

func (v *viewer) Replaced(*Question) []*Held {
	v.replaced.Add(1)
	v.hub.Leave(&v.Member, Goodbye, nil)
	return nil
}

func (v *viewer) Over() bool { return false }
func (v *viewer) Busy() bool { return false }

func (v *viewer) Announce(change *Change, _ *wire.Batch) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u := v.user.Load(); v.view == nil || v.over.Load() || u != nil && u.Gone() {
		return true // it has not asked yet, or will be disconnected
	}
	v.heard++
	name, comes := change.User.ID, change.Online
	if v.view[name] == comes && v.error == "" {
		v.error = fmt.Sprintf("heard %s of %v", short(change), v.view)
	}
	if comes {
		v.view[name] = true
	} else {
		delete(v.view, name)
	}
	return true
}

func (v *viewer) Spell(users *Roster, u *User) []byte { return spellList(users, u) }

func (v *viewer) SpellWatched(online *Roster) []byte { return spellList(online, nil) }

func (v *viewer) Tell(spelled []byte, _ *wire.Batch) bool {
	s := string(spelled)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.view = make(map[string]bool)
	for _, name := range strings.Fields(s[1 : len(s)-1]) {
		v.view[name] = true
	}
	return true
}

func joinViewer(h *Hub) *viewer {
	v := &viewer{hub: h}
	h.Join(&v.Member, v, true)
	h.List(&v.Member, nil)
	return v
}

// checkViews checks that all that still matters ends in the truth: who holds
// which name, the lists, and what viewers have made of what they were told.
func checkViews(t *testing.T, h *Hub, viewers []*viewer) {
	t.Helper()
	truth := make(map[string]bool)
	holders := make(map[string]*viewer)
	for _, v := range viewers {
		u := v.User()
		if u == nil {
			continue
		}
		if truth[u.ID] {
			t.Errorf("%s is held by two", u.ID)
		}
		if h.Find([]byte(u.ID)) != u {
			t.Errorf("%s is not found", u.ID)
		}
		truth[u.ID] = true
		holders[u.ID] = v
	}
	if h.Online() != len(truth) {
		t.Errorf("%d online, want %d", h.Online(), len(truth))
	}
	asker := joinViewer(h)
	if h.presence && !maps.Equal(asker.view, truth) {
		t.Errorf("listed %v, want %v", asker.view, truth)
	}
	for _, v := range viewers {
		v.telling.Lock()
		v.listed = 0 // the next list is sent at once
		v.telling.Unlock()
		h.CatchUp(&v.Member, nil)
		v.mu.Lock()
		want := maps.Clone(truth)
		if v.watches != nil || !h.presence {
			maps.DeleteFunc(want, func(name string, _ bool) bool { return !v.watches[name] })
		}
		for name, holder := range holders {
			if holder == v {
				delete(want, name)
			}
		}
		if v.error != "" {
			t.Error(v.error)
		}
		if v.replaced.Load() == 0 && !v.left && !maps.Equal(v.view, want) {
			t.Errorf("a view ends in %v, want %v", v.view, want)
		}
		v.mu.Unlock()
	}
	h.Leave(&asker.Member, Goodbye, nil)
}

// TestOneHolder has 200 connections claim one name at once, again and again.
func TestOneHolder(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 50
	}
	const claimers = 200
	h := start(t, true)
	watchers := []*viewer{joinViewer(h), joinViewer(h)}
	for range rounds {
		claims := make([]*viewer, claimers)
		var wg sync.WaitGroup
		for i := range claims {
			c := &viewer{hub: h}
			claims[i] = c
			wg.Go(func() {
				if i%100 == 0 {
					h.Join(&c.Member, c, true)
				} else {
					h.Join(&c.Member, c, false)
				}
				if code := h.Bind(&c.Member, Claim{ID: "x"}, nil); code != OK {
					t.Errorf("refused: %d", code)
				}
			})
		}
		wg.Wait()
		var holder *viewer
		replaced := 0
		for _, c := range claims {
			replaced += int(c.replaced.Load())
			if c.User() == nil {
				continue
			}
			if holder != nil {
				t.Fatal("two holders")
			}
			holder = c
		}
		if holder == nil || replaced != claimers-1 || holder.replaced.Load() != 0 {
			t.Fatalf("holder: %v, replaced: %d", holder != nil, replaced)
		}
		checkViews(t, h, append([]*viewer{holder}, watchers...))
		h.Leave(&holder.Member, Goodbye, nil)
		if t.Failed() {
			return
		}
	}
	checkViews(t, h, watchers)
}

// TestAtRandom has many connections come, claim names, claim others, take names
// from each other, leave, and look around, all at once.
func TestAtRandom(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 3
	}
	const workers, steps = 16, 100
	for round := range rounds {
		h := New(Options{Presence: true, Watched: round%2 > 0})
		t.Cleanup(h.Close)
		viewers := make([][]*viewer, workers)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(round), uint64(w)))
				v := joinViewer(h)
				viewers[w] = append(viewers[w], v)
				for range steps {
					name := string(rune('a' + rng.IntN(6)))
					switch rng.IntN(14) {
					case 12, 13:
						how, other := WatchHow(rng.IntN(3)), string(rune('a'+rng.IntN(6)))
						if h.Watch(&v.Member, WatchList{how, []string{name, other, name}}, new(wire.Holder), nil) != OK {
							continue
						}
						if v.watches == nil || how == WatchOnly {
							v.watches = make(map[string]bool)
						}
						v.watches[name], v.watches[other] = how != WatchNever, how != WatchNever
					case 0:
						v.over.Store(true)
						h.Leave(&v.Member, Goodbye, nil)
					case 1:
						h.List(&v.Member, nil)
					case 2:
						h.CatchUp(&v.Member, nil)
					case 3:
						if u := h.Find([]byte(name)); u != nil && u.ID != name {
							t.Errorf("found %s for %s", u.ID, name)
						}
					default:
						if h.Bind(&v.Member, Claim{ID: name}, nil) != OK {
							v = joinViewer(h) // replaced or gone, it comes again
							viewers[w] = append(viewers[w], v)
						}
					}
				}
			})
		}
		wg.Wait()
		all := slices.Concat(viewers...)
		checkViews(t, h, all)
		for _, v := range all {
			h.Leave(&v.Member, Goodbye, nil)
		}
		if h.Online() != 0 || h.roster.Len() != 0 || len(h.audience) != 0 || len(h.watched.names) != 0 {
			t.Errorf("when all have left: %d online, %d listed, %d told, %d watched", h.Online(), h.roster.Len(), len(h.audience), len(h.watched.names))
		}
		if t.Failed() {
			return
		}
	}
}
