package auth

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A pace says how often a key set is read.
type pace struct {
	gap      time.Duration // between two readings at least, and after one that failed
	interval time.Duration // between two readings at most
}

// The gap bounds what tokens of unknown keys, which anybody can send, cost the
// issuer. It is short enough for such a token to wait for a reading.
var (
	fetchPace = pace{gap: time.Second, interval: 5 * time.Minute}
	filePace  = pace{gap: time.Second, interval: 5 * time.Second}
)

// A keySource keeps a key set current. A set that cannot be had, or is none,
// leaves the former one in use.
type keySource struct {
	// static after construction
	name string // for the log
	read func(context.Context) ([]byte, error)
	pace pace
	log  *slog.Logger
	stop context.CancelFunc
	done chan struct{} // closed when run has ended

	keys   atomic.Pointer[keySet] // nil until there was one
	down   atomic.Bool            // the last reading failed
	wanted chan struct{}          // holds one wish to have it read early

	mu   sync.Mutex
	next chan struct{} // closed when the next reading to begin is complete

	// owned by who calls refresh: openKeySource, then run
	last []byte // what keys was parsed from
}

// openKeySource reads the key set, and starts to keep it current. The caller
// must close it.
func openKeySource(location string, fetch, file pace, log *slog.Logger) (*keySource, error) {
	if !isURL(location) {
		s := newKeySource(location, fileReader(location), file, log)
		if err := s.reload(context.Background()); err != nil {
			return nil, err
		}
		s.start()
		return s, nil
	}
	u, err := parseURL(location)
	if err != nil {
		return nil, err
	}
	// What else a URL holds may be secret.
	name := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	s := newKeySource(name.String(), urlReader(location), fetch, log)
	_ = s.refresh(context.Background()) // reported, and tried again
	s.start()
	return s, nil
}

func newKeySource(name string, read func(context.Context) ([]byte, error), p pace, log *slog.Logger) *keySource {
	return &keySource{
		name:   name,
		read:   read,
		pace:   p,
		log:    log,
		done:   make(chan struct{}),
		wanted: make(chan struct{}, 1),
		next:   make(chan struct{}),
	}
}

// start runs the goroutine that close waits for.
func (s *keySource) start() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.run(ctx)
}

func (s *keySource) close() {
	s.stop()
	<-s.done
}

// run reads the set at the source's pace until ctx is done.
func (s *keySource) run(ctx context.Context) {
	defer close(s.done)
	for s.pause(ctx) {
		_ = s.refresh(ctx) // reported
	}
}

// pause waits until the set is to be read again, and reports whether it is.
func (s *keySource) pause(ctx context.Context) bool {
	gap := time.NewTimer(s.pace.gap)
	defer gap.Stop()
	select {
	case <-gap.C:
	case <-ctx.Done():
		return false
	}
	if s.down.Load() {
		return true
	}
	rest := time.NewTimer(s.pace.interval - s.pace.gap)
	defer rest.Stop()
	select {
	case <-rest.C:
		return true
	case <-s.wanted:
		return true
	case <-ctx.Done():
		return false
	}
}

// refresh reads the set once. It logs only that it changed.
func (s *keySource) refresh(ctx context.Context) error {
	select {
	case <-s.wanted: // this reading answers that wish
	default:
	}
	s.mu.Lock()
	complete := s.next
	s.next = make(chan struct{})
	s.mu.Unlock()
	err := s.reload(ctx)
	s.report(err)
	close(complete)
	return err
}

func (s *keySource) reload(ctx context.Context) error {
	data, err := s.read(ctx)
	if err != nil {
		return err
	}
	if s.last != nil && !s.down.Load() && bytes.Equal(data, s.last) {
		return nil
	}
	set, err := parseKeySet(data)
	if err != nil {
		return err
	}
	s.keys.Store(set)
	s.last = data
	level := slog.LevelInfo
	if len(set.keys) == 0 {
		level = slog.LevelWarn
	}
	s.log.Log(ctx, level, "key set read", "source", s.name, "keys", len(set.keys), "skipped", set.skipped)
	return nil
}

// report notes whether the set could be read, and logs the first failure of a
// row. That Close interrupted the reading is not a failure.
func (s *keySource) report(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil && !s.down.Swap(true) {
		s.log.Warn("cannot read the key set, keeping the current keys", "source", s.name, "error", err)
	}
	if err == nil {
		s.down.Store(false)
	}
}

var (
	errNoKeys     = fmt.Errorf("%w: no key set was read yet", ErrUndecided)
	errUnknownKey = fmt.Errorf("%w: no such key in the key set", ErrUndecided)
)

// reading is closed when a reading that begins from now on is complete.
func (s *keySource) reading() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// find returns the key of that algorithm and id. If there is none the set is
// read again soon, but never sooner than the pace allows.
func (s *keySource) find(alg, kid string) (crypto.PublicKey, error) {
	set := s.keys.Load()
	if set == nil {
		return nil, errNoKeys
	}
	key, ok := set.find(alg, kid)
	if !ok {
		select {
		case s.wanted <- struct{}{}:
		default: // already wanted
		}
		return nil, errUnknownKey
	}
	return key, nil
}

// isURL tells URLs from paths.
func isURL(location string) bool {
	scheme, _, ok := strings.Cut(location, "://")
	return ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https"))
}

// parseURL checks the URL of a key set. Its error tells nothing of it.
func parseURL(location string) (*url.URL, error) {
	u, err := url.Parse(location)
	if err != nil {
		return nil, errors.New("no valid URL") // err quotes it
	}
	if u.Host == "" {
		return nil, errors.New("URL has no host")
	}
	return u, nil
}
