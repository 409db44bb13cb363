package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// numbered is a feed whose events are numbers, and how many there were.
func numbered() (*feed, *atomic.Int64) {
	n := new(atomic.Int64)
	return newFeed(func() []byte { return strconv.AppendInt(nil, n.Add(1), 10) }), n
}

func mustSubscribe(t *testing.T, f *feed) chan []byte {
	t.Helper()
	events, err := f.subscribe()
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestFeedMakesEachEventOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		var all []chan []byte
		for range 10 {
			all = append(all, mustSubscribe(t, f))
		}
		for tick := range 100 {
			synctest.Wait()
			var first []byte
			for i, events := range all {
				event := <-events
				if string(event) != strconv.Itoa(tick+1) {
					t.Fatalf("subscriber %d got event %s at tick %d", i, event, tick)
				}
				if first == nil {
					first = event
				}
				if &event[0] != &first[0] {
					t.Fatal("an event was copied")
				}
			}
			time.Sleep(feedInterval)
		}
		synctest.Wait()
		if samples.Load() != 101 {
			t.Errorf("%d samples in 100 ticks for 10 subscribers", samples.Load())
		}
		f.Close()
	})
}

func TestFeedRestsWithoutSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		time.Sleep(10 * feedInterval)
		if samples.Load() != 0 {
			t.Errorf("%d samples before anybody came", samples.Load())
		}
		first, second := mustSubscribe(t, f), mustSubscribe(t, f)
		synctest.Wait()
		f.unsubscribe(first)
		f.unsubscribe(first)
		time.Sleep(feedInterval)
		synctest.Wait()
		if samples.Load() != 2 {
			t.Errorf("%d samples in one interval", samples.Load())
		}
		f.unsubscribe(second)
		f.samplers.Wait()
		time.Sleep(10 * feedInterval)
		if samples.Load() != 2 {
			t.Errorf("%d samples after everybody left", samples.Load())
		}
		// It goes on with a new one, and no event is from before.
		third := mustSubscribe(t, f)
		if event := <-third; string(event) != "3" {
			t.Errorf("a newcomer got event %s", event)
		}
		f.Close()
	})
}

func TestFeedGivesNewcomersTheLatestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		first := mustSubscribe(t, f)
		synctest.Wait()
		time.Sleep(feedInterval / 2)
		second := mustSubscribe(t, f)
		for i, events := range []chan []byte{first, second} {
			select {
			case event := <-events:
				if string(event) != "1" {
					t.Errorf("subscriber %d got %s", i, event)
				}
			default:
				t.Errorf("subscriber %d got nothing", i)
			}
		}
		if samples.Load() != 1 {
			t.Errorf("%d samples", samples.Load())
		}
		f.Close()
	})
}

func TestFeedChangesHandsWithoutASecondSampler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		for range 100 {
			f.unsubscribe(mustSubscribe(t, f))
		}
		last := mustSubscribe(t, f)
		synctest.Wait()
		before := samples.Load()
		for range feedBacklog {
			<-last
			time.Sleep(feedInterval)
			synctest.Wait()
		}
		if samples.Load() != before+feedBacklog {
			t.Errorf("%d samples in %d intervals", samples.Load()-before, feedBacklog)
		}
		f.Close()
	})
}

func TestFeedDropsWhoFallsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		slow, quick := mustSubscribe(t, f), mustSubscribe(t, f)
		for range feedBacklog + 1 {
			synctest.Wait()
			<-quick
			time.Sleep(feedInterval)
		}
		synctest.Wait()
		got := 0
		for range slow {
			got++
		}
		if got != feedBacklog {
			t.Errorf("the slow one got %d events before it was dropped", got)
		}
		if event := <-quick; string(event) != strconv.Itoa(feedBacklog+2) {
			t.Errorf("the quick one got %s", event)
		}
		// And when nobody is left, it rests.
		time.Sleep(2 * feedBacklog * feedInterval)
		f.samplers.Wait()
		after := samples.Load()
		time.Sleep(feedInterval)
		if samples.Load() != after {
			t.Error("it goes on after the last one was dropped")
		}
		f.Close()
	})
}

func TestFeedHasRoomForSoMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := numbered()
		var all []chan []byte
		for range maxSubscribers {
			all = append(all, mustSubscribe(t, f))
		}
		if _, err := f.subscribe(); !errors.Is(err, errFeedFull) {
			t.Errorf("one too many: %v", err)
		}
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many: %d %v", w.Code, w.Header())
		}
		f.unsubscribe(all[0])
		mustSubscribe(t, f)
		f.Close()
		f.Close()
		for _, events := range all[1:] {
			for range events {
			}
		}
		if _, err := f.subscribe(); !errors.Is(err, errFeedClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// stuck is a connection whose other end does not read any more.
type stuck struct {
	http.ResponseWriter
	deadline time.Time
}

func (s *stuck) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *stuck) Write([]byte) (int, error) {
	time.Sleep(time.Until(s.deadline))
	return 0, os.ErrDeadlineExceeded
}

func TestFeedGivesUpWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := numbered()
		start := time.Now()
		f.ServeHTTP(&stuck{ResponseWriter: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
		if took := time.Since(start); took != feedTimeout {
			t.Errorf("gave up after %v", took)
		}
		f.samplers.Wait() // nobody is left
		f.Close()
	})
}
