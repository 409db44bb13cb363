package cluster

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A user has a name, and connects anew, somewhere, whenever its connection
// ends. What is in it is guarded by world.mu.
type user struct {
	w      *world
	name   string
	family rig.Family
	home   *node // nil: anywhere
	stays  bool  // with its first connection, whatever becomes of it

	now   *link // nil while there is none that is registered
	links []*link
	gone  bool // for good
}

// A link is one connection of a user.
type link struct {
	user   *user
	node   *node
	client *rig.Client

	registered chan struct{} // closed when it is
	answered   bool
	opened     time.Time
	since      time.Time // when it was registered
	ended      time.Time
	left       bool          // the user is elsewhere
	leave      chan struct{} // closed then

	acks   map[string]*relay
	early  map[string]bool // acknowledgements that came before the sender knew
	errors map[string]int  // that a Volli user got, by target
	view   map[string]bool // who is online, as far as it was told
	got    []*relay
}

// A relay is one that a user sent.
type relay struct {
	id       int
	from     *link
	to       *user
	sent     time.Time
	answered time.Time // zero: not
	ok       bool
	arrived  []arrival
}

type arrival struct {
	link *link
	at   time.Time
}

// add adds a user who connects at home, sends somebody a message every
// interval, unless it is 0, and waits until it is registered.
func (w *world) add(name string, family rig.Family, home *node, stays bool, interval time.Duration) *user {
	w.t.Helper()
	u := &user{w: w, name: name, family: family, home: home, stays: stays}
	w.mu.Lock()
	w.users = append(w.users, u)
	w.mu.Unlock()
	w.running.Go(u.live)
	if interval > 0 {
		w.running.Go(func() { u.talk(interval) })
	}
	rig.Eventually(w.t, name+" registered", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return u.now != nil
	})
	return u
}

func userName(n *node, i int) string { return fmt.Sprintf("%s-u%d", n.name, i) }
func wandererName(i int) string      { return fmt.Sprint("wanderer", i) }

// wanderers is how many users there are that connect anywhere.
const wanderers = 4

// populate adds n users to each node, of both families by turns.
func (w *world) populate(n int, interval time.Duration) {
	w.t.Helper()
	for i := range n {
		for _, node := range w.nodes {
			w.add(userName(node, i), rig.Family(i%2), node, false, interval)
		}
	}
}

func (w *world) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// live connects, again and again.
func (u *user) live() {
	w := u.w
	for !w.stopped() {
		w.mu.Lock()
		n := u.home
		if n == nil || n.server == nil || n.frozen {
			n = w.pick()
		}
		addr := ""
		if n != nil {
			addr = n.server.Addr
		}
		w.mu.Unlock()
		if n == nil {
			w.wait(20 * time.Millisecond)
			continue
		}
		l, err := u.connect(n, addr)
		if err != nil {
			w.wait(50 * time.Millisecond)
			continue
		}
		select {
		case <-l.client.Done():
		case <-w.stop:
		case <-l.leave:
			continue
		}
		_ = l.client.Conn().Close()
		<-l.client.Done()
		w.mu.Lock()
		u.now = nil
		u.gone = u.stays
		w.mu.Unlock()
		if u.stays {
			return
		}
	}
}

// flee has a user connect anew elsewhere, and leave its connection as it is.
func (u *user) flee() {
	u.w.mu.Lock()
	defer u.w.mu.Unlock()
	if u.now != nil {
		u.now.left = true
		close(u.now.leave)
		u.now = nil
	}
}

// connect connects to a node, and registers.
func (u *user) connect(n *node, addr string) (*link, error) {
	w := u.w
	client, err := rig.Dial(addr, u.family, nil)
	if err != nil {
		return nil, err
	}
	client.ID = u.name
	l := &link{
		user: u, node: n, client: client, opened: time.Now(), registered: make(chan struct{}), leave: make(chan struct{}),
		acks: make(map[string]*relay), early: make(map[string]bool), errors: make(map[string]int), view: make(map[string]bool),
	}
	w.mu.Lock()
	u.links = append(u.links, l)
	w.mu.Unlock()
	w.running.Go(l.read)
	text := fmt.Sprintf(`42["register",{"userId":%q}]`, u.name)
	if u.family == rig.Volli {
		text = fmt.Sprintf(`{"type":"register","userId":%q,"publicKey":"key of %s"}`, u.name, u.name)
	}
	if err = client.SendRaw(text); err == nil {
		select {
		case <-l.registered:
			if err := l.watch(); err != nil {
				client.Close()
				return nil, err
			}
			w.mu.Lock()
			u.now = l
			w.mu.Unlock()
			return l, nil
		case <-client.Done():
			err = client.Err()
		case <-time.After(6 * time.Second):
			err = fmt.Errorf("not registered in time")
		case <-w.stop:
			err = fmt.Errorf("over")
		}
	}
	client.Close()
	return nil, err
}

// read takes note of what arrives, until the connection ends.
func (l *link) read() {
	w := l.user.w
	for m := range l.client.Inbox() {
		w.mu.Lock()
		l.take(m)
		w.mu.Unlock()
	}
	w.mu.Lock()
	l.ended = time.Now()
	if w.expectAll && !w.stopped() {
		w.strange = append(w.strange, fmt.Sprintf("%s was disconnected: %v", l.user.name, l.client.Err()))
	}
	w.mu.Unlock()
}

// take takes one message. w.mu is held.
func (l *link) take(m rig.Message) {
	w := l.user.w
	if ok := `{"ok":true}`; strings.HasPrefix(m.Event, "ack:") {
		if r := l.acks[m.Event]; r != nil {
			r.answer(m.At, string(m.Args) == ok)
		} else {
			l.early[m.Event] = string(m.Args) == ok
		}
		return
	}
	var peer struct{ PeerID string }
	switch m.Event {
	case "user-list":
		var list struct{ Users []string }
		_ = json.Unmarshal(m.Args, &list)
		clear(l.view)
		for _, name := range list.Users {
			l.view[name] = true
		}
		l.register(m.At)
	case "registered":
		l.register(m.At)
	case "presence-list":
		var list struct{ Online []string }
		_ = json.Unmarshal(m.Args, &list)
		clear(l.view)
		for _, name := range list.Online {
			l.view[name] = true
		}
	case "presence":
		var change struct {
			UserID string
			Online bool
		}
		_ = json.Unmarshal(m.Args, &change)
		l.told(change.UserID, change.Online)
	case "peer-connected":
		_ = json.Unmarshal(m.Args, &peer)
		l.told(peer.PeerID, true)
	case "peer-disconnected":
		_ = json.Unmarshal(m.Args, &peer)
		l.told(peer.PeerID, false)
	case "error":
		if l.user.family == rig.Volli {
			var failure struct{ Message string }
			_ = json.Unmarshal(m.Args, &failure)
			name, found := strings.CutPrefix(failure.Message, "User ")
			if found {
				l.errors[strings.TrimSuffix(name, " is not online")]++
			} else {
				w.t.Logf("%s got the error %q", l.user.name, failure.Message)
				_ = l.client.Conn().Close()
			}
		} else if !l.answered {
			_ = l.client.Conn().Close() // could not be registered
		}
	case "ice-candidate":
		var id int
		if err := json.Unmarshal(m.Body(), &id); err == nil && id < w.first {
			if !w.late[id] {
				w.strange = append(w.strange, fmt.Sprintf("%s got relay %d when all was over", l.user.name, id))
			}
			delete(w.late, id)
			return
		}
		id -= w.first
		if id < 0 || id >= len(w.relays) {
			w.strange = append(w.strange, fmt.Sprintf("%s got %s", l.user.name, m.Args))
			return
		}
		r := w.relays[id]
		r.arrived = append(r.arrived, arrival{l, m.At})
		l.got = append(l.got, r)
	}
}

// told takes note of a change of presence. w.mu is held.
func (l *link) told(name string, online bool) {
	w := l.user.w
	if l.answered && l.view[name] == online {
		w.strange = append(w.strange, fmt.Sprintf("%s was told twice that %s is online: %v", l.user.name, name, online))
	}
	if !l.user.sees(name) {
		w.strange = append(w.strange, fmt.Sprintf("%s was told of %s, whom it does not watch", l.user.name, name))
	}
	if online {
		l.view[name] = true
	} else {
		delete(l.view, name)
	}
}

// watch has the user watch whom it is to see, where it is not told of everybody.
func (l *link) watch() error {
	w := l.user.w
	if !w.watched() {
		return nil
	}
	var names []string
	for _, name := range w.names() {
		if l.user.sees(name) {
			names = append(names, name)
		}
	}
	list, err := json.Marshal(names)
	if err != nil {
		return err
	}
	if l.user.family == rig.Volli {
		return l.client.SendRaw(`{"type":"watch","userIds":` + string(list) + `}`)
	}
	return l.client.SendRaw(`42["watch-users",{"users":` + string(list) + `}]`)
}

// sees reports whether the user is told of a name: of half of them, where it is not
// told of everybody.
func (u *user) sees(name string) bool {
	hash := fnv.New32()
	_, _ = hash.Write([]byte(u.name + name))
	return !u.w.watched() || hash.Sum32()%2 == 0
}

func (l *link) register(at time.Time) {
	if !l.answered {
		l.answered = true
		l.since = at
		close(l.registered)
	}
}

func (r *relay) answer(at time.Time, ok bool) { r.answered, r.ok = at, ok }

// talk sends messages to others until the world ends.
func (u *user) talk(interval time.Duration) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-u.w.stop:
			return
		}
		u.w.mu.Lock()
		to := u.w.users[rand.IntN(len(u.w.users))]
		paused := u.w.paused
		u.w.mu.Unlock()
		if !paused && to != u {
			u.send(to)
		}
	}
}

// send sends one message; nil if the user is not connected.
func (u *user) send(to *user) *relay {
	w := u.w
	w.mu.Lock()
	l := u.now
	if l == nil {
		w.mu.Unlock()
		return nil
	}
	r := &relay{id: w.first + len(w.relays), from: l, to: to, sent: time.Now()}
	w.relays = append(w.relays, r)
	w.totals.sent++
	w.mu.Unlock()
	ack, err := l.client.Send(to.name, fmt.Sprint(r.id), true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && ack != "" {
		if ok, early := l.early[ack]; early {
			r.answer(time.Now(), ok)
		} else {
			l.acks[ack] = r
		}
	}
	return r
}
