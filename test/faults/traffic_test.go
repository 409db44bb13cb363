package faults

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// A fault is what happens to a network under traffic.
type fault struct {
	name   string
	before []toxic // from the start
	wake   []toxic // from the start, but asleep until the middle of the traffic
	amid   []toxic // added then
	breaks bool    // all connections that go through it
}

var asleepReset = toxic{kind: "reset_peer", upstream: true, attributes: `{"timeout":0}`, asleep: true}

var faultsOfNetworks = []fault{
	{name: "none"},
	{name: "latency", before: both("latency", `{"latency":40,"jitter":30}`)},
	{name: "slicer", before: both("slicer", `{"average_size":40,"size_variation":20,"delay":50}`)},
	{name: "bandwidth", before: both("bandwidth", `{"rate":64}`)},
	{name: "slow close", before: both("slow_close", `{"delay":300}`)},
	{name: "slow close, slices and delays", before: slices.Concat(both("latency", `{"latency":5,"jitter":5}`),
		both("slicer", `{"average_size":50,"size_variation":30,"delay":10}`), both("slow_close", `{"delay":100}`))},
	{name: "reset", wake: []toxic{asleepReset}, breaks: true},
	{name: "end of data to the server", before: []toxic{{kind: "limit_data", upstream: true, attributes: `{"bytes":10000}`}}, breaks: true},
	{name: "end of data to the client", amid: []toxic{{kind: "limit_data", attributes: `{"bytes":2345}`}}, breaks: true},
	{name: "stall, then close", amid: both("timeout", `{"timeout":300}`), breaks: true},
	{name: "silence", amid: both("timeout", `{"timeout":0}`), breaks: true},
}

// pairsOf are the pairs that talk through each network. The first of each goes
// through it; the second, too, or directly.
func pairsOf(engine string) (pairs [][2]kind) {
	pairs = [][2]kind{{oodaa, volli}, {volli, oodaa}, {oodaa, oodaa}, {volli, volli}}
	if engine == "native" {
		pairs = append(pairs, [2]kind{polling, oodaa}, [2]kind{polling, volli})
	}
	return pairs
}

// Whatever the networks do, a relay that was acknowledged with ok arrives once
// and in order at a client whose connection lasts, one that was refused does
// not arrive, and only a broken connection leaves one unanswered.
func TestTrafficOverBadNetworks(t *testing.T) {
	verifyNoLeaks(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := start(t, engine, "PING_INTERVAL=1s", "PING_TIMEOUT=10s")
			b := measureBase(t, s)
			talkOverBadNetworks(t, s, engine)
			b.await(t)
		})
	}
}

func talkOverBadNetworks(t *testing.T, s *rig.Server, engine string) {
	type talk struct {
		fault
		pairs [][2]*talker
	}
	var talks []talk
	var all []*talker
	networks := make(map[string]*network)
	alive := 0
	for _, f := range faultsOfNetworks {
		n := newNetwork(t, s.Addr)
		networks[f.name] = n
		one := talk{fault: f}
		n.add(slices.Concat(f.before, f.wake)...)
		for i, kinds := range pairsOf(engine) {
			addrs := [2]string{n.addr(), s.Addr}
			if kinds[0] == kinds[1] {
				addrs[1] = n.addr()
			}
			p := newPair(t, fmt.Sprint(f.name, " ", i), addrs, kinds)
			p[0].paced, p[1].paced = !f.breaks, !f.breaks
			one.pairs = append(one.pairs, p)
			all = append(all, p[:]...)
			switch {
			case !f.breaks:
				alive += 2
			case kinds[0] != kinds[1]:
				alive++
			}
		}
		talks = append(talks, one)
	}
	stop := make(chan struct{})
	var talking sync.WaitGroup
	for _, u := range all {
		talking.Go(func() { u.talk(time.Duration(scaled(50, 100))*time.Millisecond, stop) })
	}
	defer func() {
		for _, u := range all {
			if t.Failed() && !u.settled() {
				t.Logf("not settled: %v", u)
			}
		}
	}()
	const each = 20 // messages that everybody gets before anything breaks
	var lasting []*talker
	for _, one := range talks {
		for _, p := range one.pairs {
			if !one.breaks {
				lasting = append(lasting, p[:]...)
			}
		}
	}
	rig.EventuallyAll(t, "traffic", each*len(lasting), func() (got int) {
		for _, u := range lasting {
			got += min(u.arrived(), each)
		}
		return got
	})
	for _, f := range faultsOfNetworks {
		for _, w := range f.wake {
			networks[f.name].wake(w)
		}
		networks[f.name].add(f.amid...)
	}
	rig.Eventually(t, "only those are left whose connections last", func() bool {
		stats := s.Stats()
		return stats.Clients() == alive
	})
	close(stop)
	talking.Wait()
	rig.Eventually(t, "all relays between them are answered", func() bool {
		return !slices.ContainsFunc(all, func(u *talker) bool { return !u.settled() })
	})

	for _, one := range talks {
		var sum tally
		resets := 0
		for i, p := range one.pairs {
			through := [2]bool{true, pairsOf(engine)[i][0] == pairsOf(engine)[i][1]}
			for j, u := range p {
				broken := one.breaks && through[j]
				if !broken && ended(u) {
					t.Errorf("%s: the connection of %s ended: %v", one.name, u.name, u.Err())
				}
				if errors.Is(u.Err(), syscall.ECONNRESET) {
					resets++
				}
				tally, err := u.check(!broken, !(one.breaks && through[1-j]))
				if err != nil {
					t.Errorf("%s: %s to %s: %v", one.name, u.name, u.to.name, err)
				}
				sum.add(tally)
			}
		}
		t.Logf("%s: %v", one.name, sum)
		if len(one.wake) > 0 && resets == 0 {
			t.Errorf("%s: no connection was reset", one.name)
		}
		if one.breaks == (sum.refused == 0) {
			t.Errorf("%s: %d relays were refused", one.name, sum.refused)
		}
	}
	for _, u := range all {
		u.Close()
		<-u.read
	}
	for _, n := range networks {
		n.close()
	}
}
