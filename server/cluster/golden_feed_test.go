package cluster

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/oodaa/signaling/test/rig"
)

// What the scripts publish and store stays as it is, since other releases read it.
// Each line of testdata/feed.txt has a step, what it publishes, and what the
// directory says behind it of those who have a name, and of pages that were closed.
func TestGoldenFeed(t *testing.T) {
	file, err := os.ReadFile("testdata/feed.txt")
	if err != nil {
		t.Fatal(err)
	}
	golden := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")

	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	c := newCluster(t)
	s := c.session
	s.redis = redis.NewClient(&redis.Options{Addr: rig.StartRedis(t).Addr})
	defer s.redis.Close()
	s.instance = "n.ABCDEFGH.IJKLMNOP"
	for _, script := range []*redis.Script{changeScript, reapScript} {
		if err := script.Load(ctx, s.redis).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.redis.Set(ctx, s.leaseKey(), "n", 0).Err(); err != nil {
		t.Fatal(err)
	}
	feed := s.redis.Subscribe(ctx, s.feedChannel())
	defer feed.Close()
	if _, err := feed.Receive(ctx); err != nil { // that it is subscribed
		t.Fatal(err)
	}

	change := func(list ...change) func() error {
		return func() error { return s.evalChanges(ctx, s.redis, "", list).Err() }
	}
	for i, step := range []struct {
		name string
		do   func() error
	}{
		{"claim", change(changed(kindClaim, "ann", 1, "a key"))},
		{"guarded and proved claims", change(changed(kindGuarded, "bob", 2, ""), changed(kindProved, "bob", 3, "b"))},
		{"claim that leaves a name", change(renamed(changed(kindClaim, "eve", 4, ""), "ann", 1))},
		{"claim again", change(changed(kindAgain, "eve", 4, "k"))},
		{"key", change(changed(kindKey, "eve", 4, "another key"))},
		{"release", change(changed(kindRelease, "eve", 4, ""))},
		{"claim by a user who is away", change(changed(kindClaim, "ann", 5, ""), changed(kindAway, "ann", 5, ""), changed(kindClaim, "ann", 6, "k"))},
		{"claim of a name that another instance has", func() error {
			if err := s.redis.Set(ctx, c.leaseOf("m.OTHER.X"), "m", 0).Err(); err != nil {
				return err
			}
			if err := s.redis.HSet(ctx, c.namesKey(), "eve", "m.OTHER.X 7 ").Err(); err != nil {
				return err
			}
			return change(changed(kindClaim, "eve", 8, ""))()
		}},
		{"claim of a name whose instance is gone", func() error {
			if err := s.redis.HSet(ctx, c.namesKey(), "eve", "m.GONE.X 7 ").Err(); err != nil {
				return err
			}
			return change(changed(kindClaim, "eve", 9, ""))()
		}},
		{"verdicts", change(changed(kindTwo, "eve", 9, "n.ABCDEFGH"), changed(kindOne, "ann", 6, "n.ABCDEFGH"))},
		{"releases", change(changed(kindRelease, "ann", 6, ""), changed(kindRelease, "eve", 9, ""))},
		{"end of a lease", func() error {
			if err := s.redis.Del(ctx, s.leaseKey()).Err(); err != nil {
				return err
			}
			return s.reap(ctx, state{dead: []string{s.instance}})
		}},
		{"release of a page that was closed", func() error {
			if err := s.redis.Set(ctx, s.leaseKey(), "n", 0).Err(); err != nil {
				return err
			}
			return change(changed(kindClaim, "ann", 10, "k"), changed(kindPage, "ann", 10, ""))()
		}},
		{"claim by the page, loaded again", change(changed(kindClaim, "ann", 11, "k"))},
		{"claim by another user", change(changed(kindPage, "ann", 11, ""), changed(kindGuarded, "ann", 12, "k"))},
		{"end of a page's absence", change(changed(kindPage, "ann", 12, ""), changed(kindRelease, "ann", 12, ""))},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		published, err := feed.ReceiveMessage(ctx)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		held, err := s.redis.HGetAll(ctx, c.namesKey()).Result()
		if err != nil {
			t.Fatal(err)
		}
		pages, err := s.redis.HGetAll(ctx, c.awayKey()).Result()
		if err != nil {
			t.Fatal(err)
		}
		line := step.name + "\t" + strconv.Quote(published.Payload)
		for _, name := range []string{"ann", "bob", "eve"} {
			if holder, ok := held[name]; ok {
				line += "\t" + name + " " + strconv.Quote(holder)
			}
			if _, ok := parsePage(pages[name]); ok {
				line += "\t" + name + " away " + strconv.Quote(pages[name])
			}
		}
		if i >= len(golden) || line != golden[i] {
			t.Errorf("testdata/feed.txt has no line\n%s", line)
		}
		version, list, err := parseFeed(published.Payload)
		if again := appendFeed(version, list...); err != nil || again != published.Payload {
			t.Errorf("%s: read as %q, %v", step.name, again, err)
		}
	}
}

func changed(kind, name string, epoch uint64, key string) change {
	return change{kind: kind, name: name, epoch: epoch, key: key}
}

func renamed(ch change, from string, epoch uint64) change {
	ch.from, ch.fromEpoch = from, epoch
	return ch
}
