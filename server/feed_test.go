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

// numbered is a feed whose samples are numbers from 1 on, and how many there
// were.
func numbered() (*feed, *atomic.Int64) {
	n := new(atomic.Int64)
	sample := func() []figure { return []figure{{"number", float64(n.Add(1))}} }
	event := func(figures []figure) []byte { return strconv.AppendFloat(nil, figures[0].value, 'f', -1, 64) }
	return newFeed("start", sample, event), n
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
		synctest.Wait()
		before := samples.Load()
		var all []chan []byte
		for range 10 {
			all = append(all, mustSubscribe(t, f))
		}
		for tick := range 100 {
			synctest.Wait()
			var first []byte
			for i, events := range all {
				event := <-events
				if string(event) != strconv.FormatInt(before+int64(tick)+1, 10) {
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
		if n := samples.Load() - before; n != 101 {
			t.Errorf("%d samples in 100 ticks for 10 subscribers", n)
		}
		f.Close()
	})
}

func TestFeedTakesFewSamplesWithoutSubscribers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		time.Sleep(10*pastInterval - feedInterval/2)
		if n := samples.Load(); n != 10 {
			t.Errorf("%d samples in 10 intervals of the past", n)
		}
		// The next one is due in half a second, but a subscriber need not wait.
		first := mustSubscribe(t, f)
		synctest.Wait()
		if event := <-first; string(event) != "11" {
			t.Errorf("the first subscriber got event %s", event)
		}
		f.unsubscribe(first)
		f.unsubscribe(first)
		time.Sleep(pastInterval + feedInterval)
		synctest.Wait() // the sample that is due at this moment
		after := samples.Load()
		// No event is from before.
		second := mustSubscribe(t, f)
		synctest.Wait()
		if event := <-second; string(event) != strconv.FormatInt(after+1, 10) {
			t.Errorf("a new subscriber got event %s after %d samples", event, after)
		}
		f.Close()
	})
}

func TestFeedKeepsAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := numbered()
		synctest.Wait()
		if names, rows := f.history(); len(names) != 1 || names[0] != "number" || len(rows) != 1 || rows[0][0] != 1 {
			t.Fatalf("at the start: %v %v", names, rows)
		}
		// With a subscriber there are more samples, but not more rows.
		events := mustSubscribe(t, f)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range events {
			}
		}()
		time.Sleep(3*time.Hour + pastInterval/2)
		_, rows := f.history()
		if len(rows) != pastRows {
			t.Fatalf("%d rows, not %d", len(rows), pastRows)
		}
		for i, row := range rows[1:] {
			if row[0]-rows[i][0] != float64(pastInterval/feedInterval) {
				t.Fatalf("row %d is %v, then comes %v", i, rows[i], row)
			}
		}
		rows[0][0] = -1
		if _, again := f.history(); again[0][0] == -1 {
			t.Error("the rows are not a copy")
		}
		f.Close()
		<-done
	})
}

func TestFeedGivesNewSubscribersTheLatestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, samples := numbered()
		first := mustSubscribe(t, f)
		synctest.Wait()
		time.Sleep(feedInterval / 2)
		before := samples.Load()
		second := mustSubscribe(t, f)
		if one, two := <-first, <-second; string(one) != string(two) {
			t.Errorf("one got %s, the other %s", one, two)
		}
		if samples.Load() != before {
			t.Error("it took another sample")
		}
		f.Close()
	})
}

func TestFeedDropsSubscribersThatFallBehind(t *testing.T) {
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
		if event := <-quick; string(event) != strconv.FormatInt(samples.Load(), 10) {
			t.Errorf("the quick one got %s of %d", event, samples.Load())
		}
		f.Close()
	})
}

func TestFeedBoundsItsSubscribers(t *testing.T) {
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

func TestFeedGivesUpOnSubscribersThatDoNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, _ := numbered()
		start := time.Now()
		f.ServeHTTP(&stuck{ResponseWriter: httptest.NewRecorder()}, httptest.NewRequest(http.MethodGet, "/", nil))
		if took := time.Since(start); took != feedTimeout {
			t.Errorf("gave up after %v", took)
		}
		f.Close()
	})
}
