package server

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/oodaa/signaling/errcode"
	"github.com/oodaa/signaling/events"
	"github.com/oodaa/signaling/server/hub"
)

const (
	// feedInterval is the time between two events of a feed.
	feedInterval = time.Second
	// pastInterval is the time between two rows of a feed's past.
	pastInterval = 10 * time.Second
	// pastRows bounds the past: an hour.
	pastRows = int(time.Hour / pastInterval)
	// maxSubscribers bounds how many may follow a feed at a time.
	maxSubscribers = 64
	// feedBacklog is how many events may wait for a subscriber. One that is
	// further behind is dropped.
	feedBacklog = 4
	// feedTimeout is how long it may take to write an event.
	feedTimeout = 5 * time.Second
)

// A feed is a stream of samples to any number of subscribers, as Server-Sent
// Events, and a past hour of them. An event is made once for all subscribers,
// and none is while there are no subscribers. Make it with newFeed.
type feed struct {
	start  string                // another one after each start of the server
	sample func() []figure       // reads the figures of this moment
	event  func([]figure) []byte // writes an event
	wake   chan struct{}         // has room for one: a subscriber came to an idle feed
	stop   chan struct{}         // closed by Close
	closes sync.Once

	mu          sync.Mutex
	closed      bool
	subscribers map[chan []byte]struct{}
	last        []byte // event; nil without subscribers
	past        past

	sampler sync.WaitGroup
}

// A figure is one number that the charts of the status page show. The names are
// the same, and in the same order, in every sample.
type figure struct {
	name  string
	value float64
}

func newFeed(start string, sample func() []figure, event func([]figure) []byte) *feed {
	f := &feed{
		start: start, sample: sample, event: event,
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
		subscribers: make(map[chan []byte]struct{}),
	}
	f.sampler.Add(1)
	go f.run()
	return f
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
		f.dropLocked(events)
	}
	f.mu.Unlock()
	f.closes.Do(func() { close(f.stop) })
	f.sampler.Wait()
}

// subscribe returns a channel of the events, the latest at once. It is closed
// when the feed ends or the subscriber falls behind.
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
	if f.last != nil {
		events <- f.last
		return events, nil
	}
	select {
	case f.wake <- struct{}{}:
	default: // it is awake
	}
	return events, nil
}

func (f *feed) unsubscribe(events chan []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.subscribers[events]; ok {
		f.dropLocked(events)
	}
}

func (f *feed) dropLocked(events chan []byte) {
	close(events)
	delete(f.subscribers, events)
	if len(f.subscribers) == 0 {
		f.last = nil // too old for the next subscriber
	}
}

// run takes samples until Close.
func (f *feed) run() {
	defer f.sampler.Done()
	tick := time.NewTicker(feedInterval)
	defer tick.Stop()
	var due time.Time // of the past's next row
	for {
		now := time.Now()
		keep := !now.Before(due)
		if keep {
			due = now.Add(pastInterval)
		}
		f.publish(keep)
		select {
		case <-tick.C:
		case <-f.wake:
			tick.Reset(feedInterval)
		case <-f.stop:
			return
		}
	}
}

// publish takes a sample where there are subscribers for it, or where it is to
// be kept.
func (f *feed) publish(keep bool) {
	f.mu.Lock()
	wanted := len(f.subscribers) > 0
	f.mu.Unlock()
	if !keep && !wanted {
		return
	}
	figures := f.sample()
	var event []byte
	if wanted {
		event = f.event(figures)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if keep {
		f.past.add(figures)
	}
	if event == nil || len(f.subscribers) == 0 {
		return
	}
	f.last = event
	for events := range f.subscribers {
		select {
		case events <- event:
		default:
			f.dropLocked(events)
		}
	}
	select {
	case <-f.wake: // for this event
	default:
	}
}

// A past is the last rows of figures, oldest first.
type past struct {
	names []string
	rows  [][]float64
	first int // the oldest, once there are pastRows
}

func (p *past) add(figures []figure) {
	if p.names == nil {
		for _, f := range figures {
			p.names = append(p.names, f.name)
		}
	}
	var row []float64
	if len(p.rows) == pastRows {
		row, p.first = p.rows[p.first][:0], (p.first+1)%pastRows
	}
	for _, f := range figures {
		row = append(row, f.value)
	}
	if len(p.rows) < pastRows {
		p.rows = append(p.rows, row)
	}
}

// history returns the names of the figures, and a copy of the rows.
func (f *feed) history() (names []string, rows [][]float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &f.past
	rows = make([][]float64, 0, len(p.rows))
	for i := range p.rows {
		rows = append(rows, slices.Clone(p.rows[(p.first+i)%len(p.rows)]))
	}
	return p.names, rows
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
		code, text := errcode.TooManySubscribers, "Too many subscribers"
		if errors.Is(err, errFeedClosed) {
			code, text = errcode.Unavailable, events.Text(hub.Unavailable)
		}
		h.Set("Retry-After", "5")
		answerError(w, http.StatusServiceUnavailable, code, text)
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

// write sends an event now. The deadline does not outlive the stream: the HTTP
// server lifts it before the next request.
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
