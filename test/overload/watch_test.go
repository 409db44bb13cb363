package overload

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oodaa/signaling/test/rig"
)

// watchedSize is what one watched user is accounted with.
const watchedSize = 150

// watchList is a list of 1,000 users, with an acknowledgement, that shares no name with
// those of other numbers.
func watchList(number int) []byte {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf(`"u%d-%d"`, number, i)
	}
	return frame(`421["watch-users",{"users":[` + strings.Join(names, ",") + `]}]`)
}

// memoryHeld is what the account says.
func (s *stage) memoryHeld() int {
	s.t.Helper()
	_, body, err := s.get("/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "\nsignaling_client_memory_bytes ")
	line, _, _ := strings.Cut(rest, "\n")
	held, err := strconv.ParseFloat(line, 64)
	if err != nil {
		s.t.Fatalf("memory held: %v", err)
	}
	return int(held)
}

// TestWatchLists has clients of one address watch many different users, and others
// change lists of 1,000 users as fast as they can. Each of those is held to its
// budget, and ended for what is beyond it.
func TestWatchLists(t *testing.T) {
	waits(t)
	engines(t, func(t *testing.T, engine string) {
		const hoarders = 200
		s := begin(t, engine, "PRESENCE=watched", "MESSAGE_RATE=50", "MESSAGE_BURST=200")
		for i, e := range s.crew(hoarders, rig.Oodaa, "hoarder", way{}) {
			e.read()
			if err := e.send(watchList(i)); err != nil {
				t.Fatal(err)
			}
			e.until(t, "a list", func(t *tally) bool { return t.oks == 1 })
		}
		if held, want := s.memoryHeld(), hoarders*1000*watchedSize; held < want {
			t.Errorf("%d bytes are held, want %d or more", held, want)
		}

		changers := s.crew(10, rig.Oodaa, "changer", way{})
		lists := append(watchList(hoarders), watchList(hoarders+1)...)
		start := time.Now()
		var wg sync.WaitGroup
		for _, e := range changers {
			e.read()
			wg.Go(func() { _, _ = e.flood(lists, nil) })
		}
		for _, e := range changers {
			rig.Eventually(t, "the end", e.ended)
			_ = e.Close()
			lists := so(e, func(t *tally) int { return t.oks })
			// 200 packets, 50 more each second, and what was read before a pause: ten for
			// each list.
			if most := (200+int(50*time.Since(start).Seconds()))/10 + 20; lists > most {
				t.Errorf("%s changed its list %d times, over %d", e.id, lists, most)
			}
			t.Logf("%s changed its list %d times in %v", e.id, lists, time.Since(start))
		}
		wg.Wait()
		s.bound(memory{clients: hoarders + len(changers) + 4, extra: (hoarders + int64(len(changers))) * 1000 * watchedSize})
		s.dismiss()
		rig.Eventually(t, "nothing held", func() bool { return s.memoryHeld() < 1000*watchedSize })
		s.end()
	})
}

// TestWatchListsAreAccounted has clients of one address watch more users than
// MAX_HELD_BYTES allows: those who watch most are ended. It is for the native engine:
// with the other one, something waits for the pair now and then, and is refused.
func TestWatchListsAreAccounted(t *testing.T) {
	const (
		hoarders = 200
		limit    = 16 << 20
	)
	s := begin(t, "native", "PRESENCE=watched", fmt.Sprint("MAX_HELD_BYTES=", limit))
	modest := s.crew(1, rig.Oodaa, "modest", way{})[0]
	modest.read()
	if err := modest.send(frame(`421["watch-users",{"users":["pair-0","pair-1"]}]`)); err != nil {
		t.Fatal(err)
	}
	for i, e := range s.crew(hoarders, rig.Oodaa, "hoarder", way{}) {
		e.read()
		if err := e.send(watchList(i)); err != nil {
			t.Fatal(err)
		}
	}
	const most = limit / 8 * 9
	rig.Eventually(t, "lists within the limit", func() bool {
		return s.clients() <= most/(1000*watchedSize)+4 && s.memoryHeld() <= most
	})
	if n := s.clients(); n < most/(1000*watchedSize)/2 {
		t.Errorf("only %d clients are left", n)
	}
	if modest.ended() {
		t.Errorf("who watches two users was ended: %v", modest.last())
	}
	s.end()
}
