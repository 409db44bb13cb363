package server

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/oodaa/signaling/events"
)

const (
	// feedInterval is the time between two events of a feed.
	feedInterval = time.Second
	// maxSubscribers bounds how many may follow a feed at a time.
	maxSubscribers = 64
	// feedBacklog is how many events may wait for a subscriber; who is further
	// behind is dropped.
	feedBacklog = 4
	// feedTimeout is how long it may take to write an event.
	feedTimeout = 5 * time.Second
)

// A feed is a stream of events to any number of subscribers, as Server-Sent
// Events. An event is made once for all of them, and none is while there are no
// subscribers. Make it with newFeed.
type feed struct {
	sample func() []byte // makes the next event; safe for concurrent use

	mu          sync.Mutex
	closed      bool
	subscribers map[chan []byte]struct{}
	last        []byte        // event, of the running sampler
	stop        chan struct{} // closed to end the running sampler; nil without one

	samplers sync.WaitGroup
}

func newFeed(sample func() []byte) *feed {
	return &feed{sample: sample, subscribers: make(map[chan []byte]struct{})}
}

// What subscribers are refused with.
var (
	errFeedClosed = errors.New("server is shutting down")
	errFeedFull   = errors.New("too many subscribers")
)

// Close ends all streams, and waits for the sampler. It may be called twice.
func (f *feed) Close() {
	f.mu.Lock()
	f.closed = true
	for events := range f.subscribers {
		f.drop(events)
	}
	f.mu.Unlock()
	f.samplers.Wait()
}

// subscribe returns where the events are to be had, the latest at once. It is
// closed when the feed ends or the subscriber falls behind.
func (f *feed) subscribe() (events chan []byte, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errFeedClosed
	}
	if len(f.subscribers) == maxSubscribers {
		return nil, errFeedFull
	}
	events = make(chan []byte, feedBacklog)
	f.subscribers[events] = struct{}{}
	if f.stop == nil {
		f.stop = make(chan struct{})
		f.samplers.Add(1)
		go f.run(f.stop)
	} else if f.last != nil {
		events <- f.last
	}
	return events, nil
}

func (f *feed) unsubscribe(events chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subscribers[events]; ok {
		f.drop(events)
	}
}

// drop ends a subscription, and with the last one the sampler. It is called
// with mu held.
func (f *feed) drop(events chan []byte) {
	close(events)
	delete(f.subscribers, events)
	if len(f.subscribers) == 0 {
		close(f.stop)
		f.stop, f.last = nil, nil
	}
}

// run makes events until stop is closed, which the last subscriber does when it
// goes, and Close.
func (f *feed) run(stop chan struct{}) {
	defer f.samplers.Done()
	tick := time.NewTicker(feedInterval)
	defer tick.Stop()
	for {
		f.publish(f.sample(), stop)
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// publish hands an event to all subscribers, if the sampler that stop belongs
// to is still the running one.
func (f *feed) publish(event []byte, stop chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != stop {
		return
	}
	f.last = event
	for events := range f.subscribers {
		select {
		case events <- event:
		default:
			f.drop(events)
		}
	}
}

// ServeHTTP streams the events until the client goes or the feed ends.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect the events
	if r.Method == http.MethodHead {
		return
	}
	stream, err := f.subscribe()
	if err != nil {
		text := "Too many subscribers"
		if errors.Is(err, errFeedClosed) {
			text = events.Unavailable.OodaaText(0, nil)
		}
		h.Set("Retry-After", "5")
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": text})
		return
	}
	defer f.unsubscribe(stream)
	for {
		select {
		case event, ok := <-stream:
			if !ok || write(w, event) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// write sends an event now. The deadline is the next request's no more: between
// requests the HTTP server lifts it.
func write(w http.ResponseWriter, event []byte) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(feedTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := w.Write(event); err != nil {
		return err
	}
	return control.Flush()
}
