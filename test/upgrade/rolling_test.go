package upgrade

import (
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/oodaa/signaling/test/rig"
)

const (
	// An instance that stops spreads the closing of its connections over at least this
	// long, so that its clients do not all come back at once.
	leastSpread = 500 * time.Millisecond
	// window is for the log.
	window = 200 * time.Millisecond
	// Fewer are not spread far enough to tell.
	manyUsers = 400
)

// A deployment is two instances, one server, behind nginx.
type deployment struct {
	t        *testing.T
	presence string
	redis    *rig.Redis
	addrs    [2]string
	nodes    [2]*rig.Server
	nginx    *rig.Proxy
}

func deploy(t *testing.T, presence string) *deployment {
	t.Helper()
	d := &deployment{t: t, presence: presence, redis: rig.StartRedis(t)}
	for i := range d.nodes {
		d.addrs[i] = rig.FreeAddr(t)
		d.start(i)
	}
	for _, s := range d.nodes {
		rig.AwaitReady(t, s)
	}
	d.nginx = startNginx(t, d.addrs[0], d.addrs[1])
	return d
}

func (d *deployment) start(i int) {
	d.t.Helper()
	_, port, err := net.SplitHostPort(d.addrs[i])
	if err != nil {
		d.t.Fatal(err)
	}
	d.nodes[i] = rig.Start(d.t, "PORT="+port, "REDIS_URL="+d.redis.URL(), fmt.Sprintf("NODE_ID=n%d", i),
		"PRESENCE="+d.presence, "TRUSTED_PROXIES=1", "LOG_LEVEL=info")
}

// A replacement is one instance's restart.
type replacement struct {
	clients             int // it had
	asked, ended, ready time.Time
}

// replace restarts an instance as an operator does: asks it to stop, waits for
// its end, starts its successor, and waits until that is ready.
func (d *deployment) replace(i int) (r replacement) {
	d.t.Helper()
	old := d.nodes[i]
	stats := old.Stats()
	r.clients = stats.Clients()
	r.asked = time.Now()
	old.Signal(syscall.SIGTERM)
	select {
	case <-old.Exited():
	case <-time.After(rig.Patience):
		d.t.Fatalf("instance %d did not stop:\n%s", i, old.Log.Tail())
	}
	r.ended = time.Now()
	if code := old.ExitCode(); code != 0 {
		d.t.Errorf("instance %d exited with %d:\n%s", i, code, old.Log.Tail())
	}
	for _, bad := range []string{`"msg":"panic recovered"`, `"level":"ERROR"`, `"msg":"stopped before all was sent"`} {
		for _, line := range old.Log.Lines(bad) {
			d.t.Errorf("instance %d logged: %s", i, line)
		}
	}
	d.start(i)
	rig.AwaitReady(d.t, d.nodes[i])
	r.ready = time.Now()
	return r
}

// TestRollingRestart replaces two instances, one after the other, under users
// who talk. Nobody is cut off without a word, no connection fails, nothing that
// was acknowledged is lost, nobody is announced as gone, all are back and reachable,
// and the server has spread their coming back in time.
func TestRollingRestart(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, presence := range []string{"all", "none"} {
		t.Run("presence "+presence, func(t *testing.T) { rollingRestart(t, presence) })
	}
}

func rollingRestart(t *testing.T, presence string) {
	count := 1000
	if raced {
		count = 200
	}
	d := deploy(t, presence)
	f := gather(t, d.nginx.Addr, count)
	f.talk()
	f.await("traffic", func(u *user) bool { return u.family == rig.Volli || len(u.sent) >= 4 && u.sent[3].outcome == delivered })

	var restarts []replacement
	for i := range d.nodes {
		restarts = append(restarts, d.replace(i))
	}
	f.awaitAll()
	over := time.Now()
	f.silence()
	f.settle()
	d.reachAll(f)
	f.end()
	d.nginx.Stop(syscall.SIGQUIT)

	sum := f.check()
	t.Log(sum)
	// Nobody left: all are back within the grace.
	if sum.departures > 0 {
		t.Errorf("%d departures were announced", sum.departures)
	}
	// A Close frame may cross the answer to the ping behind a relay, and the relay come
	// again; a user may be gone and not be known to be away when it is called.
	if allowed := sum.sent / 100; sum.twice > allowed || sum.refused > allowed {
		t.Errorf("%d relays arrived twice, and %d were refused, of %d", sum.twice, sum.refused, sum.sent)
	}
	everything := f.outages(restarts[0].asked, over)
	var away, joining []time.Duration
	for _, o := range everything {
		away = append(away, o.back.Sub(o.told))
		joining = append(joining, o.back.Sub(o.dialed))
	}
	t.Logf("%d times without reachability: %s; %d at the same time, at most; of that, from the connection to the registration: %s",
		len(away), durations(away), mostAway(everything), durations(joining))
	clients := 0
	for i, r := range restarts {
		clients += r.clients
		until := over
		if i+1 < len(restarts) {
			until = restarts[i+1].asked
		}
		d.report(i, r, f.ends(r.asked, until), f.outages(r.asked, until))
	}
	// Not for each of them: a busy machine reads of a stop after the next one began.
	if told := len(f.ends(restarts[0].asked, over)); told < clients {
		t.Errorf("the instances had %d clients when they were asked to stop, and told %d", clients, told)
	}
	d.checkConnects(f)
}

// report logs how the clients of one instance went and came back, and checks
// that all were told to go, and apart in time.
func (d *deployment) report(i int, r replacement, ends []end, outages []outage) {
	d.t.Helper()
	const unit = 10 * time.Millisecond
	d.t.Logf("instance %d: %d clients, ended %v after it was asked to, its successor ready after %v more",
		i, r.clients, r.ended.Sub(r.asked).Round(unit), r.ready.Sub(r.ended).Round(unit))
	told := spreadOf(ends, func(e end) time.Time { return e.at })
	for _, of := range []struct {
		what string
		when spread
	}{
		{"told to go", told},
		{"connected again", spreadOf(outages, func(o outage) time.Time { return o.dialed })},
		{"registered again", spreadOf(outages, func(o outage) time.Time { return o.back })},
	} {
		d.t.Logf("instance %d: %s, by 100 ms: %s; at most %d within 100 ms, %.0f %% within %v", i, of.what,
			of.when.histogram(r.asked, 100*time.Millisecond), of.when.most(100*time.Millisecond), 100*of.when.share(window), window)
	}
	for _, e := range ends {
		if e.cut != nil {
			d.t.Errorf("instance %d: a client was cut off without a word: %v", i, e.cut)
		}
	}
	if raced {
		return
	}
	if r.clients < manyUsers {
		d.t.Errorf("instance %d had only %d clients", i, r.clients)
	}
	// On a busy machine, connections that are due while the server does not run are
	// closed together, later, which is right. Package wire tests that none is late
	// without need. Clients whose registration is refused are closed at once.
	registered := spreadOf(slices.DeleteFunc(ends, func(e end) bool { return !e.registered }), func(e end) time.Time { return e.at })
	if early := registered.early(r.asked, leastSpread); early > 0 {
		d.t.Errorf("instance %d told %d of its %d clients earlier than if it spread them over %v: by 10 ms, %s",
			i, early, len(registered), leastSpread, registered.histogram(r.asked, unit))
	}
}

// checkConnects checks that no client had to try again, and tells how nginx saw
// to that.
func (d *deployment) checkConnects(f *fleet) {
	d.t.Helper()
	late := 0
	for _, u := range f.users {
		late += u.late
	}
	if failures := f.failures(); len(failures) > 0 {
		d.t.Errorf("connections failed: %v", failures)
	}
	d.t.Logf("%d registrations came just when an instance began to stop, and had to be made anew", late)
	all, moved, failed := requests(d.nginx)
	d.t.Logf("nginx: %d connections, %d of them refused by an instance and taken by the other, %d failed", all, moved, failed)
	if failed > 0 {
		d.t.Errorf("%d connections failed:\n%s", failed, d.nginx.Errors())
	}
}

// reachAll sends a relay to every user through each instance; all must arrive.
func (d *deployment) reachAll(f *fleet) {
	d.t.Helper()
	for i, s := range d.nodes {
		prober := rig.MustDial(d.t, s.Addr, rig.Oodaa)
		if err := prober.Register(fmt.Sprint("prober ", i)); err != nil {
			d.t.Fatal(err)
		}
		id := relayID{From: -1 - i}
		for _, u := range f.users {
			ack, err := prober.Send(u.name(), fmt.Sprintf(`{"from":%d,"n":%d}`, id.From, id.N), true)
			if err != nil {
				d.t.Fatal(err)
			}
			if m, err := prober.Await(ack); err != nil || string(m.Args) != `{"ok":true}` {
				d.t.Errorf("%s, through instance %d: %s, %v", u.name(), i, m.Args, err)
			}
		}
		var missing []string
		if !f.within(rig.Patience/3, func() bool {
			missing = nil
			for _, u := range f.users {
				u.mu.Lock()
				if u.arrived[id] != 1 {
					missing = append(missing, u.name())
				}
				u.mu.Unlock()
			}
			return len(missing) == 0
		}) {
			d.t.Errorf("a relay through instance %d was acknowledged, and did not arrive (once) at %v", i, missing)
		}
		prober.Close()
	}
}
