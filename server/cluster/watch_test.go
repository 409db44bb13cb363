package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/server/wire"
)

// A watcher is a client that keeps track of which of the users it watches are online,
// from its lists and the changes that follow them.
type watcher struct {
	client
	t       *testing.T
	watches map[string]bool

	mu   sync.Mutex // the hub tells it from a goroutine of its own, too
	view map[string]bool
}

func (w *watcher) Spell(online *hub.Roster, u *hub.User) []byte {
	return append(online.AppendNames([]byte("["), u), ']')
}

func (w *watcher) SpellWatched(online *hub.Roster) []byte { return w.Spell(online, nil) }

func (w *watcher) Tell(list []byte, _ *wire.Batch) bool {
	var ids []string
	if err := json.Unmarshal(list, &ids); err != nil {
		w.t.Errorf("%q: %v", list, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.view = make(map[string]bool)
	for _, id := range ids {
		w.view[id] = true
	}
	return true
}

func (w *watcher) Announce(change *hub.Change, _ *wire.Batch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := change.User.ID
	if w.view[id] == change.Online {
		w.t.Errorf("told of %s, online %v, where %v are", id, change.Online, w.view)
	}
	if change.Online {
		w.view[id] = true
	} else {
		delete(w.view, id)
	}
	return true
}

// online returns the users that are online according to what the watcher was told.
func (w *watcher) online() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.view)
}

// A registry records the holder of each name, according to the feed.
type registry struct {
	*testing.T
	*Cluster
	rng     *rand.Rand
	version int64
	epoch   uint64
	at      map[string]holder // by name; an instance of ours has the client in ours
	ours    map[string]*client
}

var watchable = []string{"u", "v", "w", "x", "y", "z"}

func (r *registry) pick() string { return watchable[r.rng.IntN(len(watchable))] }

// publish has the feed bring some changes.
func (r *registry) publish(list ...fed) {
	r.version += int64(len(list))
	if err := r.session.apply(appendFeed(r.version, list...)); err != nil {
		r.Error(err)
	}
}

// goes is the end of a connection of ours.
func (r *registry) goes(name string) {
	if c := r.ours[name]; c != nil {
		delete(r.ours, name)
		r.Hub.Leave(&c.Member, hub.Goodbye, nil)
	}
}

func (r *registry) step() {
	name := r.pick()
	had, online := r.at[name]
	switch r.rng.IntN(8) {
	case 0, 1, 2: // another instance has it: who was there, or somebody else
		r.epoch++
		h := holder{[]string{"n.1", "m.1", "n.2"}[r.rng.IntN(3)], r.epoch, ""}
		kind := kindClaim
		if online && r.rng.IntN(2) == 0 {
			kind = kindAgain
		}
		if r.rng.IntN(4) == 0 {
			h.key = "key"
		}
		r.at[name] = h
		r.publish(fed{kind, name, h})
		r.goes(name)
	case 3, 4: // it is released, or was by an earlier registration already
		if online && had.instance != us {
			delete(r.at, name)
			r.publish(fed{kindRelease, name, had})
		}
		had.epoch += 1000
		had.instance = "o.1"
		r.publish(fed{kindRelease, name, had}, fed{kindKey, name, had})
	case 5: // it comes to us
		r.goes(name)
		r.epoch++
		r.epochs.Store(r.epoch)
		r.ours[name] = r.testUser(r.T, name)
		r.epoch = r.epochs.Load()
		r.at[name] = holder{instance: us, epoch: r.epoch}
	case 6:
		if online && had.instance == us {
			r.goes(name)
			delete(r.at, name)
		}
	case 7: // a verdict on a takeover
		if online && had.instance != us {
			r.publish(fed{[]string{kindOne, kindTwo}[r.rng.IntN(2)], name, holder{"n.1", had.epoch, had.process()}})
		}
	}
}

// Whatever the feed brings, and in whatever order: a watcher's list, and the changes
// that follow it, are what the directory says of those whom it watches. It is told of
// nobody else, of nobody twice, and of no departure of who was not there.
func TestWatchersAgainstModel(t *testing.T) {
	first := rand.Uint64()
	for i := range uint64(100) {
		t.Run(strconv.FormatUint(first+i, 10), func(t *testing.T) {
			r := &registry{
				T: t, rng: rand.New(rand.NewPCG(first+i, 0)),
				at: make(map[string]holder), ours: make(map[string]*client),
			}
			deadlines := wire.NewDeadlines()
			t.Cleanup(deadlines.Close)
			r.Cluster = newClusterWith(t, hub.Options{Presence: true, Watched: i%4 < 2, Grace: time.Duration(i%2) * time.Minute, Deadlines: deadlines})
			watchers := []*watcher{{t: t}, {t: t}}
			for n, w := range watchers {
				r.Hub.Join(&w.Member, w, false)
				t.Cleanup(func() { r.Hub.Leave(&w.Member, hub.Goodbye, nil) })
				r.epoch = r.epochs.Add(1)
				if code := r.Hub.Bind(&w.Member, hub.Claim{ID: fmt.Sprint("watcher", n), Turn: hub.Turn{Epoch: r.epoch}}, nil); code != hub.OK {
					t.Fatal(code)
				}
			}
			for step := 0; step < 300 && !t.Failed(); step++ {
				if w := watchers[r.rng.IntN(2)]; r.rng.IntN(6) == 0 || w.watches == nil {
					w.change(r)
				}
				r.step()
				for _, w := range watchers {
					r.Hub.CatchUp(&w.Member, nil)
					want := maps.Clone(w.watches)
					maps.DeleteFunc(want, func(name string, _ bool) bool { _, online := r.at[name]; return !online })
					if view := w.online(); w.watches != nil && !maps.Equal(view, want) {
						t.Errorf("step %d: a watcher ends with %v online, want %v", step, view, want)
					}
				}
			}
		})
	}
}

// change has the watcher watch others.
func (w *watcher) change(r *registry) {
	var ids []string
	for range r.rng.IntN(5) {
		ids = append(ids, r.pick())
	}
	how := []hub.WatchHow{hub.WatchOnly, hub.WatchAlso, hub.WatchNever}[r.rng.IntN(3)]
	if how == hub.WatchOnly || w.watches == nil {
		w.watches = make(map[string]bool)
	}
	for _, id := range ids {
		w.watches[id] = true
		if how == hub.WatchNever {
			delete(w.watches, id)
		}
	}
	if code := r.Hub.Watch(&w.Member, hub.WatchList{How: how, IDs: ids}, new(wire.Holder), nil); code != hub.OK {
		r.Errorf("watch %s: %d", strings.Join(slices.Sorted(slices.Values(ids)), " "), code)
	}
}
