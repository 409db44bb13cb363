package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oodaa/signaling/server/hub"
	"github.com/oodaa/signaling/test/rig"
)

// An instance that rejoins is not logged as gone. One whose process ends is.
func TestInstanceGone(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	a, _ := startLogged(t, redis.URL())
	b, log := startLogged(t, redis.URL())
	for _, c := range []*Cluster{a, b} {
		rig.Eventually(t, "joined", func() bool { return c.Status().Instances == 2 })
	}
	former := a.current()
	former.fail(errRejoin)
	rig.Eventually(t, "a has rejoined", func() bool { s := a.current(); return s != nil && s != former })
	rig.Eventually(t, "b has cleared the former instance away", func() bool {
		return !strings.Contains(redis.Do("SMEMBERS", "test:nodes"), former.instance)
	})
	if text := log.String(); strings.Contains(text, "instance disappeared") {
		t.Errorf("logged of an instance that lives on:\n%s", text)
	}

	last := a.current().instance
	a.stop() // without leaving
	<-a.done
	rig.Eventually(t, "b logs that a is gone", func() bool { return strings.Contains(log.String(), "instance disappeared") })
	if text := log.String(); strings.Count(text, "instance disappeared") != 1 || !strings.Contains(text, last) {
		t.Errorf("%s is gone:\n%s", last, text)
	}
	b.Close(t.Context())
}

// A directory that lacks changes which were applied, as after a failover, is
// noticed: its next changes would have numbers that were had before.
func TestForgottenChanges(t *testing.T) {
	t.Parallel()
	redis := rig.StartRedis(t)
	a, b := start(t, redis.URL(), "a", true), start(t, redis.URL(), "b", true)
	for _, c := range []*Cluster{a, b} {
		rig.Eventually(t, "joined", func() bool { return c.Status().Instances == 2 })
	}
	for i := range 5 {
		if _, code := a.testClaim(t, hub.Claim{ID: fmt.Sprint("u", i)}, nil); code != hub.OK {
			t.Fatal(code)
		}
	}
	rig.Eventually(t, "b knows all", func() bool { return b.Hub.Find([]byte("u4")) != nil })
	before := b.current()
	redis.Do("HINCRBY", "test:versions", streamAll, "-3")
	begun := time.Now()
	if _, code := a.testClaim(t, hub.Claim{ID: "late"}, nil); code != hub.OK {
		t.Fatal(code)
	}
	rig.Eventually(t, "b knows the newest user", func() bool { return b.Hub.Find([]byte("late")) != nil })
	if b.current() == before {
		t.Error("b has not rejoined")
	}
	t.Logf("noticed after %v", time.Since(begun))
}
